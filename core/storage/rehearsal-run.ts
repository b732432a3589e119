import { resolveDriver } from '../database/drivers.js';
import {
  ForeignDatabaseError,
  OtherHistoryError,
  HistoryConflictError,
  MigrationFailedError,
  NewerDatabaseError,
  UpgradeBridgeError,
  type ErrorCode,
} from '../errors.js';
import type { ChangeTerms } from './change-terms.js';
import { changeDatabase } from './database-change.js';
import { historyTableOf } from './history-table.js';
import type { RehearsalCopy } from './rehearsal-copy.js';
import { RowObserver, type TouchedRows } from './touched-rows.js';
import type { UpgradeOptions } from './upgrade-options.js';
import type { ProgressEvent } from './upgrade-progress.js';
import type { UpgradeReport } from './upgrade-report.js';

/** One step of a rehearsal, and what it would do to a database. */
export interface RehearsedStep {
  readonly kind: 'adopted' | 'applied' | 'rolled back' | 'failed';
  /** The files: one, or all that were adopted together. */
  readonly files: readonly string[];
  /** How long it took; undefined where it failed. */
  readonly ms: number | undefined;
  /** The rows that its statements wrote, by table; none where it failed. */
  readonly rows: readonly TouchedRows[];
  /** Rows that were changed in consequence: by triggers, and by virtual tables in tables of their own. */
  readonly rowsInConsequence: number;
}

/** Why an upgrade would fail. */
export interface RehearsalError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

/** What became of one run on the copy. */
export interface RehearsalRun {
  readonly steps: readonly RehearsedStep[];
  readonly report: UpgradeReport | undefined;
  readonly error: RehearsalError | undefined;
}

/** What is rehearsed: an upgrade of `database`, carried out on the copy. */
export interface RehearsalRequest {
  readonly copy: Pick<RehearsalCopy, 'path'>;
  readonly options: UpgradeOptions;
}

type StepEvent = Extract<ProgressEvent, { kind: 'adopted' | 'applied' | 'rolled-back' | 'failed' }>;

function isStep(event: ProgressEvent): event is StepEvent {
  return ['adopted', 'applied', 'rolled-back', 'failed'].includes(event.kind);
}

const ADOPTION = '(adoption)';

/** Carries out one change of the copy. What would make the real one fail is part of the result. */
export async function runOnCopy(
  { copy, options }: RehearsalRequest,
  terms: ChangeTerms,
): Promise<RehearsalRun> {
  const driver = resolveDriver(options.driver);
  const observer = new RowObserver(driver, copy.path, historyTableOf(options), ADOPTION);
  const events: StepEvent[] = [];
  const onProgress = (event: ProgressEvent): void => {
    if (event.kind === 'applying' || event.kind === 'rolling-back') observer.begin(event.filename);
    else if (isStep(event)) events.push(event);
    options.onProgress?.(event);
  };
  const upgrade: UpgradeOptions = {
    ...options,
    database: copy.path,
    backup: false,
    // A copy may become what the database itself is kept from becoming.
    legacyMode: 'bridge',
    onProgress,
    driver: observer.driver,
  };
  const run = await outcomeOf(changeDatabase(upgrade, terms));
  return {
    steps: events.map((event) => stepOf(event, observer)),
    report: run.report === undefined ? undefined : { ...run.report, database: options.database },
    error: run.error === undefined ? undefined : errorOf(run.error, copy.path, options.database),
  };
}

/** Tells a failure that belongs to the database and the files from one of the machine or the caller, which travels. */
async function outcomeOf(
  change: Promise<UpgradeReport>,
): Promise<{ report: UpgradeReport | undefined; error: UpgradeBridgeError | undefined }> {
  try {
    return { report: await change, error: undefined };
  } catch (error) {
    if (isFinding(error)) return { report: undefined, error };
    throw error;
  }
}

const findings: readonly ErrorCode[] = ['ADOPTION_FAILED', 'BAD_HISTORY', 'DAMAGED_DATABASE'];

function isFinding(error: unknown): error is UpgradeBridgeError {
  return (
    error instanceof MigrationFailedError ||
    error instanceof HistoryConflictError ||
    error instanceof ForeignDatabaseError ||
    error instanceof OtherHistoryError ||
    error instanceof NewerDatabaseError ||
    (error instanceof UpgradeBridgeError && findings.some((code) => code === error.code))
  );
}

function errorOf(
  { code, message, hint }: UpgradeBridgeError,
  copy: string,
  database: string,
): RehearsalError {
  return { code, message: message.replaceAll(copy, database), hint: hint.replaceAll(copy, database) };
}

function stepOf(event: StepEvent, observer: RowObserver): RehearsedStep {
  switch (event.kind) {
    case 'adopted':
      return { kind: 'adopted', files: event.files, ms: event.ms, ...rowsOf(observer, ADOPTION) };
    case 'applied':
      return { kind: 'applied', files: [event.filename], ms: event.ms, ...rowsOf(observer, event.filename) };
    case 'rolled-back':
      return {
        kind: 'rolled back',
        files: [event.filename],
        ms: event.ms,
        ...rowsOf(observer, event.filename),
      };
    case 'failed':
      return { kind: 'failed', files: [event.filename], ms: undefined, rows: [], rowsInConsequence: 0 };
  }
}

function rowsOf(observer: RowObserver, step: string): Pick<RehearsedStep, 'rows' | 'rowsInConsequence'> {
  const { touched, inConsequence } = observer.rowsOf(step);
  return { rows: touched, rowsInConsequence: inConsequence };
}
