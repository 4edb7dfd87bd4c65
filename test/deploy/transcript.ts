/** A command on a page, and the output that the page shows. */
export interface Step {
  readonly command: string;
  /** Lines. `…` means any number of lines, or any text within a line. */
  readonly shown: readonly string[];
}

const BLOCK = /```console\n([\s\S]*?)```/g;

/** The commands of a page's `console` blocks, in order. */
export function stepsOf(page: string): Step[] {
  return [...page.matchAll(BLOCK)].flatMap(([, text = '']) =>
    text
      .split(/^\$ /m)
      .slice(1)
      .map((step) => {
        const [command = '', ...shown] = step.trimEnd().split('\n');
        return { command, shown };
      }),
  );
}

/**
 * Compares what a page shows with what was printed.
 *
 * @returns the first line on the page that was not printed in its place, or undefined
 */
export function firstDifference(shown: readonly string[], printed: readonly string[]): string | undefined {
  let at = 0;
  let anywhere = false;
  for (const line of shown.map(evenly)) {
    if (line.trim() === '…') {
      anywhere = true;
      continue;
    }
    const pattern = new RegExp(`^${line.split('…').map(escapeRegExp).join('.*')}$`);
    const found = printed.findIndex(
      (one, index) => index >= at && (anywhere || index === at) && pattern.test(evenly(one)),
    );
    if (found === -1) return line;
    at = found + 1;
    anywhere = false;
  }
  return anywhere || at === printed.length
    ? undefined
    : `(nothing more, but this was printed: ${printed[at]})`;
}

/** The width of columns differs from run to run. */
function evenly(line: string): string {
  return line.trimEnd().replaceAll(/ {2,}/g, '  ');
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
