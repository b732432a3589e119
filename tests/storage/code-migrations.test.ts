import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import {
  defineMigration,
  HistoryConflictError,
  InvalidOptionError,
  MigrationFailedError,
  MigrationFileError,
  openStorage,
  rollBackDatabase,
  upgradeDatabase,
  verifyDatabase,
  type CodeMigration,
  type MigrationConnection,
} from '../../core/index.js';
import { checksumOf } from '../../core/storage/migration-text.js';
import { dumpDatabase } from '../support/database-dump.js';
import { migrationOf } from '../support/migration-values.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';
import { untyped } from '../support/untyped.js';

const documents = {
  '001_documents.sql': `CREATE TABLE documents (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
    INSERT INTO documents (body) VALUES ('one'), ('three');`,
};
const indexes = { '002_indexes.sql': 'CREATE INDEX documents_by_body ON documents (body);' };

/** The lengths of the words, as somebody's model would give them. */
const embedding = (text: unknown): Uint8Array => Buffer.from([String(text).length, 0, 255]);

const vectors: CodeMigration = {
  version: 3,
  name: 'vector_support',
  description: 'Gives each document a vector.',
  release: '1.2.0',
  async up(db) {
    await db.executeScript('CREATE TABLE vectors (document INTEGER PRIMARY KEY, embedding BLOB NOT NULL)');
    for (const { id, body } of await db.query('SELECT id, body FROM documents ORDER BY id'))
      await db.execute('INSERT INTO vectors VALUES (?, ?)', [id ?? null, embedding(body)]);
  },
  async down(db) {
    await db.executeScript('DROP TABLE vectors');
  },
  downDrops: ['vectors'],
};

const empty = async (): Promise<void> => Promise.resolve();
const doing = (
  up: (db: MigrationConnection) => Promise<void>,
  more: Partial<CodeMigration> = {},
): CodeMigration => ({ version: 3, name: 'work', up, ...more });

