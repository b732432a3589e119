import { describe, expect, it } from '@jest/globals';

import { ForeignDatabaseError, HistoryConflictError, NewerDatabaseError } from '../../core/errors.js';
import type { DatabaseState } from '../../core/storage/database-state.js';
import type { FileEvidence } from '../../core/storage/legacy-evidence.js';
import { appliedMigrations, type AppliedMigration } from '../../core/storage/history-row.js';
import { isUpToDate, planMigrations, type MigrationPlan } from '../../core/storage/migration-plan.js';
import type { Migration } from '../../core/storage/migration.js';
import { migrationOf } from '../support/migration-values.js';

const file = (version: number, sql = `CREATE TABLE t${version} (a);`): Migration =>
  migrationOf(`${String(version).padStart(4, '0')}_step.sql`, sql);
const files = (...versions: readonly number[]): readonly Migration[] =>
  versions.map((version) => file(version));

let rows = 0;

function attempt(version: number, details: Partial<AppliedMigration> = {}): AppliedMigration {
  const { filename, description, checksum } = file(version);
  rows += 1;
  return {
    id: rows,
    version,
    filename,
    description,
    checksum,
    appliedAt: '2025-01-31T09:30:00.000Z',
    executionTimeMs: 1,
    status: 'applied',
    origin: 'migration',
    details: {},
    release: undefined,
    ...details,
  };
}

const managed = (...history: readonly AppliedMigration[]): DatabaseState => ({
  kind: 'managed',
  userVersion: 0,
  history,
  applied: appliedMigrations(history),
});

const weighed = (version: number, state: FileEvidence['state']): FileEvidence => ({
  migration: file(version),
  state,
  claimed: false,
  claimable: false,
  missing: [],
  different: [],
});

const adopted = { origin: 'legacy' } as const;
const completed = { origin: 'completed' } as const;

const versionsIn = ({ baseline, pending }: MigrationPlan): string =>
  [
    ...baseline.map(({ migration, state }) => `${state} ${migration.version}`),
    ...pending.map(({ version }) => `apply ${version}`),
  ].join(', ');

