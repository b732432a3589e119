import { openStorage, type Storage } from 'sqlite-upgrade-bridge';

/** One line for each world: its name, and how much of it there is. */
export async function chronicle(storage: Storage): Promise<string[]> {
  const lines: string[] = [];
  for (const { id, name } of await storage.worlds.list()) {
    const agents = await storage.agents.list(id);
    const chats = await storage.chats.list(id);
    lines.push(`${name}: ${agents.length} agents, ${chats.length} chats`);
  }
  return lines;
}

/** Opens a database of any release, and writes into it what only the newest knows. */
export async function continueWorlds(database: string): Promise<string[]> {
  const storage = await openStorage({ database });
  try {
    const lines = await chronicle(storage);
    await storage.worlds.save({ id: 'continued', name: 'Continued' });
    await storage.events.append({ worldId: 'continued', type: 'opened', payload: storage.report.found });
    return lines;
  } finally {
    await storage.close();
  }
}
