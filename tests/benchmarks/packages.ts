import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { benchmarksFolder } from './contestants.js';

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function versionIn(path: URL): string {
  const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
  return isRecord(parsed) ? String(parsed.version) : '';
}

/** The versions of what is measured against, as its own package.json pins them. */
export function wantedPackages(): ReadonlyMap<string, string> {
  const parsed: unknown = JSON.parse(readFileSync(new URL('package.json', benchmarksFolder), 'utf8'));
  const wanted = isRecord(parsed) && isRecord(parsed.dependencies) ? parsed.dependencies : {};
  return new Map(Object.entries(wanted).map(([name, version]) => [name, String(version)]));
}

/** Installs what is measured against, where it is missing: the project's own install leaves it out. */
export function installPackages(): void {
  const missing = [...wantedPackages()].filter(([name, version]) => {
    const path = new URL(`node_modules/${name}/package.json`, benchmarksFolder);
    return !existsSync(path) || versionIn(path) !== version;
  });
  if (missing.length === 0) return;
  console.log('Installing what is measured against.');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: fileURLToPath(benchmarksFolder),
    stdio: 'inherit',
  });
  // The project and the limit can be measured without.
  if (status !== 0) console.error('The installation failed: the other tools cannot take part.');
}
