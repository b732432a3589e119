import type { Command } from 'commander';

import type { Verification } from '../index.js';
import { describeViolation } from '../storage/migration-guards.js';
import { addChecksOptions, type ChecksOptions } from './checks-options.js';
import { addSourceCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp, exitStatusOfUserVersion } from './exit-status.js';
import { changedFilesSection, checksSection, driftSection, userVersionRemedy } from './finding-text.js';
import { sourceOf, type SourceOptions } from './options.js';
import type { Output } from './output.js';
import { section } from './text.js';

interface VerifyOptions extends SourceOptions, ChecksOptions {
  readonly strict?: boolean;
}

export function addVerify(program: Command): void {
  const command = addSourceCommand(program, 'verify', {
    summary: 'hold a database against its files',
    description:
      "Holds a database against its files: its schema, with the statements that would mend each difference, the files and the history against what was applied, SQLite's check of its integrity, foreign keys that are broken beyond those counted at the upgrade, user_version, and the project's own checks. Changes no byte of it; a check that writes is rolled back.",
    examples: ['verify --database worlds.db', 'verify --database worlds.db --strict --json'],
    exitStatuses: exitStatusHelp(
      ['done', 'the database is as its files say'],
      ['failed', 'the database or the files cannot be read'],
      [
        'found',
        'something is pending, missing, different or damaged, or a check is not met; with --strict: or an addition',
      ],
      ['newer', 'the database is newer than this program'],
      ['locked', 'another program keeps the database from being read'],
      ['changed', 'an applied file was changed, or the history was'],
      ['usage', 'a wrong option'],
    ),
  }).option('--strict', "count additions of the database's own as differences");
  addChecksOptions(command).action((options: VerifyOptions) =>
    perform(options, (output) => verify(options, output)),
  );
}

async function verify(options: VerifyOptions, output: Output): Promise<number> {
  const { verifyDatabase } = await import('../index.js');
  const { database, checks, strict } = options;
  const found = await verifyDatabase(database, { ...(await sourceOf(options)), checks });
  const passed = found.ok && !(strict === true && found.extras.length > 0);
  output.result(found, [
    ...describe(found),
    ...section('What to do', nextSteps(found)),
    '',
    conclusion(found, passed),
  ]);
  if (found.changed.length > 0 || found.tampering.length > 0) return exitStatus.changed;
  if (found.userVersion !== undefined) return exitStatusOfUserVersion(found.userVersion);
  return passed ? exitStatus.done : exitStatus.found;
}

/** One step for each kind of finding, the most pressing first. */
function nextSteps(found: Verification): string[] {
  const { drift, integrity, tampering, changed, userVersion, pending } = found;
  return [
    ...(integrity.damage.length > 0 ? ['Damage: restore a backup ("backups" lists them)'] : []),
    ...(tampering.length > 0
      ? ['History: find out who changed it; "repair --accept-tampering" takes it as it is']
      : []),
    ...(changed.length > 0 ? ['Changed files: undo the change, or accept it with "repair"'] : []),
    ...(userVersion === undefined ? [] : [`user_version: ${userVersionRemedy(userVersion)}`]),
    ...(isDrift(found) && drift.some(({ mend }) => mend.length > 0)
      ? ['Missing or different: "repair --complete-missing" mends it with the statements above']
      : []),
    ...(isDrift(found) && drift.some(({ mend }) => mend.length === 0)
      ? ['Missing or different, without statements: change it by hand, or restore a backup']
      : []),
    ...(pending.length > 0 ? ['Pending: "up" applies them, and "plan" says before what it would do'] : []),
    ...(found.newViolations.length > 0
      ? ['Broken foreign keys: look for what writes without them, and repair or delete the rows']
      : []),
    ...(found.checks.some(({ ok }) => !ok)
      ? ['Checks: look at the rows that they name; no command changes them']
      : []),
  ];
}

/** What a database without a history lacks is what an upgrade would add: the pending files tell. */
function isDrift({ kind, drift }: Verification): boolean {
  return kind === 'managed' && drift.length > 0;
}

function conclusion({ database, ok }: Verification, passed: boolean): string {
  if (passed) return `"${database}" is as its files say.`;
  return ok
    ? `"${database}" has all that its files say, and additions, which --strict counts.`
    : `"${database}" is not as its files say.`;
}

function describe(found: Verification): string[] {
  const { pending, extras, integrity, violations, newViolations, userVersion } = found;
  const known = violations.filter((violation) => !newViolations.includes(violation));
  return [
    `Database: ${found.database} (${found.kind})`,
    ...section('Pending', pending),
    ...changedFilesSection('Changed after they were applied', found.changed),
    ...section('Changed by hand in the history', found.tampering),
    ...(isDrift(found) ? driftSection('Missing or different', found.drift) : []),
    ...section('Damaged', integrity.damage),
    ...section(
      'Broken foreign keys, more than were counted at the upgrade',
      newViolations.map(describeViolation),
    ),
    ...section(
      'Wrong user_version',
      userVersion === undefined ? [] : [`expected ${userVersion.expected}, found ${userVersion.found}`],
    ),
    ...checksSection(found.checks),
    ...section('Broken foreign keys, counted at the upgrade', known.map(describeViolation)),
    ...changedFilesSection('Ways back that are others than when they were applied', found.changedWaysBack),
    ...section('Rows that break a rule of their table', integrity.brokenRules),
    ...section('Indexes that REINDEX would mend', integrity.staleIndexes),
    ...section(
      "Additions of the database's own",
      extras.map(({ sentence }) => sentence),
    ),
    ...section(
      'Checks that are met',
      found.checks.filter(({ ok }) => ok).map(({ name }) => name),
    ),
  ];
}
