import type { Workload } from '../workload.js';
import { peers } from '../contestants.js';
import { legacy, versions } from './legacy.js';
import { fresh, nothingPending } from './migrations.js';

const ours = ['folder', 'bundle', 'folderUnguarded', 'bundleUnguarded'];

export const workloads: readonly Workload[] = [
  ...[100, 1000].map((count) =>
    nothingPending(count, ['limit-open', 'folder', 'bundle', 'storage', ...peers]),
  ),
  ...[10, 100, 1000].map((count) =>
    fresh(count, ['limit', ...ours, 'limit-together', 'folderTogether', ...peers]),
  ),
  ...versions.map(legacy),
];

/** @throws Error when there is none of that name */
export async function findWorkload(name: string): Promise<Workload> {
  const found = workloads.find((workload) => workload.name === name);
  if (found === undefined) throw new Error(`There is no workload "${name}".`);
  return Promise.resolve(found);
}
