import { lstat, readdir, realpath, stat, type Dirent, type Stats } from 'node:fs';

import type { FileSystemAdapter } from 'tinyglobby';

import { systemErrorCode } from './file-system.js';

type Tell<Result> = (error: NodeJS.ErrnoException | null, result?: Result) => void;

/**
 * The file system for a search that passes over nothing in silence: a link that leads nowhere is found as itself, and a
 * folder that cannot be read is told of.
 *
 * @param unreadable gets the paths of these folders
 */
export function openSearch(unreadable: Set<string>): FileSystemAdapter {
  // Each is typed as Node's own function of its name, of which the search calls but the one form.
  return {
    readdir: Object.assign((path: string, _options: object, tell: Tell<Dirent[]>) => {
      readdir(path, { withFileTypes: true }, (error, entries) => {
        if (error !== null && !isGone(error)) unreadable.add(path.replace(/(?<=.)\/$/, ''));
        tell(error, entries);
      });
    }, readdir),
    realpath: Object.assign((path: string, tell: Tell<string>) => {
      realpath(path, (error, found) => {
        tell(null, error === null ? found : path);
      });
    }, realpath),
    stat: Object.assign((path: string, tell: Tell<Stats>) => {
      stat(path, (error, found) => {
        if (error === null) tell(null, found);
        else lstat(path, tell);
      });
    }, stat),
  };
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '');
}