describe('a migration in code', () => {
  it('is a value like that of a file', () => {
    expect(defineMigration(vectors)).toMatchObject({
      version: 3,
      name: 'vector_support',
      filename: '003_vector_support (code)',
      description: 'Gives each document a vector.',
      release: '1.2.0',
      statements: [],
      directives: { noTransaction: false, allowLoss: [], drops: [] },
      code: { downDirectives: { drops: ['vectors'] } },
    });
  });

  it('is described by its name, and has the checksum of its number and name, where nothing else is said', () => {
    expect(defineMigration({ version: 12, name: 'add-more_vectors', up: empty })).toMatchObject({
      description: 'add more vectors',
      checksum: checksumOf('code 12 add-more_vectors'),
      release: undefined,
      code: { down: undefined },
    });
    expect(defineMigration({ version: 1, name: 'a', checksum: 'two', up: empty }).checksum).toBe('two');
  });

  it('keeps the methods of an object of a class together with what they use', async () => {
    class Numbers implements CodeMigration {
      readonly version = 1;
      readonly name = 'numbers';
      private readonly table = 'numbers';
      async up(db: MigrationConnection): Promise<void> {
        await db.executeScript(`CREATE TABLE ${this.table} (n)`);
      }
    }
    const scratch = await ScratchDatabase.make('delete');
    await upgradeDatabase({ database: scratch.path, migrations: [new Numbers()] });
    expect(await scratch.objects()).toEqual(['table numbers']);
    await scratch.remove();
  });

  it.each<[fault: object, message: string]>([
    [{ version: NaN }, 'The version of a migration in code must be a whole number from 1 on, and is NaN.'],
    [{ version: 0 }, 'must be a whole number from 1 on, and is 0.'],
    [{ version: -1 }, 'is -1.'],
    [{ version: 1.5 }, 'is 1.5.'],
    [{ version: 2 ** 60 }, 'must be a whole number from 1 on'],
    [{ version: '3' }, 'is "3".'],
    [{ version: undefined }, 'is undefined.'],
    [{ name: '' }, 'The name of migration 3 must be letters, digits, _ and -, and is "".'],
    [{ name: 'vector support' }, 'is "vector support".'],
    [{ name: '../x' }, 'is "../x".'],
    [{ name: 7 }, 'is 7.'],
    [{ name: undefined }, 'is undefined.'],
    [{ up: undefined }, 'up of migration 3 (vector_support) must be a function, and is undefined.'],
    [{ up: 'CREATE TABLE a (b)' }, 'must be a function, and is "CREATE TABLE a (b)".'],
    [{ down: null }, 'down of migration 3 (vector_support) must be a function, and is null.'],
    [{ down: [] }, 'must be a function, and is a list.'],
    [{ checksum: '' }, 'The checksum of migration 3 (vector_support) must be a text that is not empty'],
    [{ checksum: 12 }, 'must be a text that is not empty, and is 12.'],
    [{ description: ' ' }, 'The description of migration 3 (vector_support) must be a text'],
    [{ release: '1.2' }, 'must be a version of three numbers, and is "1.2".'],
    [{ release: 1 }, 'must be a version of three numbers, and is 1.'],
    [{ requires: 'sqlite > 3' }, 'must be "sqlite >= VERSION" or the name of a feature'],
    [{ requires: ['fts5'] }, 'must be "sqlite >= VERSION" or the name of a feature, and is a list.'],
    [
      { drops: 'vectors' },
      'drops of migration 3 (vector_support) must be a list of names, and is "vectors".',
    ],
    [{ allowLoss: [''] }, 'must be a list of names'],
    [{ downDrops: [1] }, 'must be a list of names'],
    [{ downAllowLoss: {} }, 'must be a list of names, and is an object.'],
  ])('is refused with %p', (fault, message) => {
    const define = (): unknown => defineMigration(untyped(vectors, fault));
    expect(define).toThrow(InvalidOptionError);
    expect(define).toThrow(message);
  });

  it('is refused where it is nothing at all', async () => {
    const { migrations } = untyped<{ migrations: CodeMigration[] }>(
      { migrations: [] },
      { migrations: [null] },
    );
    for (const nothing of migrations)
      expect(() => defineMigration(nothing)).toThrow('must be an object, and is null');
    const upgrade = upgradeDatabase({ database: 'a.db', migrations });
    await expect(upgrade).rejects.toThrow(InvalidOptionError);
  });
});

