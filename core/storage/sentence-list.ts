const SHOWN = 10;

/** Sentences one after the other; of very many, the first and the number of the others. */
export function listSentences(sentences: readonly string[]): string {
  const more = sentences.length - SHOWN;
  return [...sentences.slice(0, SHOWN), ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}
