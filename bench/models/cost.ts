import type { Findings } from '../experiments/experiment.ts';
import { accountsPerRegion, type Fleet, monthlyCost, regionsFor, usualFleet } from './cost-model.ts';

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const dollars = (value: number) => `$${value.toLocaleString('en', { maximumFractionDigits: 0 })}`;

export async function cost(): Promise<Findings> {
  const million: Fleet = { ...usualFleet, accounts: 1_000_000 };
  const settings: readonly (readonly [string, Partial<Fleet>])[] = [
    ['as it is', {}],
    ['tokens of 8 hours', { tokenLifetime: 28_800 }],
    ['tokens of a day', { tokenLifetime: 86_400 }],
    ['refresh window of 3 minutes rather than 5', { refreshWindow: 180 }],
    ['a run every 5 minutes, window of 8', { schedule: 300, refreshWindow: 480 }],
    ['items of 200 bytes rather than 400', { itemBytes: 200 }],
    ['256 MB rather than 512', { memoryGigabytes: 0.25 }],
  ];
  return {
    title: 'Monthly cost',
    figures: [],
    tables: [
      {
        head: [
          'accounts',
          'secrets',
          'their calls',
          'scans, notes',
          'table writes, storage',
          'Lambda',
          'logs',
          'fixed',
          'together',
          'Regions',
        ],
        rows: SIZES.map((accounts) => {
          const fleet = { ...usualFleet, accounts };
          const month = monthlyCost(fleet);
          return [
            accounts.toLocaleString('en'),
            dollars(month.secrets),
            dollars(month.secretsManagerCalls),
            dollars(month.scans + month.notes),
            dollars(month.tableWrites + month.tableStorage),
            dollars(month.lambda),
            dollars(month.logs),
            dollars(month.fixed),
            dollars(month.total),
            String(regionsFor(fleet)),
          ];
        }),
      },
      {
        head: ['1 M accounts', 'a month', 'without the secrets', 'accounts a Region', 'Regions'],
        rows: settings.map(([name, changes]) => {
          const fleet = { ...million, ...changes };
          const { total, secrets } = monthlyCost(fleet);
          return [
            name,
            dollars(total),
            dollars(total - secrets),
            accountsPerRegion(fleet).toLocaleString('en'),
            String(regionsFor(fleet)),
          ];
        }),
      },
    ],
  };
}