describe('planMigrations', () => {
  it.each<[title: string, found: DatabaseState, known: readonly Migration[], plan: string]>([
    [
      'applies every file to an absent database',
      { kind: 'absent' },
      files(1, 2, 3),
      'apply 1, apply 2, apply 3',
    ],
    [
      'applies every file to an empty database',
      { kind: 'empty', userVersion: 0 },
      files(1, 2),
      'apply 1, apply 2',
    ],
    [
      'asks nothing of an empty database that claims a version',
      { kind: 'empty', userVersion: 5 },
      files(1),
      'apply 1',
    ],
    [
      'leaves gaps between the numbers alone',
      { kind: 'absent' },
      files(3, 10, 400),
      'apply 3, apply 10, apply 400',
    ],
    [
      'records what a legacy database holds and applies the rest',
      {
        kind: 'legacy',
        claimed: 4,
        evident: 2,
        files: [weighed(1, 'absent'), weighed(2, 'present'), weighed(3, 'partial'), weighed(4, 'data-only')],
      },
      files(1, 2, 3, 4),
      'present 2, partial 3, apply 1, apply 4',
    ],
    [
      'has nothing to apply to a legacy database that holds everything',
      { kind: 'legacy', claimed: 0, evident: 0, files: [weighed(1, 'present')] },
      files(1),
      'present 1',
    ],
    ['does nothing where all is applied', managed(attempt(1), attempt(2)), files(1, 2), ''],
    ['applies what came after', managed(attempt(1)), files(1, 2, 3), 'apply 2, apply 3'],
    [
      'goes on where an upgrade stopped',
      managed(attempt(1), attempt(2, { status: 'failed' })),
      files(1, 2, 3),
      'apply 2, apply 3',
    ],
    [
      'applies again what was rolled back',
      managed(attempt(1), attempt(2), attempt(2, { status: 'rolled_back' })),
      files(1, 2),
      'apply 2',
    ],
    [
      'does nothing where a failure was mended',
      managed(attempt(1, { status: 'failed' }), attempt(1)),
      files(1),
      '',
    ],
    [
      'applies a lower number after an adoption',
      managed(attempt(3, adopted), attempt(4, completed)),
      files(1, 2, 3, 4, 5),
      'apply 1, apply 2, apply 5',
    ],
    [
      'goes on with a lower number after an adoption of which some was applied',
      managed(attempt(3, adopted), attempt(1)),
      files(1, 2, 3, 4),
      'apply 2, apply 4',
    ],
    [
      'applies to a database in which everything was rolled back',
      managed(attempt(1), attempt(1, { status: 'rolled_back' })),
      files(1),
      'apply 1',
    ],
  ])('%s', (_title, found, known, plan) => {
    const planned = planMigrations(found, known);
    expect(versionsIn(planned)).toBe(plan);
    expect(isUpToDate(planned)).toBe(plan === '');
  });

  it('refuses a database that is not ours, with every reason', () => {
    const found: DatabaseState = {
      kind: 'foreign',
      userVersion: 9,
      reasons: ['it has wings', 'it flies'],
      occupied: false,
    };
    expect(() => planMigrations(found, files(1))).toThrow(ForeignDatabaseError);
    expect(() => planMigrations(found, files(1))).toThrow(
      'This cannot be taken for a database of this program: it has wings; it flies.',
    );
  });

  it('refuses a database with a newer version, and says both', () => {
    const refusal = (): unknown => planMigrations(managed(attempt(1), attempt(7)), files(1, 2));
    expect(refusal).toThrow(NewerDatabaseError);
    expect(refusal).toThrow(
      'The database is at version 7 (0007_step.sql), and this program knows versions up to 2.',
    );
    expect(refusal).toThrow(expect.objectContaining({ databaseVersion: 7, programVersion: 2 }));
  });

  it('refuses a newer database before it looks at anything else', () => {
    const history = managed(attempt(1, { checksum: 'changed' }), attempt(2), attempt(3));
    expect(() => planMigrations(history, files(1))).toThrow(NewerDatabaseError);
    expect(() => planMigrations(managed(attempt(1)), [])).toThrow(NewerDatabaseError);
  });

  it('does not take a newer version that failed or was rolled back for a newer database', () => {
    const history = managed(
      attempt(1),
      attempt(3, { status: 'failed' }),
      attempt(4),
      attempt(4, { status: 'rolled_back' }),
    );
    expect(versionsIn(planMigrations(history, files(1, 2)))).toBe('apply 2');
  });

  it.each<
    [
      title: string,
      code: string,
      history: DatabaseState,
      known: readonly Migration[],
      version: number,
      sentence: RegExp,
    ]
  >([
    [
      'an applied file that is gone',
      'MISSING_MIGRATION',
      managed(attempt(1), attempt(2), attempt(3)),
      files(1, 3),
      2,
      /0002_step\.sql was applied on 2025-01-31T09:30:00\.000Z and is not among the files/,
    ],
    [
      'an applied file that has changed',
      'CHANGED_MIGRATION',
      managed(attempt(1), attempt(2)),
      [file(1), file(2, 'CREATE TABLE other (a);')],
      2,
      /0002_step\.sql was changed after it was applied on .*: its checksum was [0-9a-f]{12}… and is [0-9a-f]{12}…/,
    ],
    [
      'another file under a number that is applied',
      'CHANGED_MIGRATION',
      managed(attempt(1), { ...attempt(2), filename: '0002_theirs.sql' }),
      [file(1), file(2, 'CREATE TABLE other (a);')],
      2,
      /Number 2 was applied on .* as 0002_theirs\.sql, and among the files it is 0002_step\.sql/,
    ],
    [
      'an adopted file that has changed',
      'CHANGED_MIGRATION',
      managed(attempt(1, adopted)),
      [file(1, 'CREATE TABLE other (a);')],
      1,
      /0001_step\.sql was changed/,
    ],
    [
      'a new file with a number below one that was applied',
      'OUT_OF_ORDER_MIGRATION',
      managed(attempt(1), attempt(3)),
      files(1, 2, 3, 4),
      2,
      /0002_step\.sql is new, but 0003_step\.sql with a higher number is applied already/,
    ],
    [
      'a late file among adopted ones once others were applied',
      'OUT_OF_ORDER_MIGRATION',
      managed(attempt(5, adopted), attempt(4)),
      files(2, 4, 5),
      2,
      /0002_step\.sql is new, but 0004_step\.sql/,
    ],
  ])('refuses %s', (_title, code, history, known, version, sentence) => {
    const refusal = (): unknown => planMigrations(history, known);
    expect(refusal).toThrow(HistoryConflictError);
    expect(refusal).toThrow(expect.objectContaining({ code, version }));
    expect(refusal).toThrow(sentence);
  });

  it('does not mind that a file was changed whose attempts failed', () => {
    const history = managed(attempt(1), attempt(2, { status: 'failed', checksum: 'before it was mended' }));
    expect(versionsIn(planMigrations(history, files(1, 2)))).toBe('apply 2');
  });
});
