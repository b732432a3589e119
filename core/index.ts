export { openStorage, type Storage, type StorageOptions } from './storage/sqlite-storage.js';
export { upgradeDatabase } from './storage/legacy-migrations.js';
export {
  moveDatabase,
  rollBackDatabase,
  type MoveOptions,
  type RollBackOptions,
} from './storage/database-rollback.js';
export type { BackupPolicy, BackupSettings } from './storage/backup-policy.js';
export type { MigrationSource, UpgradeOptions } from './storage/upgrade-options.js';
export type {
  CompletedMigration,
  ReportedMigration,
  RowCount,
  UpgradeReport,
} from './storage/upgrade-report.js';
export type { Progress, ProgressEvent } from './storage/upgrade-progress.js';
export {
  inspectDatabase,
  type Inspection,
  type PlannedCompletion,
  type PlannedMigration,
} from './storage/database-inspection.js';
export { verifyDatabase, type Verification } from './storage/database-verification.js';
export { readMigrations } from './storage/migration-files.js';
export type {
  Directives,
  DownScript,
  Migration,
  MigrationCode,
  MigrationConnection,
  Requirement,
  Statement,
} from './storage/migration.js';
export type { LegacyVersions } from './storage/legacy-evidence.js';
export type { AppliedMigration, ToleratedViolations } from './storage/migration-history.js';
export type { SchemaDifference } from './storage/schema-comparison.js';
export { worldLegacyVersions, worldMigrationsDir } from './storage/world-migrations.js';
export * from './errors.js';
export type { Agent, AgentValues, AgentWithMemory, Agents } from './storage/agents.js';
export type { Archive, ArchivedMessage, Archives, ArchiveWithMessages } from './storage/archives.js';
export type { Chat, ChatChanges, Chats, ChatValues } from './storage/chats.js';
export type { Events, NewEvent, StoredEvent } from './storage/events.js';
export type { Memory, MemoryMessage, NewMemoryMessage } from './storage/memory.js';
export type { JsonValue, Timestamp } from './storage/rows.js';
export { isRole, roles, type Role } from './storage/values.js';
export type { World, Worlds, WorldValues } from './storage/worlds.js';
