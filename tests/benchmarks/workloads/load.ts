import { benchmarksFolder, peers } from '../contestants.js';
import type { Workload } from '../workload.js';

/** What a program imports to use a contestant, its driver included. */
export const modules: ReadonlyMap<string, string> = new Map([
  ['limit', 'sqlite3'],
  ['package', 'sqlite-upgrade-bridge'],
  ...peers.map((peer): [string, string] => [peer, new URL(`peers/${peer}.js`, benchmarksFolder).href]),
]);

/** Loading a package in a process that has loaded nothing yet. */
export const load: Workload = {
  name: 'load',
  title: 'Loading the package',
  contestants: [...modules.keys()],
  rounds: 11,
  prepare(contestant) {
    const module = modules.get(contestant);
    if (module === undefined) throw new Error(`There is no contestant "${contestant}".`);
    return Promise.resolve({
      run: async () => {
        await import(module);
      },
      verify: () => Promise.resolve(),
    });
  },
};
