import {
  messageOf,
  MigrationFailedError,
  MigrationFileError,
  UpgradeBridgeError,
  type ErrorCode,
} from '../errors.js';
import { moduleLogger } from '../logger.js';
import { upTo } from '../storage/change-terms.js';
import type { MigrationBundle } from '../storage/migration-bundle.js';
import { safeProgress } from '../storage/upgrade-progress.js';
import {
  changeTarget,
  checkedTarget,
  versionOf,
  type CheckedTarget,
  type MigrationTarget,
  type TargetOptions,
} from './migration-target.js';

export type MigrationServiceOptions = Omit<TargetOptions, 'migrations'>;

/** Why the migrations could not all run, as a program shows it to a person. */
export interface MigrationProblem {
  readonly code: ErrorCode;
  /** What failed, on what. */
  readonly message: string;
  /** What to do. */
  readonly hint: string;
  /** The file at fault; undefined where it is none. */
  readonly filename: string | undefined;
}

export interface MigrationRun {
  /** Whether the database is at the newest migration now. */
  readonly success: boolean;
  /** How many migrations were carried out. */
  readonly ran: number;
  /** The version that the database is at now; undefined where that cannot be told, and `errors` says why. */
  readonly currentVersion: number | undefined;
  /** Empty where all went well. */
  readonly errors: readonly MigrationProblem[];
}

/**
 * `upgradeDatabase` for a program that asks for a result and not for an error: it looks at it before it opens its window.
 *
 * ```ts
 * const { success, errors } = await new MigrationService(bridge, 'migrations').runMigrations();
 * if (!success) showAndQuit(errors);
 * ```
 */
export class MigrationService {
  readonly #target: CheckedTarget;
  readonly #options: TargetOptions;

  /**
   * @param target a database file, or an open connection, which stays open
   * @param migrations the folder where the files are, or a bundle of one
   */
  constructor(
    target: MigrationTarget,
    migrations: string | MigrationBundle,
    options: MigrationServiceOptions = {},
  ) {
    this.#target = checkedTarget(target);
    this.#options = { ...options, migrations };
  }

  /**
   * Carries out every pending file, each in a transaction of its own, in the order of their numbers. What was carried out
   * before one that fails stays.
   *
   * @throws only what is no failure of an upgrade: a fault of this package, or of a connection that throws what is no error
   *   of it
   */
  async runMigrations(): Promise<MigrationRun> {
    const logger = moduleLogger(this.#options.logger, 'migration-service');
    const tell = safeProgress(this.#options.onProgress, logger);
    let ran = 0;
    const options: TargetOptions = {
      ...this.#options,
      onProgress: (event) => {
        if (event.kind === 'applied') ran += 1;
        tell(event);
      },
    };
    try {
      const { version } = await changeTarget(this.#target, options, upTo(undefined));
      return { success: true, ran, currentVersion: version, errors: [] };
    } catch (error) {
      if (!isNamed(error)) throw error;
      const errors = [problemOf(error, this.#options.migrations)];
      try {
        return { success: false, ran, currentVersion: await versionOf(this.#target, this.#options), errors };
      } catch (unknown) {
        logger.debug({ reason: messageOf(unknown) }, 'the version after the failure is not known');
        return { success: false, ran, currentVersion: undefined, errors };
      }
    }
  }
}

/** A class with a parameter would make its code anything. */
function isNamed(error: unknown): error is UpgradeBridgeError {
  return error instanceof UpgradeBridgeError;
}

function problemOf(error: UpgradeBridgeError, folder: TargetOptions['migrations']): MigrationProblem {
  const { code, message, hint } = error;
  return { code, message, hint, filename: fileAtFault(error, folder) };
}

function fileAtFault(error: UpgradeBridgeError, folder: TargetOptions['migrations']): string | undefined {
  if (error instanceof MigrationFailedError) return error.place.filename;
  if (error instanceof MigrationFileError) return error.file === folder ? undefined : error.file;
  return undefined;
}
