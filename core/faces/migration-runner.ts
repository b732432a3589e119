import { InvalidOptionError } from '../errors.js';
import { defineMigration, type CodeMigration } from '../storage/code-migrations.js';
import { upTo, type ChangeTerms } from '../storage/change-terms.js';
import type { Migration } from '../storage/migration.js';
import type { UpgradePlan } from '../storage/upgrade-plan.js';
import type { UpgradeReport } from '../storage/upgrade-report.js';
import {
  changeTarget,
  checkedTarget,
  planTarget,
  versionOf,
  type CheckedTarget,
  type MigrationTarget,
  type TargetOptions,
} from './migration-target.js';

export interface MigrationRunnerOptions extends Omit<TargetOptions, 'code' | 'migrations' | 'to'> {
  /** Whether a rollback may lose rows and objects of which the migrations do not say so. Default: false. */
  readonly allowLoss?: boolean | undefined;
}

/** Migrations in code or of files, by rising versions. */
export type MigrationList = readonly (CodeMigration | Migration)[];

/**
 * `upgradeDatabase` and `rollBackDatabase` for a program that has its migrations as values.
 *
 * ```ts
 * const runner = new MigrationRunner('documents.db');
 * await runner.runMigrations([initialSchema, indexes, vectorSupport]);
 * await runner.rollback(2, [initialSchema, indexes, vectorSupport]);
 * ```
 */
export class MigrationRunner {
  readonly #target: CheckedTarget;
  readonly #options: Omit<TargetOptions, 'migrations'>;
  readonly #allowLoss: boolean;
  #known: MigrationList = [];

  /** @param target a database file, made where it is missing; or an open connection, which stays open */
  constructor(target: MigrationTarget, { allowLoss = false, ...options }: MigrationRunnerOptions = {}) {
    this.#target = checkedTarget(target);
    this.#options = options;
    this.#allowLoss = allowLoss;
  }

  /** The newest version that is applied; 0 where there is none. */
  getCurrentVersion(): Promise<number> {
    return versionOf(this.#target, this.#with(this.#known));
  }

  /**
   * Carries out what is pending. A second time there is nothing to do.
   *
   * @throws InvalidOptionError when the versions do not rise
   * @throws what `upgradeDatabase` throws
   */
  async runMigrations(migrations: MigrationList): Promise<UpgradeReport> {
    return changeTarget(this.#target, this.#with(this.#remember(migrations)), upTo(undefined));
  }

  /** Says what `runMigrations` would do, and changes nothing. */
  async planMigrations(migrations: MigrationList): Promise<UpgradePlan> {
    return planTarget(this.#target, this.#with(this.#remember(migrations)), upTo(undefined));
  }

  /**
   * Undoes what was applied after a version, the newest first.
   *
   * @param version 0 undoes everything
   * @param migrations those that know how; the ones of the last call unless given
   * @throws InvalidOptionError when there is no list
   * @throws what `rollBackDatabase` throws
   */
  async rollback(version: number, migrations: MigrationList = this.#known): Promise<UpgradeReport> {
    if (migrations.length === 0)
      throw new InvalidOptionError('There are no migrations that could be undone.', {
        hint: 'Give the list as the second parameter: the code that undoes a migration is not kept in the database.',
      });
    const terms: ChangeTerms = {
      goal: { kind: 'down', to: version },
      lossAllowed: this.#allowLoss,
      undoFromHistory: false,
    };
    return changeTarget(this.#target, this.#with(this.#remember(migrations)), terms);
  }

  #with(migrations: MigrationList): TargetOptions {
    return { ...this.#options, migrations };
  }

  #remember(migrations: MigrationList): MigrationList {
    refuseOtherThanList(migrations);
    const defined = migrations.map((migration) =>
      'statements' in migration ? migration : defineMigration(migration),
    );
    for (const [index, { version, filename }] of defined.entries()) {
      const previous = defined[index - 1];
      if (previous !== undefined && previous.version >= version)
        throw new InvalidOptionError(
          `${filename} comes after ${previous.filename}, and the versions must rise.`,
          {
            hint: 'List the migrations in the order in which they run, each with a higher version than the one before.',
          },
        );
    }
    this.#known = defined;
    return defined;
  }
}

/** Callers without types may give anything. */
function refuseOtherThanList(migrations: unknown): void {
  if (Array.isArray(migrations)) return;
  throw new InvalidOptionError('The migrations must be a list.', {
    hint: 'Give an array of { version, name, up, down }, or what readMigrations returns.',
  });
}
