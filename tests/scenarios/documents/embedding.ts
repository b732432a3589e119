const DIMENSIONS = 16;

/** What a text is about, as the bytes of a vector of 32-bit floats: how often which letters stand side by side. */
export function embed(text: string): Uint8Array {
  const vector = new Float32Array(DIMENSIONS);
  const letters = text.toLowerCase();
  for (let index = 1; index < letters.length; index += 1) {
    const place = (letters.charCodeAt(index - 1) * 31 + letters.charCodeAt(index)) % DIMENSIONS;
    vector[place] = (vector[place] ?? 0) + 1;
  }
  const length = Math.hypot(...vector) || 1;
  return new Uint8Array(vector.map((value) => value / length).buffer);
}

/** How near two vectors are to each other: 1 where they point the same way. */
export function likeness(one: Uint8Array, other: Uint8Array): number {
  const [left, right] = [floatsOf(one), floatsOf(other)];
  let sum = 0;
  for (const [index, value] of left.entries()) sum += value * (right[index] ?? 0);
  return sum;
}

/** A copy, because the bytes of a row may stand anywhere in memory. */
function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer);
}
