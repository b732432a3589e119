/** How many processes work at the same time. */
export const workers = 2;

/** Does something with every item, several at a time, each on the lane that is free. Items are asked for as they are needed. */
export async function forEachAtOnce<Item, Lane>(
  items: Iterable<Item>,
  lanes: readonly Lane[],
  work: (item: Item, lane: Lane) => Promise<void>,
): Promise<void> {
  const waiting = items[Symbol.iterator]();
  await Promise.all(
    lanes.map(async (lane) => {
      for (let next = waiting.next(); next.done !== true; next = waiting.next()) await work(next.value, lane);
    }),
  );
}
