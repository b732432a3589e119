import { createRequire } from 'node:module';

/**
 * Loads a CommonJS package in one turn, or gives what was loaded before. `import` looks through all its text for names
 * first, which takes as long as loading it, and takes half a millisecond where the package is loaded.
 *
 * @throws what Node throws when the package is not installed or fails while it is loaded
 */
export const requirePackage: (name: string) => unknown = createRequire(import.meta.url);
