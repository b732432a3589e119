import type { DatabaseBridge } from '../database/database-bridge.js';
import { UpgradeBridgeError } from '../errors.js';
import { completeFile } from './legacy-completion.js';
import { weighEvidence, type FileEvidence } from './legacy-evidence.js';
import { attemptAt, type Attempt } from './history-row.js';
import type { Replay, ReplayStep } from './migration-replay.js';
import { readSchema, type SchemaSnapshot } from './schema-snapshot.js';
import type { BaselineResult, UpgradeWork } from './upgrade-request.js';
import type { ResolvedSource } from './upgrade-source.js';

/**
 * Completes the files of a legacy database that are there in part, inside the open transaction, and says what the history
 * must record of its baseline.
 *
 * @throws UpgradeBridgeError (ADOPTION_FAILED) when a file that is to be recorded would still not be wholly there
 */
export async function adoptBaseline(
  db: DatabaseBridge,
  source: ResolvedSource,
  work: UpgradeWork,
): Promise<BaselineResult> {
  const replay = await source.replayed();
  const { baseline } = work.plan;
  const versions = new Set(baseline.map(({ migration }) => migration.version));
  const adopted = replay.steps.filter(({ migration }) => versions.has(migration.version));
  const attempts: Attempt[] = [];
  for (const file of baseline)
    attempts.push(
      file.state === 'partial'
        ? await complete(db, source, file, adopted)
        : attemptAt(file.migration, { status: 'applied', origin: 'legacy', executionTimeMs: 0, details: {} }),
    );
  // Where nothing was completed, the look in this transaction is the proof.
  if (baseline.some(({ state }) => state === 'partial'))
    proveBaseline(await readSchema(db, source.historyTable), replay, source, work);
  return { attempts };
}

async function complete(
  db: DatabaseBridge,
  { historyTable, logger }: ResolvedSource,
  file: FileEvidence,
  adopted: readonly ReplayStep[],
): Promise<Attempt> {
  const started = performance.now();
  const { completed, replaced } = await completeFile(db, historyTable, file, adopted);
  logger.info({ file: file.migration.filename, objects: completed }, 'legacy migration completed');
  return attemptAt(file.migration, {
    status: 'applied',
    origin: 'completed',
    executionTimeMs: performance.now() - started,
    details: { completed, ...(replaced.length > 0 ? { replaced } : {}) },
  });
}

/** Weighs the database again after completion: everything that is about to be recorded must be wholly there now. */
function proveBaseline(
  schema: SchemaSnapshot,
  replay: Replay,
  { legacy }: ResolvedSource,
  { state, plan }: UpgradeWork,
): void {
  const claimed = state.kind === 'legacy' ? state.claimed : 0;
  const evidence = weighEvidence(schema, claimed, replay, legacy);
  const files = evidence.kind === 'legacy' ? evidence.files : [];
  const present = new Set(
    files.filter((file) => file.state === 'present').map(({ migration }) => migration.version),
  );
  const unproven = plan.baseline.filter(({ migration }) => !present.has(migration.version));
  if (evidence.kind === 'legacy' && unproven.length === 0) return;
  const names = unproven.map(({ migration }) => migration.filename).join(', ');
  throw new UpgradeBridgeError(
    'ADOPTION_FAILED',
    `The legacy database could not be completed: ${names} would still not be wholly there.`,
    { hint: 'Nothing was changed. Report this with the output of "upgrade-bridge status".' },
  );
}
