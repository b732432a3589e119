import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { CommandFolder, documentOf } from '../support/command.js';

const fingerprints = `
const fingerprints = {
  version: 2,
  name: 'fingerprints',
  up: (db) => db.executeScript('CREATE TABLE fingerprints (post INTEGER)'),
  down: (db) => db.executeScript('DROP TABLE fingerprints'),
  downDrops: ['fingerprints'],
};
export default fingerprints;
`;

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
  await folder.files('sql', { '0001_posts.sql': 'CREATE TABLE posts (body TEXT);' });
  await folder.files('.', { 'code.mjs': fingerprints });
});

afterEach(() => folder.remove());

const source = ['--database', 'new.db', '--migrations', 'sql', '--code', 'code.mjs'] as const;

describe('--code', () => {
  test('puts the migrations of a module between the files, for every command that takes files', async () => {
    expect(await folder.run('up', ...source)).toMatchObject({ status: 0 });
    for (const command of ['status', 'plan', 'verify', 'rehearse', 'repair'])
      expect({ command, ...(await folder.run(command, ...source)) }).toMatchObject({ command, status: 0 });
    expect(documentOf(await folder.run('status', ...source, '--json'))).toMatchObject({
      version: 2,
      files: [{ filename: '0001_posts.sql' }, { filename: '002_fingerprints (code)', state: 'applied' }],
    });
    expect(await folder.run('down', ...source)).toMatchObject({ status: 0 });
    expect(await folder.run('to', '2', ...source)).toMatchObject({ status: 0 });
    const { status, stderr } = await folder.run('verify', '--database', 'new.db', '--migrations', 'sql');
    expect(status).toBe(3);
    expect(stderr).toContain('--code');
  });

  test('is all there is without a folder', async () => {
    await folder.files('.', {
      'all.mjs': `export default [{ version: 1, name: 'one', up: (db) => db.executeScript('CREATE TABLE one (a)') }];`,
    });
    const end = await folder.run('up', '--database', 'code.db', '--code', 'all.mjs', '--json');
    expect(documentOf(end)).toMatchObject({ version: 1, applied: [{ filename: '001_one (code)' }] });
  });

  test.each([
    ['no such module', undefined, /^Error: The module of migrations in code "bad\.mjs" cannot be loaded: /],
    ['a module that throws', 'throw new Error("no model");', /cannot be loaded: no model\.$/m],
    ['no default export', 'export const a = 1;', /has as its default export no \{ version, name, up \}\.$/m],
    ['an empty list', 'export default [];', /gives an empty list\.$/m],
    ['a list of something else', 'export default [5];', /has as entry 1 of its default export no \{ version/],
    [
      'a version that is none',
      'export default { version: "2", name: "a", up() {} };',
      /The version of a migration in code must be a whole number/,
    ],
  ])('refuses %s', async (_what, text, message) => {
    if (text !== undefined) await folder.files('.', { 'bad.mjs': text });
    const end = await folder.run('status', '--database', 'new.db', '--code', 'bad.mjs');
    expect(end.status).toBe(64);
    expect(end.stderr).toMatch(message);
  });
});
