import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Terminal } from '../../terminal/terminal.ts';

/** Input that is pasted by a person or written by a script. */
export interface PastedLines {
  /**
   * The lines of the next paste: what arrives with no pause between.
   *
   * @returns undefined at the end of the input; rejects where the wait was ended
   */
  next(): Promise<readonly string[] | undefined>;
  ended(): boolean;
  /** Takes what is still arriving, so that nobody else gets it, and stops. */
  close(): Promise<void>;
}

/** Milliseconds without input that end a paste. */
const PAUSE = 250;
/** Milliseconds. It does not wait longer for the end of a paste. */
const LONGEST_DRAIN = 2_000;

/**
 * Reads without showing it: it holds the code. On a terminal key by key, as the terminal's own lines end at 4,095
 * characters, and so that what is pasted while the command works does not end up in the shell.
 */
export function readPastes({ stdin, interactive }: Terminal, signal: AbortSignal): PastedLines {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({
    input: stdin,
    ...(interactive && { output: silent, terminal: true, historySize: 0 }),
  });
  let pending: string[] = [];
  let ended = false;
  let lastInput = Date.now();
  let wake: (() => void) | undefined;
  let interrupt: ((reason: unknown) => void) | undefined;
  const arrived = () => {
    lastInput = Date.now();
    wake?.();
  };
  stdin.on('data', arrived);
  lines.on('line', (line) => {
    if (line.trim() !== '') pending.push(line.trim());
    arrived();
  });
  lines.on('close', () => {
    ended = true;
    arrived();
  });
  // In this mode Ctrl-C comes as a key.
  lines.on('SIGINT', () => {
    if (interrupt === undefined) process.emit('SIGINT');
    else interrupt(Object.assign(new Error('Stopped'), { name: 'ExitPromptError' }));
  });
  const whole = () => pending.length > 0 && lines.line === '';
  return {
    next: () =>
      new Promise((resolve, reject) => {
        let timer: NodeJS.Timeout | undefined;
        const stop = () => finish(() => reject(signal.reason));
        const finish = (end: () => void) => {
          clearTimeout(timer);
          signal.removeEventListener('abort', stop);
          wake = undefined;
          interrupt = undefined;
          end();
        };
        const take = () => {
          const taken = pending;
          pending = [];
          finish(() => resolve(taken.length === 0 ? undefined : taken));
        };
        const look = () => {
          clearTimeout(timer);
          if (ended) take();
          else if (whole() && Date.now() - lastInput >= PAUSE) take();
          else if (whole()) timer = setTimeout(look, PAUSE - (Date.now() - lastInput));
        };
        if (signal.aborted) return reject(signal.reason);
        signal.addEventListener('abort', stop, { once: true });
        interrupt = (reason) => finish(() => reject(reason));
        wake = look;
        look();
      }),
    ended: () => ended,
    close: async () => {
      const until = Date.now() + LONGEST_DRAIN;
      if (interactive && !ended)
        do await new Promise((resolve) => setTimeout(resolve, PAUSE));
        while (Date.now() - lastInput < PAUSE && Date.now() < until);
      stdin.off('data', arrived);
      lines.close();
      stdin.pause();
    },
  };
}
