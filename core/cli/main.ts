#!/usr/bin/env node
import { readFileSync } from 'node:fs';

import { Command, CommanderError } from 'commander';

import { InvalidOptionError } from '../errors.js';
import { packageFolder } from '../package-folder.js';
import { addAdopt } from './adopt.js';
import { addBackup } from './backup.js';
import { addBackups } from './backups.js';
import { addBaseline } from './baseline.js';
import { addBundle } from './bundle.js';
import { exitWith } from './command.js';
import { addDown } from './down.js';
import { exitStatus } from './exit-status.js';
import { addHistory } from './history.js';
import { Output } from './output.js';
import { addPlan } from './plan.js';
import { addRehearse } from './rehearse.js';
import { addRepair } from './repair.js';
import { addRestore } from './restore.js';
import { addStatus } from './status.js';
import { addTo } from './to.js';
import { addUp } from './up.js';
import { addVerify } from './verify.js';

const program = new Command('upgrade-bridge')
  .description(
    'Brings SQLite databases that are already out in the world to the newest schema, with every row kept.',
  )
  .version(versionOfPackage(), '--version', 'print the version')
  .helpOption('--help', 'print this help')
  .helpCommand('help [command]', 'print the help of a command')
  .exitOverride()
  .configureOutput({ outputError: () => undefined })
  .addHelpText(
    'after',
    '\n"upgrade-bridge COMMAND --help" tells the options, examples and exit statuses of a command.',
  );

const commands = [
  addStatus,
  addPlan,
  addRehearse,
  addUp,
  addDown,
  addTo,
  addVerify,
  addHistory,
  addRepair,
  addBaseline,
  addAdopt,
  addBackup,
  addBackups,
  addRestore,
  addBundle,
];
for (const add of commands) add(program);

keepBrokenPipeQuiet();
const parameters = process.argv.slice(2);
try {
  await program.parseAsync(parameters, { from: 'user' });
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  if (error.exitCode !== 0) refuse(error);
}

/** Tells of a wrong command line. What it asked for is not known then, so that --json is looked for as a word. */
function refuse({ code, message }: CommanderError): void {
  exitWith(exitStatus.usage);
  // The help stands on standard error already.
  if (code === 'commander.help') return;
  const [sentence = '', suggestion = ''] = message.replace(/^error: /, '').split('\n');
  const names = program.commands.map((each) => each.name());
  const command = parameters.find((word) => names.includes(word));
  const help = `See "${[program.name(), command, '--help'].filter((word) => word !== undefined).join(' ')}".`;
  const jsonLines = parameters.some((word) => /^--all(=|$)/.test(word));
  new Output({ json: parameters.includes('--json'), jsonLines }).failure(
    new InvalidOptionError(`${sentence.charAt(0).toUpperCase()}${sentence.slice(1).replace(/\.$/, '')}.`, {
      hint: [suggestion.replace(/[()]/g, ''), help].filter((text) => text !== '').join(' '),
    }),
  );
}

/** A reader such as `head` may close its end at any time; any other trouble with the output is a failure. */
function keepBrokenPipeQuiet(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return;
      process.exitCode = exitStatus.failed;
      if (stream === process.stdout)
        process.stderr.write(`Error: The output cannot be written: ${error.message}\n`);
    });
}

function versionOfPackage(): string {
  const description: unknown = JSON.parse(readFileSync(new URL('package.json', packageFolder), 'utf8'));
  if (typeof description === 'object' && description !== null && 'version' in description)
    return String(description.version);
  throw new Error('package.json has no version.');
}
