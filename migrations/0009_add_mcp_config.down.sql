-- Worlds no longer keep the configuration of their MCP servers.
ALTER TABLE worlds DROP COLUMN mcp_config;
