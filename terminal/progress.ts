import { duration } from './fleet-table.ts';
import type { Terminal } from './terminal.ts';

/** Shows how far a long job is: a bar on a terminal, otherwise a line now and then. */
export interface Progress {
  step(): void;
  readonly done: number;
  end(): void;
}

const REDRAW_MILLISECONDS = 100;
const LINE_MILLISECONDS = 10_000;
const BAR = 24;

/** @param now milliseconds since the epoch */
export function startProgress(terminal: Terminal, total: number, now: () => number = Date.now): Progress {
  const begun = now();
  const bars = terminal.stderr.isTTY === true;
  const width = bars ? terminal.progressWidth : undefined;
  let done = 0;
  let shown = begun;
  const say = bars ? terminal.progress : terminal.say;
  const tell = () => {
    shown = now();
    say(progressLine(done, total, (shown - begun) / 1000, width));
  };
  if (bars) tell();
  return {
    step: () => {
      done += 1;
      if (now() - shown >= (bars ? REDRAW_MILLISECONDS : LINE_MILLISECONDS)) tell();
    },
    get done() {
      return done;
    },
    end: () => terminal.progress(undefined),
  };
}

/**
 * How far a job is: a bar, where there is room for it, and as much of the rest as there is room for. What is done is never cut.
 *
 * @param seconds since the job began
 * @param width cells for it; undefined for a line without a bar
 */
export function progressLine(done: number, total: number, seconds: number, width?: number): string {
  const share = total === 0 ? 1 : done / total;
  const rate = done / Math.max(seconds, 0.001);
  const left = done === 0 ? '' : `, ${duration((total - done) / rate)} left`;
  const full = Math.floor(share * BAR);
  const bar = `${'█'.repeat(full)}${'░'.repeat(BAR - full)} `;
  const count = `${number(done)} of ${number(total)} (${Math.floor(share * 100)} %)`;
  const words = `${count}, ${Math.round(rate)}/s${left}`;
  if (width === undefined) return words;
  return [bar + words, words, count + left].find((line) => line.length <= width) ?? count;
}

/** A whole number, such as 10,000. */
export const number = (value: number) => value.toLocaleString('en-US');
