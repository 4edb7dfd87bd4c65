import { STARTS_PER_SECOND } from '../lambda/run.ts';
import { type DrainMinute, drain } from './drain.ts';
import type { Bench, Findings } from './experiment.ts';
import type { Chart } from './svg.ts';

const HOUR = 3_600;
const DAY = 86_400;
const ACCOUNTS = 50_000;
const SPREAD = 900;

/** Fifty thousand accounts that all expire in the same second, with and without a spread. Simulated. */
export async function backlog({ progress }: Bench): Promise<Findings> {
  const base = { accounts: ACCOUNTS, pace: STARTS_PER_SECOND, refreshWindow: 300 };
  const kinds = [
    {
      name: 'tokens of an hour, obtained in the same second',
      file: 'backlog-hour.svg',
      expiry: (at: number) => at + HOUR,
      hours: 6,
    },
    {
      // Obtained whenever on one day, they expire together.
      name: 'tokens that live until the end of the next day',
      file: 'backlog-midnight.svg',
      expiry: (at: number) => (Math.floor(at / DAY) + 2) * DAY,
      hours: 120,
    },
  ];
  const rows: string[][] = [];
  const charts: Chart[] = [];
  for (const { name, file, expiry, hours } of kinds) {
    const runs = [0, SPREAD].map((refreshSpread) => {
      progress(`${name}, spread ${refreshSpread} s`);
      // A midnight.
      const start = DAY * 20_000;
      return {
        refreshSpread,
        minutes: drain({ ...base, refreshSpread, expiry, start, end: start + hours * HOUR }),
      };
    });
    for (const { refreshSpread, minutes } of runs)
      rows.push([name, `${refreshSpread} s`, ...waves(minutes, hours)]);
    const [from, to] = hours > 24 ? [71 * HOUR, 73 * HOUR] : [0, 2.5 * HOUR];
    charts.push({
      kind: 'lines',
      file,
      title: `50,000 ${name}`,
      x: {
        name: hours > 24 ? 'minutes; their second midnight is at 60' : 'minutes since they were obtained',
        scale: 'linear',
      },
      y: { name: 'due and waiting', scale: 'linear' },
      series: runs.map(({ refreshSpread, minutes }) => ({
        name: refreshSpread === 0 ? 'no spread' : `spread of ${refreshSpread / 60} minutes`,
        points: minutes
          .filter(({ at }) => at >= from && at < to)
          .map(({ at, waiting }) => [(at - from) / 60, waiting] as const),
      })),
    });
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
    charts,
  };
}

/** The first wave is what happens until everybody has been refreshed once. */
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
      Math.max(0, ...part.map(({ waiting }) => waiting)).toLocaleString('en'),
      part.reduce((sum, { late }) => sum + late, 0).toLocaleString('en'),
    ]),
    ((total / ACCOUNTS / hours) * 24).toFixed(1),
  ];
}
