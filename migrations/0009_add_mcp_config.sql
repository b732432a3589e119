-- Lets a world keep the configuration of its MCP servers.

ALTER TABLE worlds ADD COLUMN mcp_config TEXT;
