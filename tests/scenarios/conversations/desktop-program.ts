import { MigrationService, type MigrationProblem } from 'sqlite-upgrade-bridge';

import type { ConversationsBridge } from './bridge.js';

export type Start =
  | { readonly kind: 'window'; readonly version: number | undefined }
  /** The window stays shut, and this is shown instead. */
  | { readonly kind: 'refused'; readonly text: string };

/** Starts the program: first the migrations, then the window, and no window where they failed. */
export async function start(bridge: ConversationsBridge, folder: string): Promise<Start> {
  const service = new MigrationService(bridge, folder, { historyTable: 'migrations', adopt: true });
  const { success, currentVersion, errors } = await service.runMigrations();
  return success
    ? { kind: 'window', version: currentVersion }
    : { kind: 'refused', text: errors.map(describe).join('\n') };
}

function describe({ filename, message, hint }: MigrationProblem): string {
  return `${filename === undefined ? '' : `${filename}: `}${message} ${hint}`;
}
