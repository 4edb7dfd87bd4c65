import { anchorOf } from '../support/headings.ts';

/** A section of a page for people at a shell. */
export interface Section {
  readonly anchor: string;
  /** What it has people paste, in the page's order: each block, and each command within a sentence. */
  readonly commands: readonly string[];
}

/** Words with which a command in a sentence begins: programs, and the functions of the page's first block. */
const BEGINS = /^(aws|cli|npm|git|logs|why|escrow|leased)( |$)|^[A-Z_]+=\S+ npm /;
/** A fenced block of any language, also within a list; else a code span, also over a line's end. */
const CODE = /^( *)```(\w*)\n([\s\S]*?)^\1```$|(?<!`)`([^`]+)`(?!`)/gm;

/** The commands of a text, as people copy them. */
export function commandsIn(text: string): string[] {
  return [...text.matchAll(CODE)].flatMap(([, indent = '', language, block, span = '']) => {
    if (language === 'sh' && block !== undefined)
      return [block.replaceAll(new RegExp(`^${indent}`, 'gm'), '').trimEnd()];
    const command = span.replaceAll(/\s*\n\s*/g, ' ');
    return block === undefined && BEGINS.test(command) ? [command] : [];
  });
}

/** What stands before the first section, and the sections. `###` counts as well as `##`. */
export function sectionsOf(page: string): {
  readonly preamble: readonly string[];
  readonly sections: Section[];
} {
  const [before = '', ...rest] = page.split(/^#{2,3} /m);
  return {
    preamble: commandsIn(before),
    sections: rest.map((text) => ({
      anchor: anchorOf(text.slice(0, text.indexOf('\n'))),
      commands: commandsIn(text),
    })),
  };
}
