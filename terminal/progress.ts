import { duration } from './fleet-table.ts';
import type { Terminal } from './terminal.ts';

/** Shows how far a long job is: a bar on a terminal, otherwise a line now and then. */
export interface Progress {
  /**
   * @param by how much more is done, 1 unless said
   * @param outcomes what became of all that is done, in a few words; told where there is room
   */
  step(by?: number, outcomes?: string): void;
  /** Draws the line again, where something else has been printed. */
  again(): void;
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
  let outcomes = '';
  const say = bars ? terminal.progress : terminal.say;
  const tell = () => {
    shown = now();
    say(withOutcomes({ done, total, outcomes, seconds: (shown - begun) / 1000, width }));
  };
  if (bars) tell();
  return {
    step: (by = 1, become = outcomes) => {
      done += by;
      outcomes = become;
      if (now() - shown >= (bars ? REDRAW_MILLISECONDS : LINE_MILLISECONDS)) tell();
    },
    get done() {
      return done;
    },
    again: () => {
      if (bars) tell();
    },
    end: () => terminal.progress(undefined),
  };
}

interface HowFar {
  readonly done: number;
  readonly total: number;
  /** What became of it, such as "90 refreshed, 10 failed"; may be empty. */
  readonly outcomes: string;
  readonly seconds: number;
  readonly width: number | undefined;
}

function withOutcomes({ done, total, outcomes, seconds, width }: HowFar): string {
  const plain = progressLine(done, total, seconds, width);
  if (outcomes === '') return plain;
  const [first = '', short] = [progressLine(done, total, seconds), `${number(done)} of ${number(total)}`].map(
    (far) => `${far}: ${outcomes}`,
  );
  if (width === undefined) return first;
  return [first, short].find((line) => line !== undefined && line.length <= width) ?? plain;
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
