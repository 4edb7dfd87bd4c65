import { plural } from '../../terminal/display-text.ts';
import type { Extent } from '../../terminal/list.ts';
import { now } from '../accounts/items.ts';
import { askLog, costText, type LogAnswer, numberIn } from '../logs/query.ts';
import { profileNames } from '../profile/profile-secret.ts';
import type { Context } from '../shared/command.ts';
import { type Answer, dateText, showAnswer } from './print.ts';
import { type KnownProfile, readProfiles } from './profile-secrets.ts';

/** The token requests of a profile in a time. */
export interface ProfileRequests {
  readonly profile: string;
  readonly provider: string | undefined;
  readonly requests: number;
  /** Token requests in its busiest minute. */
  readonly busiestMinute: number;
  readonly maxRequestsPerMinute: number | undefined;
  /** The busiest minute against the limit: 1 is at the limit. Undefined without a limit. */
  readonly ofLimit: number | undefined;
}

/** One line of the log for each account's outcome that took a token request. */
export const REQUESTS_QUERY = [
  'filter ispresent(exchangeMs) and ispresent(oauthProfile)',
  'stats count(*) as n by oauthProfile, bin(1m)',
  'stats sum(n) as requests, max(n) as busiest by oauthProfile',
].join(' | ');

/** Those nearest to their limit first, then by requests. Profiles without any are there too. */
export function requestsOf(
  answer: Pick<LogAnswer, 'rows'>,
  known: readonly KnownProfile[],
): readonly ProfileRequests[] {
  const counted = new Map(answer.rows.map((row) => [row.oauthProfile ?? '', row]));
  const profiles = new Map(known.map((one) => [one.profile, one]));
  return [...new Set([...counted.keys(), ...profiles.keys()])]
    .map((profile) => {
      const { provider, maxRequestsPerMinute: limit } = profiles.get(profile) ?? {};
      const row = counted.get(profile);
      const busiestMinute = numberIn(row?.busiest) ?? 0;
      return {
        profile,
        provider,
        requests: numberIn(row?.requests) ?? 0,
        busiestMinute,
        maxRequestsPerMinute: limit,
        ofLimit: limit === undefined ? undefined : busiestMinute / limit,
      };
    })
    .sort(
      (a, b) =>
        (b.ofLimit ?? -1) - (a.ofLimit ?? -1) ||
        b.requests - a.requests ||
        a.profile.localeCompare(b.profile),
    );
}

export interface RequestsOptions extends Extent {
  /** Seconds since the epoch; by default midnight, UTC. */
  readonly since?: number;
}

const DAY = 86_400;

export async function showRequests(context: Context, options: RequestsOptions): Promise<undefined> {
  const { terminal, fleet } = context;
  const target = await fleet();
  const at = now();
  const since = options.since ?? Math.floor(at / DAY) * DAY;
  const names = await profileNames(target);
  const [answer, known] = await Promise.all([
    askLog(target, { query: REQUESTS_QUERY, since, until: at }, context),
    readProfiles(target, names),
  ]);
  const profiles = requestsOf(answer, known);
  const providers = [...Map.groupBy(profiles, ({ provider }) => provider ?? '—')]
    .map(([provider, own]) => ({ provider, requests: own.reduce((sum, { requests }) => sum + requests, 0) }))
    .sort((a, b) => b.requests - a.requests);
  const value = { at, since, profiles, providers, log: answer.cost };
  return await showAnswer(terminal, value, () => answerOf(value, costText(answer.cost)), options);
}

interface Found {
  readonly since: number;
  readonly profiles: readonly ProfileRequests[];
  readonly providers: readonly { readonly provider: string; readonly requests: number }[];
}

function answerOf({ since, profiles, providers }: Found, cost: string): Answer {
  const all = profiles.reduce((sum, { requests }) => sum + requests, 0);
  const over = profiles.filter(({ ofLimit }) => (ofLimit ?? 0) >= 1).length;
  return {
    head: [
      `${plural(all, 'token request')} since ${dateText(since)}, to ${plural(providers.filter(({ requests }) => requests > 0).length, 'provider')}.`,
      ...(over > 0 ? [`${plural(over, 'profile')} reached the limit in a minute: due accounts waited.`] : []),
    ],
    tables: [
      {
        columns: [
          { title: 'PROFILE', least: 10, cut: 'id' },
          { title: 'PROVIDER', least: 8 },
          { title: 'REQUESTS', align: 'right' },
          { title: 'BUSIEST MINUTE', shortTitle: 'BUSIEST', align: 'right' },
          { title: 'LIMIT', align: 'right' },
          { title: 'OF IT', align: 'right' },
        ],
        rows: profiles.map((one) => [
          { text: one.profile },
          { text: one.provider ?? '—' },
          { text: one.requests.toLocaleString('en-US') },
          { text: one.busiestMinute.toLocaleString('en-US') },
          { text: one.maxRequestsPerMinute?.toLocaleString('en-US') ?? '—' },
          one.ofLimit === undefined
            ? { text: '—' }
            : {
                text: `${Math.round(one.ofLimit * 100)} %`,
                style: one.ofLimit >= 1 ? ('red' as const) : undefined,
              },
        ]),
        concessions: [{ shorten: 'BUSIEST MINUTE' }, { drop: 'PROVIDER' }, { drop: 'OF IT' }],
      },
    ],
    foot: [
      cost,
      'A request that is sent again within one attempt counts once. The limit is max_requests_per_minute of the profile.',
    ],
  };
}
