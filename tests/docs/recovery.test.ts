import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from '@jest/globals';

import { errorCodes } from '../../core/errors.js';
import { anchors, headings, inlineCode, links } from './markdown.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

async function pagesOfProject(): Promise<string[]> {
  const docs = await readdir(join(root, 'docs'), { recursive: true });
  const pages = docs.filter((name) => name.endsWith('.md')).map((name) => join('docs', name));
  return ['README.md', 'CHANGELOG.md', ...pages.sort()];
}

const pages = await pagesOfProject();

function read(page: string): Promise<string> {
  return readFile(join(root, page), 'utf8');
}

/** The links of a page that lead nowhere. */
async function deadLinks(page: string): Promise<string[]> {
  const dead: string[] = [];
  for (const { path, anchor } of links(await read(page))) {
    const target = path === '' ? page : relative(root, join(root, dirname(page), path));
    const isThere = existsSync(join(root, target));
    const hasHeading = anchor === undefined || (isThere && anchors(await read(target)).has(anchor));
    if (!isThere || !hasHeading) dead.push(anchor === undefined ? path : `${path}#${anchor}`);
  }
  return dead;
}

/** The files of the project that a page names and that are not there. A name may hold a star. */
async function missingFiles(page: string): Promise<string[]> {
  const named = inlineCode(await read(page)).filter((code) => /^(core|docs|tests)\/[\w./*-]*$/.test(code));
  const missing: string[] = [];
  for (const path of new Set(named)) {
    const folder = join(root, dirname(path));
    const [start = '', end] = basename(path).split('*');
    const names = end !== undefined && existsSync(folder) ? await readdir(folder) : [];
    const isThere =
      existsSync(join(root, path)) ||
      names.some((name) => name.startsWith(start) && name.endsWith(end ?? ''));
    if (!isThere) missing.push(path);
  }
  return missing;
}

/** The keys of an object that is the value of a field. */
function keysOf(value: unknown, field: string): string[] {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined;
  if (typeof found !== 'object' || found === null) throw new Error(`There is no object ${field}.`);
  return Object.keys(found);
}

describe('docs/recovery.md', () => {
  test('has a heading for every error code, and no other', async () => {
    const codes = headings(await read('docs/recovery.md')).filter((heading) => /^[A-Z_]+$/.test(heading));
    expect(codes.sort()).toEqual([...errorCodes].sort());
  });
});

describe('docs/decisions/dependencies.md', () => {
  test('gives a reason for every dependency, and for nothing else', async () => {
    const tables = (await read('docs/decisions/dependencies.md')).match(/^\| `.*?(?= +\|)/gm) ?? [];
    const explained = tables.flatMap((cell) => inlineCode(cell));
    const manifest: unknown = JSON.parse(await read('package.json'));
    const names = new Set([...keysOf(manifest, 'dependencies'), ...keysOf(manifest, 'devDependencies')]);
    for (const other of ['tests/benchmarks/package.json', 'tests/fixtures/histories/package.json'])
      for (const name of keysOf(JSON.parse(await read(other)), 'dependencies')) names.add(name);
    expect([...new Set(explained)].sort()).toEqual([...names].sort());
  });
});

describe.each(pages)('%s', (page) => {
  test('has no link that leads nowhere', async () => {
    expect(await deadLinks(page)).toEqual([]);
  });

  test('names no file that is not there', async () => {
    expect(await missingFiles(page)).toEqual([]);
  });
});
