import { InvalidOptionError, UpgradeBridgeError } from '../errors.js';
import type { UpgradeReport } from './upgrade-report.js';

const legacyModes = ['bridge', 'refuse', 'inspect-only'] as const;

/**
 * What is done with a legacy database; any other is upgraded as ever.
 *
 * - `bridge`: it is upgraded.
 * - `refuse`: it is refused, and not changed.
 * - `inspect-only`: what an upgrade would do is reported, and it is not changed.
 */
export type LegacyMode = (typeof legacyModes)[number];

/** A legacy database was met and left as it is, because `legacyMode` says so. */
export class LegacyRefusedError extends UpgradeBridgeError<'LEGACY_REFUSED'> {
  /** @param report what the database is, and in `wouldDo` what an upgrade would do to it */
  constructor(readonly report: UpgradeReport) {
    super(
      'LEGACY_REFUSED',
      `"${report.database}" is a legacy database of version ${report.evident ?? 0} and is not to be upgraded.`,
      {
        hint: 'Nothing was changed. To have it upgraded, set legacyMode to "bridge", which is the default.',
      },
    );
  }
}

/** @throws InvalidOptionError when it is none of the modes */
export function resolveLegacyMode(mode: LegacyMode | undefined): LegacyMode {
  const found = legacyModes.find((each) => each === (mode ?? 'bridge'));
  if (found !== undefined) return found;
  throw new InvalidOptionError(
    `legacyMode must be one of ${legacyModes.join(', ')}, and is ${String(mode)}.`,
    {
      hint: 'Leave legacyMode out to have legacy databases upgraded.',
    },
  );
}
