/** A block of code between two fences. */
export interface CodeBlock {
  readonly language: string;
  readonly code: string;
  /** The path that stands between backticks, alone, on the line before the block. */
  readonly file: string | undefined;
}

/** A link to something else than a web page. */
export interface Link {
  /** The path as it is written; empty where the link stays on its page. */
  readonly path: string;
  /** What follows the `#`. */
  readonly anchor: string | undefined;
}

const block = /^(?:`([^`\n]+)`\n\n)?```(\w*)\n([^]*?)^```$/gm;

/** The blocks of code of a page, in their order. */
export function codeBlocks(markdown: string): CodeBlock[] {
  return [...markdown.matchAll(block)].map(([, file, language = '', code = '']) => ({
    file,
    language,
    code,
  }));
}

/** The headings of a page, from the first level to the last, without their marks. */
export function headings(markdown: string): string[] {
  return [...prose(markdown).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
}

/** The anchors under which GitHub shows the headings of a page. */
export function anchors(markdown: string): Set<string> {
  const seen = new Map<string, number>();
  const anchorOf = (heading: string): string => {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = words.replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '').replaceAll(' ', '-');
    const times = seen.get(anchor) ?? 0;
    seen.set(anchor, times + 1);
    return times === 0 ? anchor : `${anchor}-${times}`;
  };
  return new Set(headings(markdown).map(anchorOf));
}

/** The links of a page that do not leave the project. */
export function links(markdown: string): Link[] {
  return [
    ...prose(markdown)
      .replace(/`[^`\n]*`/g, '')
      .matchAll(/\]\(([^)\s]+)\)/g),
  ]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = '', anchor] = target.split('#');
      return { path, anchor };
    });
}

/** What stands between backticks in the text of a page. */
export function inlineCode(markdown: string): string[] {
  return [...prose(markdown).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}

function prose(markdown: string): string {
  return markdown.replace(/^```[^]*?^```$/gm, '');
}
