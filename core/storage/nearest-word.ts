/** The known word that a person most likely meant: one at most three letters away, and fewer from a short one. */
export function nearestWord<Known extends string>(word: string, known: readonly Known[]): Known | undefined {
  const found = word.toLowerCase();
  const distances = known.map((candidate) => ({
    candidate,
    distance: editDistance(candidate.toLowerCase(), found),
  }));
  const [nearest] = distances.sort((a, b) => a.distance - b.distance);
  return nearest !== undefined && nearest.distance <= Math.min(3, word.length / 2)
    ? nearest.candidate
    : undefined;
}

/** How many letters must be added, left out or replaced to make one word of the other (Levenshtein). */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (const [row, letter] of Array.from(left).entries()) {
    const current = [row + 1];
    for (let column = 1; column <= right.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (letter === right.charAt(column - 1) ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
