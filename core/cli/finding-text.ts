import type { ChangedFile, CheckResult, Drift, WrongUserVersion } from '../index.js';

/** Ahead of the history it is a sign that rows were taken out, which nobody accepts unasked. */
export function userVersionRemedy({ found, expected }: WrongUserVersion): string {
  return found > expected
    ? 'was a row of the history taken out? If not, "repair --accept-tampering" puts it right'
    : '"repair" puts it right';
}

/** Applied files that were changed since, each with its difference below it. */
export function changedFilesSection(title: string, files: readonly ChangedFile[]): string[] {
  return nested(
    title,
    files.map(({ filename, appliedAt, difference }) => [
      `${filename}, applied on ${appliedAt}`,
      ...(difference ?? ['The history kept no text to compare it with.']),
    ]),
  );
}

/** Differences of the schema, each with the statements below it that would mend it. */
export function driftSection(title: string, drift: readonly Drift[]): string[] {
  return nested(
    title,
    drift.map(({ sentence, mend, caution }, index) => {
      // A table that is rebuilt is mended by the same statements, whatever of it is different.
      const isRepeated = drift[index - 1]?.mend.join('\n') === mend.join('\n');
      return [
        sentence,
        ...(caution === undefined ? [] : [`-- ${caution}`]),
        ...(isRepeated ? [] : mend.map((statement) => `${statement};`)),
      ];
    }),
  );
}

/** The project's own checks that are not met. */
export function checksSection(checks: readonly CheckResult[]): string[] {
  return nested(
    'Checks that are not met',
    checks
      .filter(({ ok }) => !ok)
      .map(({ name, line, found, expected }) => [
        `${name} (line ${line})`,
        `expected: ${expected}`,
        `found: ${found}`,
      ]),
  );
}

/** A title with the number of entries below it, each a line and what belongs to it. */
function nested(title: string, entries: readonly (readonly string[])[]): string[] {
  if (entries.length === 0) return [];
  const lines = entries.flatMap(([first = '', ...more]) => [
    `  ${first}`,
    ...more.map((line) => `    ${line}`),
  ]);
  return ['', `${title} (${entries.length}):`, ...lines];
}
