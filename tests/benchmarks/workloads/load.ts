import { benchmarksFolder, peers } from '../contestants.js';
import { loadUpgrade } from '../load-upgrade.js';
import type { Workload } from '../workload.js';

const driver = (): Promise<unknown> => import('sqlite3');

/** The package loads its driver with the first database. */
async function loadPackage(): Promise<void> {
  await import('sqlite-upgrade-bridge');
  await driver();
}

/** What a program imports to use a contestant, and then the driver. */
const loaders: ReadonlyMap<string, () => Promise<unknown>> = new Map([
  ['limit', driver],
  ['package', loadPackage],
  ['package-upgrade', () => loadPackage().then(loadUpgrade)],
  ...peers.map((peer): [string, () => Promise<unknown>] => [
    peer,
    () => import(new URL(`peers/${peer}.js`, benchmarksFolder).href),
  ]),
]);

/** Loading a package and its driver in a process that has loaded nothing yet. */
export const load: Workload = {
  name: 'load',
  title: 'Loading the package and its driver',
  contestants: [...loaders.keys()],
  rounds: 11,
  prepare(contestant) {
    const run = loaders.get(contestant);
    if (run === undefined) throw new Error(`There is no contestant "${contestant}".`);
    return Promise.resolve({
      run: async () => {
        await run();
      },
      verify: () => Promise.resolve(),
    });
  },
};
