/** What a contestant is called on the page, and what it does less than the project, or does not do at all. */
interface Title {
  readonly title: string;
  readonly less?: string;
}

const titles: Readonly<Record<string, Title>> = {
  limit: { title: 'limit' },
  'limit-open': { title: 'limit' },
  'limit-durable': { title: 'the limit, each commit pressed onto the disk' },
  'limit-history': { title: 'a bare handle that asks the history one question' },
  'limit-without-pragmas': { title: 'the limit without pragmas, for which no schema is read' },
  'limit-together': { title: 'limit, one transaction for all' },
  folder: { title: '**this project**, a folder' },
  bundle: { title: '**this project**, a bundle' },
  folderUnguarded: { title: '**this project**, a folder, guards off' },
  bundleUnguarded: { title: '**this project**, a bundle, guards off' },
  folderFirst: { title: '**this project**, a folder, the loading of what an upgrade needs included' },
  program: { title: "**this project**, a folder, and then a connection of the program's own" },
  folderTogether: { title: "**this project**, `transaction: 'all'`, beside the limit of one transaction" },
  folderBetter: { title: '**this project**, a folder, on better-sqlite3' },
  upgradeAll: { title: '**this project**, `upgradeAll`' },
  storage: { title: '**this project**, `openStorage`' },
  package: { title: '**this project**' },
  'package-upgrade': { title: '**this project**, and all that it loads later' },
  file: { title: 'limit: a plain file copy' },
  locked: { title: 'the file under a lock, the way of the copy before an upgrade' },
  vacuum: { title: '`VACUUM INTO`' },
  pages: { title: 'the backup API, page by page' },
  backup: { title: '**this project**, `createBackup`: verified and synced' },
  drizzle: {
    title: 'drizzle-orm on better-sqlite3',
    less: 'Keeps a checksum of each file and never compares it. One transaction for all files. The process does nothing else meanwhile.',
  },
  umzug: {
    title: 'umzug on sqlite3',
    less: 'Keeps names alone: an edited file is not noticed. The name is recorded after the file is committed.',
  },
  knex: {
    title: 'knex on sqlite3',
    less: 'Keeps names alone. Files that were applied are not read. A lock of its own that a killed process leaves behind.',
  },
  kysely: {
    title: 'Kysely on better-sqlite3',
    less: 'Keeps names alone. Loads every module at each start. One transaction for all files.',
  },
  kriasoft: {
    title: 'sqlite (kriasoft) on sqlite3',
    less: 'Keeps the texts and never compares them.',
  },
  postgrator: {
    title: 'postgrator on sqlite3',
    less: 'Compares checksums (MD5). No transaction: what a failed file did stays.',
  },
};

export function titleOf(contestant: string): string {
  return titles[contestant]?.title ?? contestant;
}

/** Everybody that does less, with what it is. */
export const lesserWork: ReadonlyMap<string, string> = new Map(
  Object.values(titles).flatMap(({ title, less }) => (less === undefined ? [] : [[title, less] as const])),
);
