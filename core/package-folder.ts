/**
 * The folder of the package, as a URL: with its migrations and its `package.json`.
 *
 * This file stands one folder below it, and so does the file of `dist/` that it is published in.
 */
export const packageFolder = new URL('../', import.meta.url);
