import { OtherHistoryError } from '../errors.js';
import { refuseUnknownOptions } from './known-options.js';
import type { OtherTool } from './other-history.js';

/** Which history of another tool is taken over, and how strictly. */
export interface AdoptionTerms {
  /** Whose history is taken over, where several tools keep one. Default: the only one that there is. */
  readonly tool?: OtherTool | undefined;
  /** The table that holds it, where several tables are histories. Default: the only one that there is. */
  readonly table?: string | undefined;
  /** Whether the files are recorded although the schema is not wholly what they make. Default: false. */
  readonly acceptDifferences?: boolean | undefined;
}

const termNames = {
  acceptDifferences: true,
  table: true,
  tool: true,
} as const satisfies Record<keyof AdoptionTerms, true>;

/**
 * The terms on which an upgrade takes another tool's history over; undefined where it refuses it.
 *
 * @throws InvalidOptionError when there is none of that name
 */
export function adoptionTerms(adopt: boolean | AdoptionTerms | undefined): AdoptionTerms | undefined {
  if (adopt === undefined || adopt === false) return undefined;
  if (adopt === true) return {};
  refuseUnknownOptions('adopt', adopt, termNames);
  return adopt;
}

/** The terms on which an upgrade goes on that failed so; undefined where it does not. */
export function adoptionAfter(
  error: unknown,
  { adopt }: { readonly adopt?: boolean | AdoptionTerms | undefined },
): AdoptionTerms | undefined {
  return error instanceof OtherHistoryError ? adoptionTerms(adopt) : undefined;
}
