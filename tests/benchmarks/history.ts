// Measures the access to the history alone: `node history.js [ROWS]`, 10 000 rows unless said, each with the text of a file.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { isPending, listApplied, recordApplied } from '../../core/index.js';
import { spreadOf } from './statistics.js';

const rows = Number(process.argv[2] ?? 10_000);
if (!Number.isSafeInteger(rows) || rows < 1) throw new Error('The number of rows is a whole one, 1 or more.');

const REPEATS = 200;
const TEXT_BYTES = 2_000;
const filename = (version: number): string => `${String(version).padStart(7, '0')}_file.sql`;

async function measured(work: (index: number) => Promise<unknown>, repeats: number): Promise<string> {
  const times: number[] = [];
  for (let index = 0; index < repeats; index += 1) {
    const started = performance.now();
    await work(index);
    times.push(performance.now() - started);
  }
  const { median, max } = spreadOf(times);
  return `${median.toFixed(2)} ms, at most ${max.toFixed(2)} ms`;
}

const folder = await mkdtemp(join(tmpdir(), 'history-benchmark-'));
try {
  const db = await sqlite3Driver.open(join(folder, 'a.db'), 'create');
  await db.executeScript('PRAGMA journal_mode = WAL');
  const files = Array.from({ length: rows }, (_, index) => ({ filename: filename(index + 1) }));
  const started = performance.now();
  await recordApplied(db, files);
  console.log(`record ${rows} in one go: ${(performance.now() - started).toFixed(0)} ms`);
  await db.execute('UPDATE schema_migrations SET up_sql = ?', ['-'.repeat(TEXT_BYTES)]);

  const asked = await measured((index) => isPending(db, filename(1 + ((index * 7_919) % rows))), REPEATS);
  console.log(`is one pending: ${asked}`);
  for (const order of ['version', 'applied_at'] as const) {
    const pages: number[] = [];
    let last = performance.now();
    let seen = 0;
    for await (const { status } of listApplied(db, { order })) {
      if (seen % 500 === 0) pages.push(performance.now() - last);
      if (status === 'applied') seen += 1;
      if (seen % 500 === 0) last = performance.now();
    }
    const { median, max } = spreadOf(pages);
    console.log(
      `a page of 500 by ${order}: ${median.toFixed(2)} ms, at most ${max.toFixed(2)} ms (${seen} rows)`,
    );
  }
  const recorded = await measured(
    (index) => recordApplied(db, { filename: filename(rows + 1 + index) }),
    REPEATS,
  );
  console.log(`record one: ${recorded}`);
  await db.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}
