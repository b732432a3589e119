import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { stat } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

import { CommandFolder, documentOf, type RunningCommand } from '../support/command.js';
import { withLegacy } from '../support/legacy-driver.js';

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
});

afterEach(() => folder.remove());

function numbers(count: number): string {
  return `CREATE TABLE numbers (n INTEGER);
INSERT INTO numbers
WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ${count})
SELECT n FROM counter;
`;
}

const source = ['--database', 'new.db', '--migrations', 'sql'];

/** Starts an upgrade that never comes to its end, and waits until its second file is in the middle of its work. */
async function startSlowUpgrade(...parameters: readonly string[]): Promise<RunningCommand> {
  await folder.files('sql', {
    '0001_first.sql': 'CREATE TABLE first (x);',
    '0002_slow.sql': numbers(Number.MAX_SAFE_INTEGER),
  });
  const command = folder.start(['up', ...source, ...parameters]);
  // SQLite writes pages to the log before the COMMIT when its cache is full.
  while (((await stat(folder.at('new.db-wal')).catch(() => undefined))?.size ?? 0) < 1_000_000)
    await pause(20);
  return command;
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  '%s rolls the step back that is going on, says where the database stands, and exits with %i',
  async (signal, status) => {
    const command = await startSlowUpgrade();
    command.kill(signal);
    const end = await command.end();
    expect(end).toMatchObject({ status, stdout: '' });
    expect(end.stderr).toMatch(
      new RegExp(
        `\\napplying 0002_slow\\.sql
${signal}: stopping; what is not finished is rolled back
"new\\.db" is at version 1; 1 file is pending\\.
Error: The upgrade was stopped on request: every finished step stays, an unfinished one was rolled back\\.
Cause: The signal ${signal} was received\\.
Hint: {2}.*
Code: {2}INTERRUPTED
$`,
      ),
    );

    await folder.files('sql', { '0002_slow.sql': numbers(10) });
    expect((await folder.run('up', ...source)).status).toBe(0);
    const rows = await withLegacy(folder.at('new.db'), (program) =>
      program.rows('SELECT count(*) AS n FROM numbers'),
    );
    expect(rows).toEqual([{ n: 10 }]);
  },
);

test('a second signal does not cut the roll-back off, and --json tells of the interruption in one document', async () => {
  const command = await startSlowUpgrade('--json');
  command.kill('SIGINT');
  command.kill('SIGINT');
  command.kill('SIGTERM');
  const end = await command.end();
  expect(end.stderr).toBe('');
  expect(documentOf(end)).toEqual({
    error: expect.objectContaining({ code: 'INTERRUPTED' }),
    state: { kind: 'managed', version: 1, pending: ['0002_slow.sql'] },
  });
  expect([130, 143]).toContain(end.status);
});

test('a waiting process stops waiting', async () => {
  const holder = await startSlowUpgrade();
  const waiter = folder.start(['up', ...source]);
  await waiter.said('waiting for another process');
  waiter.kill('SIGTERM');
  expect((await waiter.end()).status).toBe(143);
  holder.kill('SIGINT');
  expect((await holder.end()).status).toBe(130);
});
