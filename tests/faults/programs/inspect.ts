// Looks at databases that others left, opens each through the library, and looks again: `inspect FACTS`, where FACTS is
// the scenario as JSON. Reads one request (Remains) a line, answers each with one line (Verdict).
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

import { messageOf, openStorage, verifyDatabase, worldLegacyVersions } from '../../../core/index.js';
import { dumpDatabase, type DatabaseDump } from '../../support/database-dump.js';
import { withLegacy } from '../../support/legacy-driver.js';
import { countSaved, digestOf } from '../support/database-states.js';
import { migrationsDir } from '../support/places.js';
import {
  isRemains,
  isScenarioFacts,
  type Remains,
  type ScenarioFacts,
  type Verdict,
} from '../support/verdict.js';

/**
 * Every so many databases are held against the files as well. A database that is equal to the one that was verified
 * when its scenario was made cannot fail there.
 */
const verifyEvery = 10;
let judged = 0;

/** What nobody leaves who had something to do. */
const neverLeft = /(-wal|-journal|\.lock|\.partial.*)$/;

async function damageOf(path: string): Promise<string[]> {
  const rows = await withLegacy(path, (connection) => connection.rows('PRAGMA integrity_check'));
  return rows.flatMap((row) => Object.values(row).map(String)).filter((line) => line !== 'ok');
}

/** The finished backups beside a database. */
async function backupsOf(path: string): Promise<string[]> {
  const names = await readdir(dirname(path));
  return names.filter((name) => name.startsWith(`${basename(path)}.backup-`) && !name.includes('.partial'));
}

/** Reads a database. A new one may not be there yet: then an empty file is made, which is the same to SQLite. */
async function dumpOf(path: string, { database }: ScenarioFacts): Promise<DatabaseDump> {
  if (database === 'new' && !existsSync(path)) await writeFile(path, '');
  return dumpDatabase(path);
}

/** What is wrong with a database as it was left. */
async function examine(
  remains: Remains,
  facts: ScenarioFacts,
): Promise<{ found: string; problems: string[] }> {
  const { path } = remains;
  const { states, backup } = facts;
  const problems: string[] = [];
  const dump = await dumpOf(path, facts);
  const digest = digestOf(dump);
  const index = states.findIndex((state) => state.digest === digest);
  const found = states[index]?.name ?? 'between two states';
  const saved = countSaved(dump);
  if (index === -1) problems.push('is between two states');
  else if (index < remains.state)
    problems.push(`is at "${found}" though "${states[remains.state]?.name ?? ''}" was reported`);
  if (saved < remains.saved) problems.push(`has ${saved} of the ${remains.saved} worlds that were saved`);

  const backups = await backupsOf(path);
  for (const name of backups) {
    const copy = join(dirname(path), name);
    if (digestOf(await dumpDatabase(copy)) !== states[0]?.digest)
      problems.push('has a backup that is not what it was');
    problems.push(...(await damageOf(copy)).map((line) => `has a damaged backup: ${line}`));
  }
  if (backup && backups.length === 0 && (index > 0 || remains.backedUp))
    problems.push('was changed and has no backup');
  return { found, problems };
}

/** What is wrong with a database after it was opened through the library. */
async function complete(path: string, { states, journal, backup }: ScenarioFacts): Promise<string[]> {
  const problems: string[] = [];
  const storage = await openStorage({
    database: path,
    migrationsDir,
    legacy: worldLegacyVersions,
    ...(backup ? {} : { backup: false }),
  });
  await storage.close();
  const { upToDate } = storage.report;
  const left = (await readdir(dirname(path))).filter((name) => neverLeft.test(name));
  if (!upToDate && left.length > 0) problems.push(`leaves ${left.join(', ')} behind`);
  const dump = await dumpDatabase(path);
  if (digestOf(dump) !== states.at(-1)?.digest) problems.push('is not what it must be after the upgrade');
  if ((dump.journalMode === 'wal') !== (journal === 'wal'))
    problems.push(`is in journal mode ${dump.journalMode}`);
  if (judged % verifyEvery !== 0) return problems;
  const { ok, drift, pending } = await verifyDatabase(path, {
    migrations: migrationsDir,
    legacy: worldLegacyVersions,
  });
  if (!ok) problems.push(`does not verify: ${JSON.stringify({ drift, pending })}`);
  return problems;
}

async function judge(remains: Remains, facts: ScenarioFacts): Promise<Verdict> {
  const problems: string[] = [];
  let found = 'unreadable';
  let openMs = 0;
  try {
    const examined = await examine(remains, facts);
    found = examined.found;
    problems.push(...examined.problems);
    if (remains.complete) {
      const started = performance.now();
      problems.push(...(await complete(remains.path, facts)));
      openMs = Math.round(performance.now() - started);
    }
    problems.push(...(await damageOf(remains.path)).map((line) => `is damaged: ${line}`));
  } catch (error) {
    problems.push(
      `${found === 'unreadable' ? 'cannot be read' : 'cannot be completed'}: ${messageOf(error)}`,
    );
  }
  return { problems, found, openMs };
}

const facts: unknown = JSON.parse(process.argv[2] ?? '');
if (!isScenarioFacts(facts)) throw new Error('These are no facts of a scenario.');
for await (const line of createInterface(process.stdin)) {
  const remains: unknown = JSON.parse(line);
  if (!isRemains(remains)) throw new Error(`This is no request: ${line}`);
  console.log(JSON.stringify(await judge(remains, facts)));
  judged += 1;
}
