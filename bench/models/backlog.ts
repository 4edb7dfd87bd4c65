import { STARTS_PER_SECOND } from '../../lambda/run.ts';
import type { Bench, Findings } from '../experiments/experiment.ts';
import { type DrainMinute, drain } from './drain.ts';

const HOUR = 3_600;
const DAY = 86_400;
const ACCOUNTS = 50_000;
const SPREAD = 900;
const count = (value = 0) => value.toLocaleString('en');

/** Simulates fifty thousand accounts that all expire in the same second, with and without a spread. */
export async function backlog({ progress }: Bench): Promise<Findings> {
  const base = { accounts: ACCOUNTS, pace: STARTS_PER_SECOND, refreshWindow: 300 };
  const kinds = [
    {
      name: 'tokens of an hour, obtained in the same second',
      expiry: (at: number) => at + HOUR,
      hours: 6,
    },
    {
      // Whenever on a day they were obtained, they expire together.
      name: 'tokens that live until the end of the next day',
      expiry: (at: number) => (Math.floor(at / DAY) + 2) * DAY,
      hours: 120,
    },
  ];
  const rows: string[][] = [];
  for (const { name, expiry, hours } of kinds) {
    for (const refreshSpread of [0, SPREAD]) {
      progress(`${name}, spread ${refreshSpread} s`);
      // A midnight.
      const start = DAY * 20_000;
      const minutes = drain({ ...base, refreshSpread, expiry, start, end: start + hours * HOUR });
      rows.push([name, `${refreshSpread} s`, ...waves(minutes, hours)]);
    }
  }
  return {
    title: 'Fifty thousand at once',
    figures: [],
    tables: [
      {
        head: [
          '50,000 accounts',
          'spread',
          'first wave: most waiting',
          'expired before their turn',
          'later waves: most waiting',
          'expired before their turn',
          'refreshes a day and account',
        ],
        rows,
      },
    ],
  };
}

/** The first wave lasts until each account has been refreshed once. */
function waves(minutes: readonly DrainMinute[], hours: number): string[] {
  let done = 0;
  const border = minutes.findIndex(({ refreshed }) => {
    done += refreshed;
    return done >= ACCOUNTS;
  });
  const parts = [minutes.slice(0, border + 1), minutes.slice(border + 1)];
  const total = minutes.reduce((sum, { refreshed }) => sum + refreshed, 0);
  return [
    ...parts.flatMap((part) => [
      count(Math.max(0, ...part.map(({ waiting }) => waiting))),
      count(part.reduce((sum, { late }) => sum + late, 0)),
    ]),
    ((total / ACCOUNTS / hours) * 24).toFixed(1),
  ];
}
