import type { Statement } from '../../core/storage/migration.js';
import { run } from './script-fuzz.js';
import type { Finding, Part, Settings } from './support/part.js';

const SCRIPTS = 100_000;

/** Every run has scripts of its own; a difference tells the seed with which it is found again. */
async function scripts({ stride }: Settings, split?: (sql: string) => Statement[]): Promise<Finding> {
  const { difference, ...figures } = await run(Math.ceil(SCRIPTS / stride), undefined, split);
  const { scripts: count, statements, triggers, refused } = figures;
  return {
    figures: `${count} scripts: ${statements} statements, ${triggers} triggers, ${refused} scripts refused by SQLite`,
    failures: difference === undefined ? [] : [difference],
  };
}

/** What a reader would do that knows nothing of texts, comments and triggers. */
function splitAtSemicolons(sql: string): Statement[] {
  return sql
    .split(';')
    .map((text) => ({ sql: text.trim(), line: 1 }))
    .filter(({ sql: text }) => text !== '');
}

/** Random scripts, through the reader of the files and through SQLite. */
export const fuzz: Part = {
  name: 'fuzz',
  checks: [{ name: 'where statements end', run: (settings) => scripts(settings) }],
  controls: [
    { name: 'statements that end at semicolons', run: (settings) => scripts(settings, splitAtSemicolons) },
  ],
};
