export { openStorage, type Storage, type StorageOptions } from './storage/sqlite-storage.js';
export {
  adoptHistory,
  applyRetention,
  baselineDatabase,
  bundleMigrations,
  createBackup,
  ensureHistoryTable,
  findDatabases,
  findDrift,
  inspectDatabase,
  isPending,
  listApplied,
  listBackups,
  listHistory,
  moveDatabase,
  planAll,
  planMove,
  planRollBack,
  planUpgrade,
  readChecks,
  readMigrations,
  recordApplied,
  rehearseUpgrade,
  repairHistory,
  restoreBackup,
  rollBackDatabase,
  runChecks,
  upgradeAll,
  verifyBackup,
  verifyDatabase,
  writeBundle,
} from './doors.js';
export { upgradeConnection, upgradeDatabase } from './storage/upgrade-database.js';
export type {
  DatabaseBridge,
  DatabaseDriver,
  ExecuteResult,
  LocalBridge,
  OpenMode,
  Row,
  SqlValue,
} from './database/database-bridge.js';
export { asBridge, type InjectedBridge } from './storage/injected-bridge.js';
export { openConnection, type DriverChoice, type DriverName, type DriverOption } from './database/drivers.js';
export {
  MigrationRunner,
  type MigrationList,
  type MigrationRunnerOptions,
} from './faces/migration-runner.js';
export {
  MigrationService,
  type MigrationProblem,
  type MigrationRun,
  type MigrationServiceOptions,
} from './faces/migration-service.js';
export type { MigrationTarget } from './faces/migration-target.js';
export type {
  PlanAllOptions,
  PlanOutcome,
  PlanSummary,
  UpgradeAllOptions,
  UpgradeOutcome,
  UpgradeSummary,
} from './storage/upgrade-all.js';
export type { FoundDatabases } from './storage/fleet-files.js';
export type { FailedDatabase, FleetOptions, FleetSummary, Unfinished } from './storage/fleet.js';
export type { PlannedScript, UpgradePlan } from './storage/upgrade-plan.js';
export type { MoveOptions, RollBackOptions } from './storage/database-rollback.js';
export type {
  BackupCheckOptions,
  CreateBackupOptions,
  ListBackupsOptions,
  RestoreBackupOptions,
  RetentionOptions,
} from './storage/backups.js';
export type { Backup } from './storage/backup-files.js';
export type { BackupPolicy, BackupSettings } from './storage/backup-policy.js';
export type { ListedBackup } from './storage/backup-retention.js';
export type { BackupVerdict } from './storage/database-backup.js';
export type { RestoreReport, SavedCopy } from './storage/database-restore.js';
export type {
  ConnectionUpgradeOptions,
  Migrations,
  MigrationSource,
  UpgradeOptions,
} from './storage/upgrade-options.js';
export type { BundledMigration, BundledText, MigrationBundle } from './storage/migration-bundle.js';
export type { BundleOptions, BundleReport } from './storage/bundle-file.js';
export type {
  AdoptedFrom,
  CompletedMigration,
  ReportedMigration,
  RowCount,
  UpgradeReport,
} from './storage/upgrade-report.js';
export type { AllowedLoss } from './storage/migration-guards.js';
export type { OwnTrigger } from './storage/own-triggers.js';
export type { Progress, ProgressEvent } from './storage/upgrade-progress.js';
export type { WrongUserVersion } from './storage/database-state.js';
export type { Inspection, InspectionOptions } from './storage/database-inspection.js';
export { otherTools, type OtherHistorySummary, type OtherTool } from './storage/other-history.js';
export type { ChangedFile } from './storage/changed-files.js';
export type { PlannedCompletion, PlannedMigration, PlannedWork } from './storage/planned-work.js';
export { LegacyRefusedError, type LegacyMode } from './storage/legacy-mode.js';
export type { FileState, FileStatus } from './storage/file-status.js';
export type { HistoryAccessOptions, ListAppliedOptions, RecordedFile } from './storage/history-access.js';
export { MigrationTracking, type MigrationTrackingOptions } from './faces/migration-tracking.js';
export type { Verification, VerificationOptions } from './storage/database-verification.js';
export type { CheckResult } from './storage/database-checks.js';
export type { DatabaseCheck, Expectation } from './storage/check-files.js';
export type { RehearsalOptions, RehearsalReport } from './storage/rehearsal.js';
export type { RehearsalError, RehearsedStep } from './storage/rehearsal-run.js';
export type { ContentDifference, RoundTrip } from './storage/round-trip.js';
export type { RowDifference } from './storage/table-digest.js';
export type { SchemaChange } from './storage/schema-changes.js';
export type { TouchedRows } from './storage/touched-rows.js';
export type { BaselineFile, BaselineOptions, BaselineReport } from './storage/database-baseline.js';
export type { AdoptionTerms } from './storage/adoption-terms.js';
export type { AdoptOptions, AdoptReport } from './storage/history-adoption.js';
export type { AdoptedFile } from './storage/adoption-decision.js';
export type { MatchKind } from './storage/history-matching.js';
export type { RepairOptions, RepairReport } from './storage/history-repair.js';
export type { HistoryChangeOptions } from './storage/history-change.js';
export type { MarkedMigration } from './storage/repair-decision.js';
export type { CheckViolations } from './storage/check-violations.js';
export { fileDifference } from './storage/text-difference.js';
export { defineMigration, type CodeMigration } from './storage/code-migrations.js';
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
export type {
  AppliedMigration,
  AttemptDetails,
  AttemptStatus,
  Origin,
  ToleratedViolations,
} from './storage/history-row.js';
export type { SchemaDifference } from './storage/schema-comparison.js';
export type { Drift } from './storage/schema-mending.js';
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
