import type { Stats } from 'node:fs';
import { lstat, readFile, readlink, realpath, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';

import { FileAccessError, InvalidOptionError, messageOf } from '../errors.js';
import { bundleMigrations } from './bundle-making.js';
import { systemErrorCode, takePlaceOf } from './file-system.js';
import { refuseUnknownOptions } from './known-options.js';
import type { MigrationBundle } from './migration-bundle.js';
import { migrationName, type MigrationFileOptions } from './migration-files.js';
import { noFile } from './migration-folder.js';
import { claimPartial, discardPartial } from './partial-files.js';

export interface BundleOptions extends MigrationFileOptions {
  /** The folder of SQL files. */
  readonly folder: string;
  /** The file to write: `.js` or `.mjs` for an ECMAScript module, `.cjs`, `.ts` or `.mts`, or `.json`. */
  readonly out: string;
  /** Whether the file is only held against the folder, and not written. Default: false. */
  readonly check?: boolean | undefined;
}

/** What `writeBundle` found and did. */
export interface BundleReport {
  readonly folder: string;
  readonly out: string;
  /** `written`; or `current`: the file is what the folder makes; or `different`, with `check`. */
  readonly state: 'written' | 'current' | 'different';
  /** The newest version in the bundle. */
  readonly version: number;
  /** How many migrations are in it, and how many of them have a way back. */
  readonly migrations: number;
  readonly down: number;
  /** Whether the project's checks are in it. */
  readonly checks: boolean;
  readonly digest: string;
}

const optionNames = {
  check: true,
  folder: true,
  historyTable: true,
  out: true,
} as const satisfies Record<keyof BundleOptions, true>;

const header = `// Written by "upgrade-bridge bundle". Do not edit: change the SQL files, and write it anew.
/* eslint-disable */
// prettier-ignore
`;

/** The text of each kind of file around the value, which is JSON. */
const wrappings: Readonly<Record<string, (json: string) => string>> = {
  '.json': (json) => `${json}\n`,
  '.js': (json) => `${header}export default ${json};\n`,
  '.mjs': (json) => `${header}export default ${json};\n`,
  '.cjs': (json) => `${header}module.exports = ${json};\n`,
  '.ts': typed,
  '.mts': typed,
};

function typed(json: string): string {
  return `import type { MigrationBundle } from 'sqlite-upgrade-bridge';\n\n${header}const migrations: MigrationBundle = ${json};\n\nexport default migrations;\n`;
}

/**
 * Writes a folder of migrations as one module or JSON file (`MigrationBundle`). The same folder always makes the same
 * bytes, so that the file can be checked in and compared; one that is right already is left as it is. Of one that is
 * replaced, the permissions stay, and so do links that lead to it.
 *
 * @throws InvalidOptionError when the name of the file says of no kind what it is
 * @throws FileAccessError (NO_ACCESS) when it cannot be read or written
 * @throws what `bundleMigrations` throws
 */
export async function writeBundle(options: BundleOptions): Promise<BundleReport> {
  refuseUnknownOptions('writeBundle', options, optionNames);
  const { folder, out, check = false } = options;
  const wrap = wrappingOf(out);
  const bundle = await bundleMigrations(folder, options);
  const text = wrap(jsonOf(bundle));
  const place = await placeOf(out);
  const isCurrent = (await textThere(out, place)) === text;
  if (!isCurrent && !check) await replaceFile(out, place, text);
  return {
    folder,
    out,
    state: isCurrent ? 'current' : check ? 'different' : 'written',
    version: bundle.migrations.reduce(
      (most, each) => Math.max(most, migrationName(each.filename).version),
      0,
    ),
    migrations: bundle.migrations.length,
    down: bundle.migrations.filter((each) => each.down !== undefined).length,
    checks: bundle.checks !== undefined,
    digest: bundle.digest,
  };
}

function wrappingOf(out: string): (json: string) => string {
  const wrap = wrappings[extname(out)];
  if (wrap !== undefined) return wrap;
  throw new InvalidOptionError(`"${out}" does not say by its ending what kind of file the bundle is to be.`, {
    hint: `Let it end in one of ${Object.keys(wrappings).join(', ')}.`,
  });
}

/** What some editors and older tools take for the end of a line, or drop, is written as an escape. */
function jsonOf(bundle: MigrationBundle): string {
  const escaped = (character: string): string =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(bundle, undefined, 2).replace(/[\u007f-\u009f\u2028\u2029\ufeff]/g, escaped);
}

/** Where the file is or will be. */
interface Place {
  /** The path with its links followed: a link stays, and what it leads to is replaced. */
  readonly path: string;
  /** The file that is there. */
  readonly found: Stats | undefined;
}

/** Looks at the file before it is opened: opening a named pipe would wait for ever. */
async function placeOf(out: string): Promise<Place> {
  try {
    const path = await targetOf(out);
    const found = await orAbsent(stat(path));
    if (found?.isFile() !== false) return { path, found };
  } catch (error) {
    throw noAccess(out, 'read', messageOf(error), error);
  }
  throw noAccess(out, 'written', noFile);
}

async function targetOf(path: string): Promise<string> {
  const target = await orAbsent(realpath(path));
  if (target !== undefined) return target;
  const found = await orAbsent(lstat(path));
  // What the link leads to is not there yet.
  return found === undefined ? path : resolve(dirname(path), await readlink(path));
}

/** The text of the file with the line ends that it was written with, whatever git made of them. */
async function textThere(out: string, { path, found }: Place): Promise<string | undefined> {
  if (found === undefined) return undefined;
  try {
    return (await orAbsent(readFile(path, 'utf8')))?.replaceAll('\r\n', '\n');
  } catch (error) {
    throw noAccess(out, 'read', messageOf(error), error);
  }
}

async function orAbsent<Found>(found: Promise<Found>): Promise<Found | undefined> {
  try {
    return await found;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Puts a whole file in the place of another: a build that is stopped leaves the old one. */
async function replaceFile(out: string, { path, found }: Place, text: string): Promise<void> {
  const partial = await claimPartial(path);
  try {
    await writeFile(partial, text, { flag: 'wx' });
    if (found !== undefined) await takePlaceOf(found, partial);
    await rename(partial, path);
  } catch (error) {
    throw noAccess(out, 'written', messageOf(error), error);
  } finally {
    await discardPartial(partial);
  }
}

function noAccess(path: string, what: string, reason: string, cause?: unknown): FileAccessError {
  return new FileAccessError('NO_ACCESS', `The bundle "${path}" cannot be ${what}: ${reason}.`, {
    hint: `Check that "${resolve(path, '..')}" is a folder that this user may write.`,
    cause,
  });
}
