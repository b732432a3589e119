import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { verifyDatabase, worldLegacyVersions } from '../../../core/index.js';
import { dumpDatabase } from '../../support/database-dump.js';
import { buildLegacyDatabase, type LegacySpec } from '../../support/legacy-databases.js';
import { digestOf, lostRows, nothing, type KnownState } from './database-states.js';
import { migrationsDir } from './places.js';
import { upgradeWithSnapshots } from './upgrade-snapshots.js';

/**
 * A database of version 6 to which everything has to be done: seven files are adopted, two completed (one of them by a
 * rebuild of the table of events), two applied, one of which changes the schema and one rows. Some rows have no parent,
 * and the events are numbered wrongly.
 */
const spec: LegacySpec = {
  version: 6,
  missing: ['worlds.chat_llm_model'],
  events: 'without references',
  wrongNumbers: true,
  orphans: true,
};

export const journals = ['rollback', 'wal'] as const;
export type Journal = (typeof journals)[number];

/** What is upgraded, and how. */
export interface Kind {
  /** `new`: there is no file. */
  readonly database: 'legacy' | 'new';
  readonly journal: Journal;
  /** Whether the upgrade makes a copy first. */
  readonly backup: boolean;
  /** Nobody is told of its steps, so that several files may share a transaction. */
  readonly silent?: true;
}

/** A legacy database. */
export function legacyKind(journal: Journal, backup = false): Kind {
  return { database: 'legacy', journal, backup };
}

/** A file that is not there yet. It is born in WAL mode. */
export const newKind: Kind = { database: 'new', journal: 'wal', backup: false };

/** The same upgrade, of which nobody is told. */
export function silent(kind: Kind): Kind {
  return { ...kind, silent: true };
}

/** An upgrade that is tried, and every state in which its database may be. */
export interface Scenario extends Kind {
  readonly name: string;
  /** The database before the upgrade; missing for a new one. */
  readonly source: string;
  /** In the order in which an upgrade reaches them; the first is the one before, the last the one after. */
  readonly states: readonly KnownState[];
}

/** What a check says of a kind of upgrade. */
export function nameOf({ database, journal, backup, silent: isSilent }: Kind): string {
  const mode = journal === 'wal' ? 'WAL' : 'rollback journal';
  const name =
    database === 'new' ? `a new database, ${mode}` : `${mode}, ${backup ? 'with' : 'without'} backup`;
  return isSilent === true ? `${name}, nobody told` : name;
}

const made = new Map<string, Promise<Scenario>>();

/** Makes the database of a scenario, or gives the one that another check of this run had made. */
export function scenarioOf(folder: string, kind: Kind): Promise<Scenario> {
  const place = join(folder, nameOf(kind).replaceAll(/\W+/g, '-'));
  const scenario = made.get(place) ?? makeScenario(place, kind);
  made.set(place, scenario);
  return scenario;
}

/**
 * Makes the database and upgrades a copy of it undisturbed, to learn its states.
 *
 * @throws Error when a row of the old database is missing in one of them
 */
async function makeScenario(place: string, kind: Kind): Promise<Scenario> {
  await mkdir(place);
  const source = join(place, 'source.db');
  const path = join(place, 'upgraded.db');
  if (kind.database === 'legacy') {
    await buildLegacyDatabase(source, { ...spec, journal: kind.journal });
    await copyFile(source, path);
  }
  const snapshots = await upgradeWithSnapshots(path, place);
  const { ok } = await verifyDatabase(path, { migrations: migrationsDir, legacy: worldLegacyVersions });
  if (!ok) throw new Error('The upgraded database does not verify.');

  const old = kind.database === 'legacy' ? await dumpDatabase(source) : undefined;
  const states: KnownState[] = [{ name: 'old', digest: old === undefined ? nothing : digestOf(old) }];
  for (const snapshot of snapshots) {
    const dump = await dumpDatabase(snapshot.path);
    const [lost] = old === undefined ? [] : lostRows(old, dump);
    if (lost !== undefined) throw new Error(`${snapshot.name} does not have ${lost}.`);
    states.push({ name: snapshot.name, digest: digestOf(dump) });
  }
  if (new Set(states.map(({ digest }) => digest)).size !== states.length)
    throw new Error('Two states of the upgrade cannot be told apart.');
  return { ...kind, name: nameOf(kind), source, states };
}

/** Which state a program has reached by what it said: a place in the states of the scenario, and how much it saved. */
export function reportedBy(
  lines: readonly string[],
  { states }: Scenario,
): { readonly state: number; readonly saved: number; readonly backedUp: boolean } {
  const state = Math.max(
    0,
    lines.includes('@opened') ? states.length - 1 : 0,
    ...lines.map((line) => states.findIndex(({ name }) => `@${name}` === line)),
  );
  return {
    state,
    saved: lines.filter((line) => line.startsWith('@saved ')).length,
    backedUp: lines.includes('@backed-up'),
  };
}
