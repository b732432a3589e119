import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import { withLegacy } from '../support/legacy-driver.js';
import { codeBlocks, type CodeBlock } from './markdown.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const command = join(root, 'dist/cli/main.js');

const run = promisify(execFile);
const blocks = codeBlocks(await readFile(join(root, 'README.md'), 'utf8'));
const folders: string[] = [];

beforeAll(() => {
  for (const built of [join(root, 'dist/index.js'), command])
    if (!existsSync(built)) throw new Error(`${built} is not there: run "npm run build" first.`);
});

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

/** A folder from which the package can be imported by its own name. */
async function makeFolder(): Promise<string> {
  await mkdir(join(root, 'var'), { recursive: true });
  const folder = await mkdtemp(join(root, 'var', 'readme-'));
  folders.push(folder);
  return folder;
}

function at(index: number): CodeBlock {
  const found = blocks[index];
  if (found === undefined) throw new Error(`README.md has no block of code number ${index}.`);
  return found;
}

/** Where the block number `from`, or the first one after it, is in a language. */
function next(language: string, from = 0): number {
  const index = blocks.findIndex((block, number) => number >= from && block.language === language);
  if (index < 0) throw new Error(`README.md shows no ${language} where some is expected.`);
  return index;
}

/** What a program or the command writes to its standard output; fails where it writes an error. */
async function outputOf(folder: string, program: string, ...parameters: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(process.execPath, [program, ...parameters], { cwd: folder });
  expect(stderr).toBe('');
  return stdout;
}

describe('the smallest program of the README', () => {
  test('prints what is shown, the first time and the second', async () => {
    const folder = await makeFolder();
    const program = next('js');
    const first = next('text', program);
    const second = next('text', first + 1);
    await writeFile(join(folder, 'program.mjs'), at(program).code);
    expect(await outputOf(folder, 'program.mjs')).toBe(at(first).code);
    expect(await outputOf(folder, 'program.mjs')).toBe(at(second).code);
  });
});

describe('the legacy versions that the README bridges', () => {
  test('are what the command says of them, and end as the program prints', async () => {
    const old = next('sql');
    const program = next('js', old);
    const line = next('sh', program);
    const folder = await makeFolder();
    const notes = join(folder, 'notes.db');
    await withLegacy(notes, (db) => db.run(at(old).code));
    await writeFile(join(folder, 'legacy.json'), '{ "1": [1], "2": [1, 2] }');
    await writeFile(join(folder, 'program.mjs'), at(program).code);
    for (const { file, code } of blocks) {
      if (file?.endsWith('.sql') !== true) continue;
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), code);
    }

    const [name, ...parameters] = at(line).code.trim().split(' ');
    expect(name).toBe('upgrade-bridge');
    expect(await outputOf(folder, command, ...parameters)).toBe(at(next('text', line)).code);
    expect(await outputOf(folder, 'program.mjs')).toBe(at(next('text', program)).code);
    expect(await withLegacy(notes, (db) => db.rows('SELECT * FROM notes ORDER BY id'))).toEqual([
      { id: 1, text: 'buy milk', pinned: 0 },
      { id: 2, text: 'call home', pinned: 0 },
    ]);
  });
});

describe.each(['README.md', 'docs/recovery.md', 'docs/command-line.md'])('%s', (page) => {
  test('names only commands that there are', async () => {
    const help = await outputOf(root, command, '--help');
    const commands = [...help.matchAll(/^ {2}([a-z]+) .*\[options\]/gm)].map(([, name = '']) => name);
    const text = await readFile(join(root, page), 'utf8');
    const named = [...text.matchAll(/[`$ ] ?upgrade-bridge ([a-z]+)|^upgrade-bridge ([a-z]+)/gm)];
    const unknown = named
      .map(([, inline, first]) => inline ?? first ?? '')
      .filter((name) => !commands.includes(name));
    expect([...new Set(unknown)]).toEqual([]);
  });
});
