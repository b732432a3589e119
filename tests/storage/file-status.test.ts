import { describe, expect, it } from '@jest/globals';

import { fileStatuses, type FileState } from '../../core/storage/file-status.js';
import type { FileEvidence } from '../../core/storage/legacy-evidence.js';
import type { AppliedMigration } from '../../core/storage/history-row.js';
import { parseMigration } from '../../core/storage/migration-files.js';
import type { Migration } from '../../core/storage/migration.js';

function file(version: number, text = `CREATE TABLE t${version} (x);`): Migration {
  return parseMigration(`${version}_file.sql`, Buffer.from(text));
}

function attempt(id: number, version: number, status: AppliedMigration['status']): AppliedMigration {
  return {
    id,
    version,
    filename: `${version}_file.sql`,
    description: 'as it was',
    checksum: file(version).checksum,
    appliedAt: `2026-01-0${id}T00:00:00.000Z`,
    executionTimeMs: id,
    status,
    origin: 'migration',
    details: {},
    release: undefined,
  };
}

function evidence(migration: Migration, state: FileEvidence['state']): FileEvidence {
  return { migration, state, claimed: false, claimable: false, missing: [], different: [] };
}

describe('a file', () => {
  const one = file(1);
  const cases: readonly (readonly [FileState, readonly AppliedMigration[], readonly Migration[]])[] = [
    ['pending', [], [one]],
    ['applied', [attempt(1, 1, 'applied')], [one]],
    ['applied', [attempt(1, 1, 'failed'), attempt(2, 1, 'applied')], [one]],
    ['applied', [attempt(1, 1, 'applied'), attempt(2, 1, 'failed')], [one]],
    ['failed', [attempt(1, 1, 'failed')], [one]],
    ['failed', [attempt(1, 1, 'applied'), attempt(2, 1, 'rolled_back'), attempt(3, 1, 'failed')], [one]],
    ['rolled_back', [attempt(1, 1, 'applied'), attempt(2, 1, 'rolled_back')], [one]],
    ['rolled_back', [attempt(1, 1, 'applied'), attempt(2, 1, 'rolled_back')], []],
    ['changed', [attempt(1, 1, 'applied')], [file(1, 'CREATE TABLE other (x);')]],
    ['newer', [attempt(1, 1, 'applied')], []],
  ];

  it.each(cases)('is %s', (state, history, known) => {
    expect(fileStatuses(history, known, { baseline: [] })).toMatchObject([{ version: 1, state }]);
  });

  it('is missing where a later one is there', () => {
    const found = fileStatuses([attempt(1, 1, 'applied')], [file(2)], { baseline: [] });
    expect(found.map(({ state }) => state)).toEqual(['missing', 'pending']);
  });

  it('can be adopted or completed where a legacy database holds it, also after a failure', () => {
    const [two, three] = [file(2), file(3)];
    const baseline = [evidence(one, 'present'), evidence(two, 'partial'), evidence(three, 'absent')];
    const found = fileStatuses([attempt(1, 1, 'failed')], [one, two, three], { baseline });
    expect(found.map(({ state }) => state)).toEqual(['adoptable', 'completable', 'pending']);
  });

  it('tells of the attempt that stands, and otherwise of the newest', () => {
    const applied = [attempt(1, 1, 'applied'), attempt(2, 1, 'failed')];
    expect(fileStatuses(applied, [one], { baseline: [] })).toEqual([
      {
        version: 1,
        filename: '1_file.sql',
        description: 'file',
        state: 'applied',
        release: undefined,
        appliedAt: '2026-01-01T00:00:00.000Z',
        executionTimeMs: 1,
        origin: 'migration',
      },
    ]);
    const undone = [attempt(1, 1, 'applied'), attempt(2, 1, 'rolled_back')];
    expect(fileStatuses(undone, [one], { baseline: [] })).toMatchObject([
      { appliedAt: '2026-01-02T00:00:00.000Z', executionTimeMs: 2 },
    ]);
  });

  it('tells its release before it is applied, and afterwards the one that the history kept', () => {
    const released = file(1, '-- migration: release 2.0.0\nCREATE TABLE t1 (x);');
    const row = { ...attempt(1, 1, 'applied'), checksum: released.checksum, release: '1.9.0' };
    expect(fileStatuses([], [released], { baseline: [] })).toMatchObject([{ release: '2.0.0' }]);
    expect(fileStatuses([row], [released], { baseline: [] })).toMatchObject([{ release: '1.9.0' }]);
  });

  it('stands in the order of its version, whether the file or the history knows it', () => {
    const history = [attempt(1, 12, 'applied'), attempt(2, 3, 'failed')];
    const found = fileStatuses(history, [file(2), file(10)], { baseline: [] });
    expect(found.map(({ version }) => version)).toEqual([2, 3, 10, 12]);
  });
});
