import { peers } from '../contestants.js';
import type { Workload } from '../workload.js';

type Loader = readonly [name: string, load: () => Promise<Workload>];

/** The project, over a folder of files and over a bundle; with its guards and without them. */
const ours = ['folder', 'bundle', 'folderUnguarded', 'bundleUnguarded'];
const READINGS = 1_000_000;

const open = [100, 1000].map((count): Loader => [
  `open-${count}`,
  async () => {
    const { nothingPending } = await import('./migrations.js');
    return nothingPending(count, [
      'limit-open',
      'limit-history',
      'limit-without-pragmas',
      'folder',
      'bundle',
      'program',
      'storage',
      'folderBetter',
      ...peers,
    ]);
  },
]);
const fresh = [10, 100, 1000].map((count): Loader => [
  `fresh-${count}`,
  async () => {
    const migrations = await import('./migrations.js');
    return migrations.fresh(count, [
      'limit',
      ...ours,
      'folderFirst',
      'limit-durable',
      'limit-together',
      'folderTogether',
      'folderBetter',
      ...peers,
    ]);
  },
]);
const legacy = ([0, 1, 2, 3, 4, 5, 6, 7] as const).map((version): Loader => [
  `legacy-${version}`,
  async () => (await import('./legacy.js')).legacy(version),
]);
const large: readonly Loader[] = [
  [
    'large',
    async () => {
      const { full } = await import('./large.js');
      const contestants = ['limit-durable', 'folder', 'folderUnguarded', 'drizzle', 'umzug'];
      return full(
        { name: 'large', title: '200 MB, 1.2 million rows, five migrations', readingCount: READINGS },
        contestants,
      );
    },
  ],
  [
    'medium',
    async () => {
      const { full } = await import('./large.js');
      return full(
        { name: 'medium', title: 'The same with a tenth of the rows', readingCount: READINGS / 10 },
        ['limit-durable', 'folder', 'folderUnguarded'],
      );
    },
  ],
  ['copy', async () => (await import('./copy.js')).copies(READINGS)],
];
const fleet: readonly Loader[] = [
  [
    'fleet',
    async () =>
      (await import('./fleet.js')).fleet(['limit', 'upgradeAll', 'drizzle', 'umzug', 'kriasoft', 'knex']),
  ],
];
const load: readonly Loader[] = [['load', async () => (await import('./load.js')).load]];

const loaders = new Map([...open, ...fresh, ...legacy, ...large, ...fleet, ...load]);

export const workloadNames: readonly string[] = [...loaders.keys()];

/**
 * Finds a workload and loads no other: what one needs must not be there when another is measured.
 *
 * @throws Error when there is none of that name
 */
export async function findWorkload(name: string): Promise<Workload> {
  const found = loaders.get(name);
  if (found === undefined) throw new Error(`There is no workload "${name}".`);
  return found();
}
