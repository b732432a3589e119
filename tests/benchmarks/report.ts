import { peers } from './contestants.js';
import { goalsOf, spreadText, type Goal, type Results } from './goals.js';
import type { Result } from './results.js';
import type { Outcome } from './rounds.js';
import { lesserWork, titleOf } from './titles.js';

/** All that a page is made of. */
export interface Run {
  readonly outcomes: readonly Outcome[];
  readonly results: Results;
  readonly machine: ReadonlyMap<string, string>;
  readonly packages: ReadonlyMap<string, string>;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const milliseconds = ({ ms }: Result): string => spreadText(ms, ms.median < 100 ? 2 : 0);

function goalRow({ work, wanted, measured, reached }: Goal): string[] {
  return [work, wanted, measured, reached === undefined ? '' : reached ? 'reached' : '**not reached**'];
}

function workloadPart({ workload, failures }: Outcome, results: Results): string {
  const found = [...(results.get(workload.name)?.values() ?? [])];
  const withLoop = found.some(({ loopMs }) => loopMs !== undefined);
  const withUnits = workload.name === 'fleet';
  const figures = [...new Set(found.flatMap((result) => Object.keys(result.figures)))];
  const head = [
    'contestant',
    'ms',
    'times the limit',
    ...(withUnits ? ['files a second'] : []),
    'memory, MiB more (peak)',
    ...(withLoop ? ['event loop, ms'] : []),
    ...figures,
  ];
  const rows = found.map((result) => [
    titleOf(result.contestant),
    milliseconds(result),
    result.ratio === undefined ? '' : spreadText(result.ratio),
    ...(withUnits ? [((workload.units ?? 0) / (result.ms.median / 1000)).toFixed(0)] : []),
    `${result.memoryMiB.median.toFixed(1)} (${result.peakMiB.median.toFixed(0)})`,
    ...(withLoop ? [result.loopMs === undefined ? '' : spreadText(result.loopMs, 1)] : []),
    ...figures.map((name) => result.figures[name]?.median.toFixed(1) ?? ''),
  ]);
  const failed = [...failures].map(([name, reason]) => `- ${titleOf(name)} failed: ${reason}`);
  return [
    `### \`${workload.name}\`: ${workload.title}`,
    `Rounds: ${found[0]?.rounds.length ?? 0}.`,
    table(head, rows),
    ...(failed.length > 0 ? [failed.join('\n')] : []),
  ].join('\n\n');
}

/** What one migration costs, the more there are, in microseconds. */
function growthPart(results: Results): string {
  const counts = [10, 100, 1000];
  const contestants = [...(results.get('fresh-1000')?.keys() ?? [])];
  const cost = (contestant: string, count: number): string => {
    const ms = results.get(`fresh-${count}`)?.get(contestant)?.ms.median;
    return ms === undefined ? '' : ((ms / count) * 1000).toFixed(0);
  };
  return table(
    ['contestant', ...counts.map((count) => `of ${count.toLocaleString('en')}`)],
    contestants.map((name) => [titleOf(name), ...counts.map((count) => cost(name, count))]),
  );
}

/** What a process takes that has loaded nothing yet: the medians of loading and of the work together, in milliseconds. */
function wholePart(results: Results): string {
  const ms = (workload: string, contestant: string): number =>
    results.get(workload)?.get(contestant)?.ms.median ?? Number.NaN;
  const row = (title: string, loading: string, nothing: string, fresh: string): string[] => [
    titleOf(title),
    ...[0, ms('open-100', nothing), ms('fresh-100', fresh)].map((work) => {
      const whole = ms('load', loading) + work;
      return Number.isNaN(whole) ? '' : whole.toFixed(1);
    }),
  ];
  return table(
    ['contestant', 'loading', 'and nothing pending, 100 applied', 'and a fresh file, 100 migrations'],
    [
      row('limit', 'limit', 'limit-open', 'limit'),
      row('folder', 'package', 'folder', 'folderFirst'),
      ...peers.map((peer) => row(peer, peer, peer, peer)),
    ],
  );
}

/** Everything that was measured, as a page. */
export function pageOf({ outcomes, results, machine, packages }: Run): string {
  const goals = goalsOf(results);
  const judged = goals.filter(({ reached }) => reached !== undefined);
  const reached = judged.filter((goal) => goal.reached === true).length;
  const versions = [...packages].map(([name, version]) => `${name} ${version}`).join(', ');
  return `# Benchmarks

What the project costs beside a bare driver that does the same, and beside other tools. \`npm run bench\` wrote this page; the
figures are those of one run on one machine, and the ratios are what counts.

![How many times the limit each tool takes](benchmarks.svg)

## The goals

${reached} of ${judged.length} reached. A figure is the median of the rounds, with the least and the most in
brackets. Where the most is more than one and a half times the least it says **wide**: such a figure tells little.

${table(['work', 'goal', 'measured', ''], goals.map(goalRow))}

## How it is measured

- Each sample is a process of its own, and its section is the first call in it: what a person waits for, not what the
  thousandth call takes. Before the clock starts everybody has loaded all modules that he will need, the native part of
  the driver as well: loading is a work of its own (\`load\`). One row of a fresh file has in it what the project loads
  only when something is pending.
- The contestants take turns: each once in a round, and each round another one first. A ratio is that of two samples of
  the same round.
- After each sample the database is looked at: its schema, its rows, and how many migrations its history holds. A sample
  that is not right is a failure and not a figure.
- **The limit** is the same SQL on a bare \`sqlite3\` handle with the same pragmas: one call and one transaction for each
  migration, with a history row like the project's own. Its SQL lies in memory before the clock starts. **One transaction
  for all** stands beside a limit of its own. For a legacy file the limit is what a person would write by hand for that
  very file, in one transaction (\`tests/benchmarks/legacy\`).
- Where nothing is pending, the limit opens the database, sets the connection up as a program does (\`journal_mode\`,
  \`synchronous\`, \`foreign_keys\`, \`busy_timeout\`), reads \`user_version\` and closes it. Two of these pragmas make SQLite
  read the schema; what it takes without them stands in a row of its own. The other tools get a connection with the
  same pragmas. \`upgradeDatabase\` opens its own connection, which only reads and needs no pragmas: so one connection is
  compared with one. What a program has altogether that opens its own connection afterwards stands in a row as well, and
  so does \`openStorage\`, which sets up the connection that it looks with and hands it over.
- For an upgrade everybody gets the same pragmas: a write-ahead log and \`synchronous = FULL\`; legacy files keep their
  rollback journal, with EXTRA. The project itself, with a log, presses only the last commit of an upgrade onto the disk
  (NORMAL for those before) where the database is small, and so does the limit. The limit keeps one transaction a migration,
  where the project lets up to 32 files that can do no harm share one. A tool that leaves the pragmas to the program has each commit pressed;
  what that alone costs, a row of the limit shows. No copies are made, except where the copy is what is measured.
- **A folder** means files that are found anew at each call, **a bundle** one module that \`upgrade-bridge bundle\` made of
  them and that is loaded before the clock starts. **Guards off** is \`countRows: false, fullCheckBytes: 0\`.
- Memory is the most that the process had during the section, above what it had before it. On Linux it is the peak that the
  system keeps of a process (\`VmHWM\`), set back when the section begins (\`/proc/self/clear_refs\`); elsewhere it is
  \`maxRSS\`. In the fleet it is looked at after the 1st, the 100th and the last database: **held** is what JavaScript holds
  once garbage was collected, **resident** is what the system has given, and **outside** what of that is not V8's room for
  objects: this room grows with the garbage between two collections, and V8 gives none of it back while it works (it is
  bounded by \`--max-semi-space-size\`). Whether memory stays flat is judged from the 100th database on: until then the
  compiler makes code of what runs often, and holds it. That one damaged database among many is reported and stops nobody is not measured
  but tested (\`tests/storage/upgrade-all.test.ts\`).
- The event loop was watched with a timer each millisecond; the figure is the longest time that it was late.

\`\`\`sh
npm run bench                                             # all of it, within 15 minutes on two cores; writes this page
npm run bench -- --workload open-100 --rounds 5           # one workload, printed; the page stays as it is
npm run bench -- --workload fresh --only umzug            # the workloads that begin so, and one tool beside the limit
npm run bench -- --help
\`\`\`

A run installs what is measured against, where it is missing, by \`npm ci\` in \`tests/benchmarks\`: the project's own install
leaves it out. Everything else is written to a folder for temporary files, which goes when the run ends.

## The machine

${table(['', ''], [...machine, ['packages', versions]])}

## What others do less of

The project compares checksums, keeps times, texts and a chain of hashes, takes a lock across processes, and looks before and
after each step for rows and objects that are gone. Beside it:

${table(
  ['', 'what is less'],
  [...lesserWork].map(([title, less]) => [title, less]),
)}

## The work

${outcomes.map((outcome) => workloadPart(outcome, results)).join('\n\n')}

## What one migration costs, the more there are

Microseconds a migration on a fresh file (medians).

${growthPart(results)}

## A process from nothing

Milliseconds, loading included (medians, added up).

${wholePart(results)}
`;
}
