import { InvalidArgumentError } from 'commander';
import { instant } from '../../core/times.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/**
 * Reads a duration of the command line, such as 60s, 5m, 1h or 7d.
 *
 * @returns seconds
 * @throws InvalidArgumentError
 */
export function readDuration(text: string): number {
  const [, amount, unit = ''] = /^(\d{1,7})(s|m|h|d)$/.exec(text) ?? [];
  const seconds = Number(amount) * (UNITS[unit] ?? Number.NaN);
  if (Number.isNaN(seconds))
    throw new InvalidArgumentError('Write a number with s, m, h or d, such as 60s or 1h.');
  return seconds;
}

/** Reads a time, such as 2026-11-29T16:40:00Z. @returns seconds since the epoch @throws InvalidArgumentError */
export function readInstant(text: string): number {
  const seconds = instant(text);
  if (seconds === undefined) throw new InvalidArgumentError('Write a time such as 2026-11-29T16:40:00Z.');
  return seconds;
}

/** Reads a time, or how long ago it was, such as 7d. @returns seconds since the epoch @throws InvalidArgumentError */
export function readSince(text: string): number {
  if (/^\d{1,7}[smhd]$/.test(text)) return Math.floor(Date.now() / 1000) - readDuration(text);
  const seconds = instant(text);
  if (seconds === undefined || /^\d+$/.test(text))
    throw new InvalidArgumentError('Write a time such as 2026-11-29T16:40:00Z, or how long ago, such as 7d.');
  if (seconds > Date.now() / 1000) throw new InvalidArgumentError('That time has not come yet.');
  return seconds;
}

/** Reads a whole number that is 1 or more. @throws InvalidArgumentError */
export function readCount(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('Write a whole number, 1 or more.');
  return Number(text);
}

/** Reads how many days Secrets Manager keeps a deleted secret. @throws InvalidArgumentError */
export function readRecoveryWindow(text: string): number {
  const days = Number(text);
  if (!/^\d+$/.test(text) || days < 7 || days > 30)
    throw new InvalidArgumentError('Write a number of days from 7 to 30.');
  return days;
}

/** Reads an account's id: the key of a DynamoDB item, which may be any text of 1 to 2,048 bytes. @throws InvalidArgumentError */
export function readAccountId(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes === 0 || bytes > 2_048)
    throw new InvalidArgumentError(
      `An account's id has 1 to 2,048 bytes. This one has ${bytes.toLocaleString('en-US')}. See "accounts list" for the ids.`,
    );
  return text;
}

/** Collects ids given one after another. @throws InvalidArgumentError */
export function collectAccountIds(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, readAccountId(text)];
}

/** Collects `--option name=value` given any number of times. */
export function collectPairs(
  text: string,
  before: Readonly<Record<string, string>> | undefined,
): Record<string, string> {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('It must be <name>=<value>.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
