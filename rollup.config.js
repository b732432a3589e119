// Makes of the compiled modules the few files that are published: a process loads one file in the time of one module.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const compiled = fileURLToPath(new URL('var/compiled/', import.meta.url));

/** Which module is published in which file. */
const files = new Map();

/** Puts a module and what is loaded with it into a file, except what is in one already. */
function put(file, name, getModuleInfo) {
  const module = getModuleInfo(name);
  if (module === null || module.isExternal || files.has(name)) return;
  files.set(name, file);
  for (const imported of module.importedIds) put(file, imported, getModuleInfo);
}

/** What a start needs, what an upgrade needs besides, the command line, and all else. */
function fileOf(name, { getModuleInfo }) {
  if (files.size === 0) {
    put('start', `${compiled}index.js`, getModuleInfo);
    const door = getModuleInfo(`${compiled}storage/upgrade-database.js`);
    for (const later of door.dynamicallyImportedIds) put('upgrade', later, getModuleInfo);
  }
  return files.get(name) ?? (name.startsWith(`${compiled}cli/`) ? 'cli' : 'others');
}

/** So that the maps of the published files lead to the TypeScript. */
const compilersMaps = {
  name: 'compilers-maps',
  async load(name) {
    const [code, map] = await Promise.all([readFile(name, 'utf8'), readFile(`${name}.map`, 'utf8')]);
    return { code, map };
  },
};

/** Node keeps a text with any other character in two bytes a character, which takes longer to compile. */
const ascii = {
  name: 'ascii',
  renderChunk: (code) => ({
    code: code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
    map: null,
  }),
};

/** What the package's own migrations come to, as the very modules that are published find it. */
const preparedMigrations = {
  name: 'prepared-migrations',
  async generateBundle() {
    const { prepareMigrations } = await import(`${compiled}storage/prepared-migrations.js`);
    const { sqlite3Driver } = await import(`${compiled}database/sqlite3-bridge.js`);
    const { historyTableOf } = await import(`${compiled}storage/history-table.js`);
    const place = { driver: sqlite3Driver, historyTable: historyTableOf({}) };
    const prepared = await prepareMigrations(fileURLToPath(new URL('migrations', import.meta.url)), place);
    this.emitFile({ type: 'asset', fileName: 'worlds.json', source: JSON.stringify(prepared) });
  },
};

export default {
  input: { index: `${compiled}index.js`, 'cli/main': `${compiled}cli/main.js` },
  // What is installed beside the package, and what Node has.
  external: (name) => !/^[./]/.test(name),
  plugins: [compilersMaps, ascii, preparedMigrations],
  output: {
    dir: 'dist',
    chunkFileNames: '[name].js',
    manualChunks: fileOf,
    hoistTransitiveImports: false,
    minifyInternalExports: false,
    sourcemap: true,
  },
  onLog(level, log) {
    throw new Error(`${level}: ${log.message}`);
  },
};