describe.each(journalModes)('migrations in code, on a database in %s mode,', (journal) => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'PRAGMA user_version = 0');
    await scratch.write({ ...documents, ...indexes });
  });

  afterEach(() => scratch.remove());

  const upgrade = (code: readonly CodeMigration[], more = {}): ReturnType<typeof upgradeDatabase> =>
    upgradeDatabase({ database: scratch.path, migrations: scratch.migrations, code, backup: false, ...more });

  it('run between the files, by their numbers, with rows in the same history', async () => {
    await scratch.write({ '004_more.sql': "UPDATE vectors SET embedding = x'00' WHERE document = 2;" });
    const report = await upgrade([vectors]);
    expect(report.applied.map(({ filename }) => filename)).toEqual([
      '001_documents.sql',
      '002_indexes.sql',
      '003_vector_support (code)',
      '004_more.sql',
    ]);
    expect(await scratch.rows('SELECT document, hex(embedding) AS bytes FROM vectors')).toEqual([
      { document: 1, bytes: '0300FF' },
      { document: 2, bytes: '00' },
    ]);
    expect(
      await scratch.rows(
        'SELECT filename, description, checksum, release, up_sql, down_sql FROM schema_migrations WHERE version = 3',
      ),
    ).toEqual([
      {
        filename: '003_vector_support (code)',
        description: 'Gives each document a vector.',
        checksum: checksumOf('code 3 vector_support'),
        release: '1.2.0',
        up_sql: null,
        down_sql: null,
      },
    ]);
    expect(await scratch.value('PRAGMA user_version')).toBe(4);
    expect((await upgrade([vectors])).upToDate).toBe(true);
  });

  it('may be the whole sequence, in any order', async () => {
    const step = (version: number): CodeMigration => ({
      version,
      name: `step_${version}`,
      up: (db) => db.executeScript(`CREATE TABLE t${version} (a)`),
    });
    const migrations = [step(12), migrationOf('0002_two.sql', 'CREATE TABLE t2 (a);'), step(1)];
    const report = await upgradeDatabase({ database: scratch.path, migrations, backup: false });
    expect(report.applied.map(({ version }) => version)).toEqual([1, 2, 12]);
  });

  it('are refused where a number is taken, before anything runs', async () => {
    const before = await dumpDatabase(scratch.path);
    const taken = upgrade([{ version: 2, name: 'again', up: empty }]);
    await expect(taken).rejects.toThrow(MigrationFileError);
    await expect(taken).rejects.toMatchObject({
      code: 'DUPLICATE_MIGRATION',
      message:
        '002_indexes.sql and 002_again (code) both have the number 2; expected one migration a number.',
    });
    await expect(upgrade([vectors, { ...vectors, name: 'other' }])).rejects.toMatchObject({
      code: 'DUPLICATE_MIGRATION',
    });
    expect(await dumpDatabase(scratch.path)).toEqual(before);
  });

  it('are rolled back whole where they throw, and written down as failed', async () => {
    const failed = upgrade([
      doing(async (db) => {
        await db.execute("UPDATE documents SET body = 'changed'");
        await db.executeScript('CREATE TABLE half (a)');
        throw new Error('no model is loaded.');
      }),
    ]);
    await expect(failed).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: 'Migration 003_work (code) failed: no model is loaded.',
      place: { filename: '003_work (code)', statement: undefined },
      cause: new Error('no model is loaded.'),
    });
    expect(await scratch.rows('SELECT body FROM documents')).toEqual([{ body: 'one' }, { body: 'three' }]);
    expect(await scratch.objects()).not.toContain('table half');
    expect((await scratch.history()).at(-1)).toBe('3 failed migration');
  });

  it('are held to the same guards, unless they declare what they lose', async () => {
    const forget = doing((db) => db.executeScript('DELETE FROM documents WHERE id = 1'));
    await expect(upgrade([forget])).rejects.toMatchObject({ code: 'ROWS_LOST' });
    const drop = doing((db) => db.executeScript('DROP INDEX documents_by_body'));
    await expect(upgrade([drop])).rejects.toMatchObject({
      code: 'OBJECTS_LOST',
      hint: "If the migration is yours and means that, declare it: drops: ['documents_by_body'].",
    });
    await upgrade([
      { ...forget, allowLoss: ['documents'] },
      { ...drop, version: 4, drops: ['documents_by_body'] },
    ]);
    expect(await scratch.value('SELECT count(*) FROM documents')).toBe(1);
    expect(await scratch.objects()).toEqual(['table documents']);
  });

  it('need what they say that they need', async () => {
    const failed = upgrade([{ ...vectors, requires: 'sqlite >= 3.35, vector_search' }]);
    await expect(failed).rejects.toMatchObject({
      code: 'UNMET_REQUIREMENT',
      message: 'Migration 003_vector_support (code) needs SQLite with vector_search.',
    });
  });

  it('are undone by their down, which may lose what it declares', async () => {
    await upgrade([vectors]);
    const source = { database: scratch.path, migrations: scratch.migrations, backup: false } as const;
    await expect(
      rollBackDatabase({ ...source, code: [{ ...vectors, downDrops: undefined }] }),
    ).rejects.toMatchObject({ code: 'OBJECTS_LOST' });
    const report = await rollBackDatabase({ ...source, code: [vectors] });
    expect(report).toMatchObject({ version: 2, losses: [] });
    expect(await scratch.objects()).not.toContain('table vectors');
    expect((await scratch.history()).slice(-2)).toEqual(['3 applied migration', '3 rolled_back migration']);
    expect(await scratch.value('PRAGMA user_version')).toBe(2);
    expect((await upgrade([vectors])).applied.map(({ version }) => version)).toEqual([3]);
  });

  it('without a down, and unknown ones, have no way back', async () => {
    await upgrade([{ ...vectors, down: undefined }]);
    const source = { database: scratch.path, migrations: scratch.migrations, backup: false } as const;
    const down = rollBackDatabase({ ...source, code: [{ ...vectors, down: undefined }] });
    await expect(down).rejects.toThrow(HistoryConflictError);
    await expect(down).rejects.toMatchObject({
      code: 'NO_WAY_BACK',
      hint: expect.stringContaining('Give 003_vector_support (code) a function down'),
    });
    await expect(rollBackDatabase({ ...source, fromHistory: true })).rejects.toMatchObject({
      code: 'NO_WAY_BACK',
    });
  });

  it('may change their code unseen, but not their checksum', async () => {
    await upgrade([vectors]);
    expect((await upgrade([{ ...vectors, up: empty }])).upToDate).toBe(true);
    await expect(upgrade([{ ...vectors, checksum: 'second edition' }])).rejects.toMatchObject({
      code: 'CHANGED_MIGRATION',
    });
  });

  it('are replayed on an empty database, and adopted where their work is there', async () => {
    await scratch.run(`
      CREATE TABLE documents (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
      CREATE INDEX documents_by_body ON documents (body);
      CREATE TABLE vectors (document INTEGER PRIMARY KEY, embedding BLOB NOT NULL);
      INSERT INTO documents (body) VALUES ('kept');
      PRAGMA user_version = 1;`);
    const report = await upgrade([vectors], { legacy: { 1: [1, 2, 3] } });
    expect(report.adopted.map(({ filename }) => filename)).toContain('003_vector_support (code)');
    expect(await scratch.value('SELECT count(*) FROM vectors')).toBe(0);
    const source = { migrations: scratch.migrations, code: [vectors] };
    expect(await verifyDatabase(scratch.path, source)).toMatchObject({ ok: true, drift: [] });
  });
});

