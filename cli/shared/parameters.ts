import { InvalidArgumentError } from 'commander';

/** Collects `--option name=value` given any number of times. */
export function collectPairs(
  text: string,
  before: Readonly<Record<string, string>> | undefined,
): Record<string, string> {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('It must be <name>=<value>.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** A duration such as `90s`, `5m` or `1h`, in milliseconds. */
export function parseDuration(text: string): number {
  const [, number, unit] = /^(\d{1,5})(s|m|h)$/.exec(text) ?? [];
  const milliseconds = Number(number) * UNITS[(unit ?? 's') as keyof typeof UNITS];
  if (!(milliseconds > 0) || milliseconds > 24 * UNITS.h)
    throw new InvalidArgumentError('It must be a duration up to a day, such as 90s, 5m or 1h.');
  return milliseconds;
}
