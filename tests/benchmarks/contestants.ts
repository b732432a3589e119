import { isContestant, type MigrationContestant } from './contestant.js';

/** Other people's tools, each a plain module beside their packages, which the project's own install does not have. */
export const peers = ['drizzle', 'umzug', 'knex', 'kysely', 'kriasoft', 'postgrator'] as const;

/** Where the modules and packages of the peers are, seen from the compiled form of this file. */
export const benchmarksFolder = new URL('../../../../tests/benchmarks/', import.meta.url);

const isPeer = (name: string): boolean => peers.some((peer) => peer === name);

async function loadPeer(name: string): Promise<MigrationContestant> {
  const url = new URL(`peers/${name}.js`, benchmarksFolder);
  const module: unknown = await import(url.href);
  if (typeof module === 'object' && module !== null && 'default' in module && isContestant(module.default))
    return module.default;
  throw new Error(`${url.pathname} is no contestant.`);
}

/** Loads one contestant and nothing of the others. */
export async function loadContestant(name: string): Promise<MigrationContestant> {
  if (isPeer(name)) return loadPeer(name);
  if (name.startsWith('limit')) {
    const { limit, limitDurable, limitHistory, limitOpen, limitTogether, limitWithoutPragmas } =
      await import('./limit.js');
    const limits = new Map([
      ['limit', limit],
      ['limit-durable', limitDurable],
      ['limit-history', limitHistory],
      ['limit-open', limitOpen],
      ['limit-together', limitTogether],
      ['limit-without-pragmas', limitWithoutPragmas],
    ]);
    const found = limits.get(name);
    if (found !== undefined) return found;
  }
  const { ours } = await import('./ours.js');
  const found = Object.entries(ours).find(([key]) => key === name);
  if (found === undefined) throw new Error(`There is no contestant "${name}".`);
  return found[1];
}