describe.each(journalModes)('the connection of a migration in code, in %s mode,', (journal) => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
    await scratch.write(documents);
  });

  afterEach(() => scratch.remove());

  const upgrade = (...code: readonly CodeMigration[]): ReturnType<typeof upgradeDatabase> =>
    upgradeDatabase({ database: scratch.path, migrations: scratch.migrations, code, backup: false });

  it('is of no use once its migration is over: a late call does not fall into another transaction', async () => {
    const lent: MigrationConnection[] = [];
    const late: unknown[] = [];
    const keep = doing(async (db) => {
      lent.push(db);
      await db.execute("INSERT INTO documents (body) VALUES ('in time')");
    });
    const meddle = doing(
      async () => {
        for (const db of lent) {
          const calls = [
            db.execute("INSERT INTO documents (body) VALUES ('late')"),
            db.executeScript("INSERT INTO documents (body) VALUES ('late')"),
            db.query("INSERT INTO documents (body) VALUES ('late') RETURNING id"),
          ];
          for (const { status, reason } of await Promise.allSettled(calls).then((all) => all.map(asFailure)))
            late.push(status, reason);
        }
      },
      { version: 4, name: 'meddler' },
    );
    await upgrade(keep, meddle);
    expect(late.filter((each) => each === 'rejected')).toHaveLength(3);
    const [, reason] = late;
    expect(reason).toBeInstanceOf(MigrationFailedError);
    expect(reason).toMatchObject({
      code: 'TRANSACTION_ENDED',
      message:
        'Migration 003_work (code) used its connection after it had returned; the call was not carried out.',
    });
    expect(await scratch.rows('SELECT body FROM documents')).toEqual([
      { body: 'one' },
      { body: 'three' },
      { body: 'in time' },
    ]);
  });

  it('must be waited for: what is still going on when the migration returns is rolled back with it', async () => {
    const hasty = doing((db) => {
      void db.execute("INSERT INTO documents (body) VALUES ('hasty')");
      void db.execute('INSERT INTO nowhere VALUES (1)');
      return Promise.resolve();
    });
    await expect(upgrade(hasty)).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message:
        'Migration 003_work (code) failed: it returned while 2 calls of its connection were still going on; await each of them.',
    });
    expect(await scratch.value('SELECT count(*) FROM documents')).toBe(2);
  });

  it('finishes what it began where one call of several fails, and says what failed', async () => {
    const parallel = doing(async (db) => {
      await Promise.all([
        db.execute('INSERT INTO nowhere VALUES (1)'),
        db.execute("INSERT INTO documents (body) VALUES ('beside')"),
      ]);
    });
    await expect(upgrade(parallel)).rejects.toMatchObject({
      message: 'Migration 003_work (code) failed: no such table: nowhere.',
    });
    expect(await scratch.value('SELECT count(*) FROM documents')).toBe(2);
  });

  it.each([
    ['COMMIT', 'COMMIT would end the transaction'],
    ['COMMIT; BEGIN', 'COMMIT would end the transaction'],
    ['ROLLBACK', 'ROLLBACK would end the transaction'],
    ['SAVEPOINT a', 'SAVEPOINT would nest'],
    ['PRAGMA foreign_keys = ON', 'PRAGMA foreign_keys does nothing'],
    ["ATTACH 'other.db' AS other", 'ATTACH would open another database'],
    ['DELETE FROM schema_migrations', 'schema_migrations, the history'],
    ['PRAGMA user_version = 9', 'stands for the version'],
    ["SELECT 'open", 'a text begins here and has no end'],
  ])('does not carry out %p', async (sql, message) => {
    for (const call of ['execute', 'executeScript', 'query'] as const) {
      const failed = upgrade(
        doing(async (db) => {
          await db.execute("INSERT INTO documents (body) VALUES ('before')");
          await db[call](sql);
        }),
      );
      await expect(failed).rejects.toMatchObject({
        code: 'MIGRATION_FAILED',
        message: expect.stringContaining(message),
      });
    }
    expect(await scratch.value('SELECT count(*) FROM documents')).toBe(2);
    expect(await scratch.value("SELECT count(*) FROM schema_migrations WHERE status = 'applied'")).toBe(1);
  });

  it.each<[string, (db: MigrationConnection) => Promise<unknown>, RegExp]>([
    [
      'a second statement',
      (db) => db.execute('CREATE TABLE one (a); CREATE TABLE two (a)'),
      /holds 2 statements.*expected one/,
    ],
    ['no statement', (db) => db.execute(' -- nothing'), /holds no statement/],
    ['two queries', (db) => db.query('SELECT 1; SELECT 2'), /holds 2 statements/],
    [
      'no value for a parameter',
      (db) => db.execute('INSERT INTO documents (body) VALUES (?)'),
      /has 1 bind parameter, and the call gives 0 values/,
    ],
    [
      'a value too many',
      (db) => db.query('SELECT ?1, :name, :name, ?', ['a', 'b', 'c', 'd']),
      /has 3 bind parameters, and the call gives 4 values/,
    ],
    [
      'a parameter in a script',
      (db) => db.executeScript('INSERT INTO documents (body) VALUES (?)'),
      /is a bind parameter/,
    ],
    [
      'a number that is none',
      (db) => db.execute('INSERT INTO documents (body) VALUES (?)', [NaN]),
      /value 1 of a statement is NaN/,
    ],
    [
      'an integer that is too large for a number',
      // @ts-expect-error: what a program without types may pass
      (db) => db.execute('INSERT INTO documents (body) VALUES (?)', [7n]),
      /value 1 of a statement is of the type bigint/,
    ],
    [
      'a date',
      // @ts-expect-error: what a program without types may pass
      (db) => db.execute('INSERT INTO documents (body) VALUES (?)', [new Date()]),
      /value 1 of a statement is a Date/,
    ],
  ])('refuses a call with %s, of which a part would be lost', async (_what, call, sentence) => {
    const failed = upgrade(
      doing(async (db) => {
        await call(db);
      }),
    );
    await expect(failed).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringMatching(sentence),
    });
    expect(await scratch.value('SELECT count(*) FROM documents')).toBe(2);
  });

  it('refuses a value too few also of a statement that it has carried out before', async () => {
    const failed = upgrade(
      doing(async (db) => {
        await db.execute('INSERT INTO documents (body) VALUES (?)', ['three']);
        await db.execute('INSERT INTO documents (body) VALUES (?)');
      }),
    );
    await expect(failed).rejects.toThrow(/has 1 bind parameter, and the call gives 0 values/);
    expect(await scratch.value('SELECT count(*) FROM documents')).toBe(2);
  });

  it('lets the code deal with a statement that fails', async () => {
    await upgrade(
      doing(async (db) => {
        await db.executeScript('CREATE UNIQUE INDEX one_body ON documents (body)');
        await db.execute("INSERT INTO documents (body) VALUES ('one')").catch(() => undefined);
      }),
    );
    expect(await scratch.value('SELECT count(*) FROM documents')).toBe(2);
  });

  it('notices a transaction that was ended by a conflict', async () => {
    const failed = upgrade(
      doing(async (db) => {
        await db.executeScript('CREATE UNIQUE INDEX one_body ON documents (body)');
        await db.execute("INSERT OR ROLLBACK INTO documents (body) VALUES ('one')").catch(() => undefined);
      }),
    );
    await expect(failed).rejects.toMatchObject({ code: 'TRANSACTION_ENDED' });
    expect(await scratch.objects()).toEqual(['table documents']);
  });

  it('writes nothing more once the transaction was ended, though the code goes on', async () => {
    const answers: unknown[] = [];
    const stubborn = doing(async (db) => {
      await db.executeScript('CREATE UNIQUE INDEX one_body ON documents (body)');
      const calls = [
        db.execute("INSERT OR ROLLBACK INTO documents (body) VALUES ('one')"),
        db.execute("INSERT INTO documents (body) VALUES ('right behind')"),
      ];
      answers.push(...(await Promise.allSettled(calls)).map((each) => asFailure(each).reason));
      await db.execute("INSERT INTO documents (body) VALUES ('later')").catch(() => undefined);
    });
    await expect(upgrade(stubborn)).rejects.toMatchObject({ code: 'TRANSACTION_ENDED' });
    expect(answers).toEqual([
      expect.objectContaining({ sqliteCode: 'SQLITE_CONSTRAINT' }),
      expect.objectContaining({ code: 'TRANSACTION_ENDED' }),
    ]);
    expect(await scratch.rows('SELECT body FROM documents')).toEqual([{ body: 'one' }, { body: 'three' }]);
  });
});

it('a storage can be opened with migrations in code of its own', async () => {
  const scratch = await ScratchDatabase.make('wal');
  const code: CodeMigration = {
    version: 100,
    name: 'notes_of_mine',
    up: (db) => db.executeScript('CREATE TABLE notes_of_mine (a)'),
  };
  for (const database of [scratch.path, ':memory:']) {
    const storage = await openStorage({ database, code: [code] });
    expect(storage.report.version).toBe(100);
    await storage.close();
  }
  expect(await scratch.objects()).toContain('table notes_of_mine');
  await scratch.remove();
});

function asFailure(result: PromiseSettledResult<unknown>): { status: string; reason: unknown } {
  return { status: result.status, reason: result.status === 'rejected' ? result.reason : undefined };
}
