import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { safeText, type Terminal } from './terminal.ts';

/**
 * `less` that ends at once where all fits on the screen, and leaves colours and text as they are. Windows has none, and a
 * small system may have none.
 */
const USUAL_PAGER =
  process.platform === 'win32' ? '' : 'command -v less > /dev/null && exec less -FRX; exit 127';

/**
 * Shows a long text through the person's pager (`PAGER`, else `less`). Without a terminal, and with an empty `PAGER`, there is
 * none.
 *
 * @returns whether it was shown; if not, print it
 */
export async function pageThrough(text: string, terminal: Terminal): Promise<boolean> {
  const { stdout, env, height, color } = terminal;
  const pager = (env.PAGER ?? USUAL_PAGER).trim();
  if (height === undefined || pager === '' || text.split('\n').length < height) return false;
  terminal.progress(undefined);
  const own = stdout === process.stdout;
  // By a shell, as everybody reads PAGER: it may have options of its own.
  const child = spawn(pager, {
    shell: true,
    stdio: ['pipe', own ? 'inherit' : 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  child.stdout?.pipe(stdout, { end: false });
  // Who leaves the pager before the end has seen enough.
  child.stdin?.on('error', () => {});
  child.stdin?.end(`${safeText(text, color)}\n`);
  try {
    const [code] = await once(child, 'close');
    return code !== NOT_FOUND && code !== NOT_EXECUTABLE;
  } catch {
    return false;
  }
}

/** What a shell exits with where it can't run a program. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
