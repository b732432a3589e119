import { mkdir, rm } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';

import { openStorage, verifyDatabase, type UpgradeReport } from 'sqlite-upgrade-bridge';

import { buildLegacyDatabase, type LegacySpec } from '../support/legacy-databases.js';

const folder = resolve('var/demo');

/** One database a version, each as some release really left it. */
const databases: readonly { readonly name: string; readonly spec: LegacySpec }[] = [
  { name: 'version-0.db', spec: { version: 1, userVersion: 0, diedAfter: 5, worlds: 3 } },
  { name: 'version-1.db', spec: { version: 1, worlds: 3, early: ['memory_archives'] } },
  { name: 'version-2.db', spec: { version: 2, worlds: 3, origin: 'born' } },
  { name: 'version-3.db', spec: { version: 3, worlds: 3, chats: false } },
  { name: 'version-4.db', spec: { version: 4, worlds: 3, missing: ['worlds.chat_llm_model'] } },
  {
    name: 'version-5.db',
    spec: { version: 5, worlds: 3, extras: ['table', 'view', 'trigger'], journal: 'wal' },
  },
  { name: 'version-6.db', spec: { version: 6, worlds: 3, orphans: true, journal: 'wal left behind' } },
  {
    name: 'version-7.db',
    spec: { version: 7, worlds: 3, origin: 'born', events: 'without references', wrongNumbers: true },
  },
];

function versions(migrations: readonly { readonly version: number }[]): string {
  return migrations.map(({ version }) => version).join(' ') || '-';
}

function total(report: UpgradeReport, side: 'before' | 'after'): number {
  return report.rows.reduce((sum, count) => sum + count[side], 0);
}

async function upgrade(path: string): Promise<UpgradeReport> {
  const storage = await openStorage({ database: path });
  try {
    return storage.report;
  } finally {
    await storage.close();
  }
}

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });

const table: Record<string, Record<string, string | number>> = {};
let failures = 0;
for (const { name, spec } of databases) {
  const path = join(folder, name);
  await buildLegacyDatabase(path, spec);
  const report = await upgrade(path);
  const verification = await verifyDatabase(path);
  if (!verification.ok) failures += 1;
  table[relative(process.cwd(), path)] = {
    claimed: report.claimed ?? '-',
    'by evidence': report.evident ?? '-',
    adopted: versions(report.adopted),
    completed: versions(report.completed),
    applied: versions(report.applied),
    'rows before': total(report, 'before'),
    'rows after': total(report, 'after'),
    ms: report.ms,
    result: verification.ok ? 'as a fresh one' : 'WRONG',
  };
}

console.log('\nA legacy database of each version, upgraded by openStorage:');
console.table(table);
console.log('The numbers under adopted, completed and applied are those of the files in migrations/.');
console.log('Version 7 has fewer rows afterwards: surplus event counters are merged, nothing else goes.');
console.log(
  `Look inside: node dist/cli/main.js status --database ${relative(process.cwd(), join(folder, 'version-7.db'))}`,
);
process.exitCode = failures === 0 ? 0 : 1;
