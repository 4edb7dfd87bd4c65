import { describe, expect, test } from 'vitest';
import type { Account, Failure } from '../../../core/account/account.ts';
import {
  isAmongRefused,
  isDueAgain,
  judgeDeath,
  mayTryRefused,
  noteAfter,
  noteAfterTry,
  type ProfileVersion,
  triesInRun,
} from '../../../core/account/evidence.ts';
import { conclude } from '../../../core/account/outcome.ts';
import { eventOf, isWorthWriting, type ProfileNote } from '../../../core/account/profile-note.ts';
import type { Reason } from '../../../core/reason.ts';
import { anAccount, aTokenSet, NOW } from '../../support/builders.ts';

const MINUTE = 60;
const HOUR = 3_600;

/** What a provider answers an account: a grant, or a refusal, which may say when to ask again. */
type Answer = 'granted' | Reason | { readonly reason: Reason; readonly retryAfter: number };

/** One profile, its accounts, and what a function that follows the rules makes of each answer. */
function aProfileOf(before: Readonly<Record<string, Partial<Account>>> = {}) {
  const accounts = new Map(
    Object.entries(before).map(([id, one]) => [id, anAccount({ accountId: id, ...one })]),
  );
  const events: string[] = [];
  const told: string[] = [];
  let note: ProfileNote = {};
  const accountOf = (id: string) => accounts.get(id) ?? anAccount({ accountId: id });
  return {
    accountOf,
    events,
    told,
    note: () => note,
    tries: (at: number) => triesInRun(note, at),
    answer: (id: string, at: number, answer: Answer) => {
      const account = accountOf(id);
      const { reason, retryAfter } =
        typeof answer === 'object' ? answer : { reason: answer, retryAfter: undefined };
      const refusal = reason === 'granted' ? undefined : { reason, message: 'what it said', retryAfter };
      const known = note;
      note = noteAfter(known, { account, at, refusal });
      const event = eventOf(known, note);
      if (event !== undefined) events.push(event);
      const verdict = reason === 'grant_revoked' ? judgeDeath(account, note, at) : undefined;
      const outcome =
        reason === 'granted'
          ? ({ kind: 'refreshed', tokenSet: aTokenSet(), reason: 'expiring', obtainedAt: at } as const)
          : ({
              kind: 'failed',
              reason: verdict === 'provider_wide' ? 'provider_wide_refusal' : reason,
              believed: verdict === 'believed',
              anew: verdict === 'first',
            } as const);
      const conclusion = conclude(account, outcome, at, note.failure?.reason);
      if (conclusion.event !== undefined) told.push(`${id}: ${conclusion.event}`);
      const { failure: _, ...rest } = account;
      const failure = reason === 'granted' ? undefined : conclusion.changes.set.failure;
      accounts.set(id, { ...rest, ...(failure && { failure }), status: conclusion.status });
      return { verdict, status: conclusion.status };
    },
  };
}

interface Step {
  readonly id: string;
  /** Seconds. */
  readonly at: number;
  readonly answer: Answer;
}

function play(steps: readonly Step[], before?: Parameters<typeof aProfileOf>[0]) {
  const profile = aProfileOf(before);
  const answers = steps.map(({ id, at, answer }) => profile.answer(id, NOW + at, answer));
  return { ...profile, last: answers.at(-1) };
}

const failed = (reason: Reason, since: number, at = since): Partial<Account> => ({
  status: 'failing',
  failure: { reason, message: '', count: 1, since: NOW + since, at: NOW + at } satisfies Failure,
});

describe('the client or the provider', () => {
  interface Row {
    readonly name: string;
    readonly before?: Parameters<typeof aProfileOf>[0];
    readonly steps: readonly Step[];
    /** What is believed of the profile. */
    readonly believed: Reason | undefined;
  }
  const rows: readonly Row[] = [
    { name: 'is sound before anything is known', steps: [], believed: undefined },
    {
      name: 'is not blamed for what one account is told',
      steps: [{ id: 'a', at: 0, answer: 'provider_unavailable' }],
      believed: undefined,
    },
    {
      name: 'is not blamed for what two accounts are told',
      steps: [
        { id: 'a', at: 0, answer: 'provider_unavailable' },
        { id: 'b', at: 1, answer: 'rate_limited' },
      ],
      believed: undefined,
    },
    {
      name: 'is blamed where the last three accounts asked were refused so',
      steps: [
        { id: 'a', at: 0, answer: 'provider_unavailable' },
        { id: 'b', at: 1, answer: 'provider_unavailable' },
        { id: 'c', at: 2, answer: 'provider_unavailable' },
      ],
      believed: 'provider_unavailable',
    },
    {
      name: 'is blamed for what the last of the three was told',
      steps: [
        { id: 'a', at: 0, answer: 'provider_unavailable' },
        { id: 'b', at: 1, answer: 'provider_unavailable' },
        { id: 'c', at: 2, answer: 'rate_limited' },
      ],
      believed: 'rate_limited',
    },
    {
      name: 'is not blamed where one account is refused three times',
      steps: [
        { id: 'a', at: 0, answer: 'provider_unavailable' },
        { id: 'a', at: 60, answer: 'provider_unavailable' },
        { id: 'a', at: 180, answer: 'provider_unavailable' },
      ],
      believed: undefined,
    },
    {
      name: 'is not blamed where a grant came in between',
      steps: [
        { id: 'a', at: 0, answer: 'provider_unavailable' },
        { id: 'b', at: 1, answer: 'provider_unavailable' },
        { id: 'c', at: 2, answer: 'granted' },
        { id: 'd', at: 3, answer: 'provider_unavailable' },
      ],
      believed: undefined,
    },
    {
      name: 'is not blamed where one account’s dead grant came in between: it answers',
      steps: [
        { id: 'a', at: 0, answer: 'provider_unavailable' },
        { id: 'b', at: 1, answer: 'provider_unavailable' },
        { id: 'c', at: 2, answer: 'grant_revoked' },
        { id: 'd', at: 3, answer: 'provider_unavailable' },
      ],
      believed: undefined,
    },
    {
      name: 'is not blamed for three answers that make no sense: each may be one account’s',
      steps: [
        { id: 'a', at: 0, answer: 'malformed_response' },
        { id: 'b', at: 1, answer: 'malformed_response' },
        { id: 'c', at: 2, answer: 'malformed_response' },
      ],
      believed: undefined,
    },
    {
      name: 'is not blamed for twenty rejected requests: no other reason holds other accounts back',
      steps: [...Array(20)].map((_, i): Step => ({ id: `a${i}`, at: i, answer: 'request_rejected' })),
      believed: undefined,
    },
    {
      name: 'is blamed at once where one account is told that the client is wrong',
      steps: [{ id: 'a', at: 0, answer: 'client_rejected' }],
      believed: 'client_rejected',
    },
    {
      name: 'is blamed at once where one account is told when to ask again',
      steps: [{ id: 'a', at: 0, answer: { reason: 'rate_limited', retryAfter: 30 } }],
      believed: 'rate_limited',
    },
    {
      name: 'is blamed at once where one account is told so by a provider that is out of order',
      steps: [{ id: 'a', at: 0, answer: { reason: 'provider_unavailable', retryAfter: 30 } }],
      believed: 'provider_unavailable',
    },
    {
      name: 'is sound again with one grant',
      steps: [
        { id: 'a', at: 0, answer: 'client_rejected' },
        { id: 'b', at: 1, answer: 'client_rejected' },
        { id: 'c', at: 2, answer: 'granted' },
      ],
      believed: undefined,
    },
    {
      name: 'is blamed anew for three more after that grant, and not for one',
      steps: [
        { id: 'a', at: 0, answer: 'provider_unavailable' },
        { id: 'b', at: 1, answer: 'provider_unavailable' },
        { id: 'c', at: 2, answer: 'provider_unavailable' },
        { id: 'd', at: 3, answer: 'granted' },
        { id: 'e', at: 4, answer: 'provider_unavailable' },
      ],
      believed: undefined,
    },
    {
      name: 'is not blamed by an account that failed before another was granted: its trouble is its own',
      before: { a: failed('client_rejected', -600) },
      steps: [
        { id: 'b', at: 0, answer: 'granted' },
        { id: 'a', at: 60, answer: 'client_rejected' },
      ],
      believed: undefined,
    },
    {
      name: 'is blamed by an account that failed before, where nobody was granted since',
      before: { a: failed('client_rejected', 10) },
      steps: [
        { id: 'b', at: 0, answer: 'granted' },
        { id: 'a', at: 60, answer: 'client_rejected' },
      ],
      believed: 'client_rejected',
    },
    {
      name: 'is not counted among three by an account in trouble of its own',
      before: { a: failed('provider_unavailable', -600) },
      steps: [
        { id: 'd', at: 0, answer: 'granted' },
        { id: 'a', at: 60, answer: 'provider_unavailable' },
        { id: 'b', at: 61, answer: 'provider_unavailable' },
        { id: 'c', at: 62, answer: 'provider_unavailable' },
      ],
      believed: undefined,
    },
  ];
  test.each(rows)('$name', ({ before, steps, believed }) => {
    expect(play(steps, before).note().failure?.reason).toBe(believed);
  });

  test('is tried with five accounts a run while it is blamed, and with one while it asks to be left alone', () => {
    const profile = aProfileOf();
    expect(profile.tries(NOW)).toBeUndefined();
    profile.answer('a', NOW, 'client_rejected');
    expect(profile.tries(NOW)).toBe(5);
    profile.answer('b', NOW, { reason: 'rate_limited', retryAfter: 30 });
    expect(profile.tries(NOW + 29)).toBe(1);
    expect(profile.tries(NOW + 30)).toBe(5);
    profile.answer('c', NOW + 31, 'granted');
    expect(profile.tries(NOW + 31)).toBeUndefined();
  });

  test('is told as one: of three accounts two before it begins, none while it stands', () => {
    const { events, told } = play([
      { id: 'a', at: 0, answer: 'provider_unavailable' },
      { id: 'b', at: 1, answer: 'provider_unavailable' },
      { id: 'c', at: 2, answer: 'provider_unavailable' },
      { id: 'd', at: 3, answer: 'provider_unavailable' },
      { id: 'd', at: 60, answer: 'granted' },
      { id: 'c', at: 61, answer: 'granted' },
      { id: 'a', at: 62, answer: 'granted' },
    ]);
    expect(events).toEqual(['OAuth Profile Failing', 'OAuth Profile Recovered']);
    expect(told).toEqual([
      'a: OAuth Account Failing',
      'b: OAuth Account Failing',
      'a: OAuth Account Recovered',
    ]);
  });

  test('has recovered also where all of it was in one second', () => {
    const { events } = play([
      { id: 'x', at: 0, answer: 'granted' },
      { id: 'a', at: 0, answer: 'client_rejected' },
      { id: 'b', at: 0, answer: 'granted' },
    ]);
    expect(events).toEqual(['OAuth Profile Failing', 'OAuth Profile Recovered']);
  });

  test('leaves an account that still fails after its end to be told then', () => {
    const { told } = play([
      { id: 'a', at: 0, answer: 'client_rejected' },
      { id: 'b', at: 1, answer: 'granted' },
      { id: 'a', at: 60, answer: 'client_rejected' },
    ]);
    expect(told).toEqual(['a: OAuth Account Failing']);
  });
});

describe('a dead grant', () => {
  interface Row {
    readonly name: string;
    readonly before?: Parameters<typeof aProfileOf>[0];
    readonly steps: readonly Step[];
    readonly verdict: ReturnType<typeof judgeDeath>;
  }
  const first: Step = { id: 'a', at: 0, answer: 'grant_revoked' };
  const rows: readonly Row[] = [
    { name: 'is not believed at the first refusal', steps: [first], verdict: 'first' },
    {
      name: 'is not believed at the second, a minute later',
      steps: [first, { id: 'a', at: MINUTE, answer: 'grant_revoked' }],
      verdict: 'doubted',
    },
    {
      name: 'is not believed a second before a quarter of an hour, though another was granted',
      steps: [
        first,
        { id: 'b', at: 1, answer: 'granted' },
        { id: 'a', at: 15 * MINUTE - 1, answer: 'grant_revoked' },
      ],
      verdict: 'doubted',
    },
    {
      name: 'is believed after a quarter of an hour where another was granted in between',
      steps: [
        first,
        { id: 'b', at: 1, answer: 'granted' },
        { id: 'a', at: 15 * MINUTE, answer: 'grant_revoked' },
      ],
      verdict: 'believed',
    },
    {
      name: 'is not believed after a quarter of an hour where nobody was granted',
      steps: [first, { id: 'a', at: 15 * MINUTE, answer: 'grant_revoked' }],
      verdict: 'doubted',
    },
    {
      name: 'is not believed for a grant that came before it',
      steps: [
        { id: 'b', at: -1, answer: 'granted' },
        first,
        { id: 'a', at: 15 * MINUTE, answer: 'grant_revoked' },
      ],
      verdict: 'doubted',
    },
    {
      name: 'is not believed a second before an hour, where nobody was granted',
      steps: [first, { id: 'a', at: HOUR - 1, answer: 'grant_revoked' }],
      verdict: 'doubted',
    },
    {
      name: 'is believed after an hour, whoever was granted',
      steps: [first, { id: 'a', at: HOUR, answer: 'grant_revoked' }],
      verdict: 'believed',
    },
    {
      name: 'is not believed at its first refusal after an outage of hours',
      before: { a: failed('provider_unavailable', -5 * HOUR, -60) },
      steps: [{ id: 'b', at: -1, answer: 'granted' }, first],
      verdict: 'first',
    },
    {
      name: 'is watched from its first refusal on, not from the beginning of the outage before it',
      before: { a: failed('provider_unavailable', -5 * HOUR, -60) },
      steps: [first, { id: 'a', at: 50 * MINUTE, answer: 'grant_revoked' }],
      verdict: 'doubted',
    },
    {
      name: 'that was possibly lost is one grant with the same time',
      before: { a: failed('grant_possibly_lost', -HOUR, -60) },
      steps: [first],
      verdict: 'believed',
    },
  ];
  test.each(rows)('$name', ({ before, steps, verdict }) => {
    const { last } = play(steps, before);
    expect(last?.verdict).toBe(verdict);
    expect(last?.status).toBe(verdict === 'believed' ? 'reauthorization_required' : 'failing');
  });

  test('leaves a grant of another account worth writing down, though one was written just before', () => {
    const before = noteAfter({}, { account: anAccount(), at: NOW - 30, refusal: undefined });
    const account = anAccount({ accountId: 'a', ...failed('provider_unavailable', -600) });
    const refusal = { reason: 'grant_revoked', message: '' } as const;
    const refused = noteAfter(before, { account, at: NOW, refusal });
    const granted = noteAfter(
      { ...refused, asked: undefined },
      { account: anAccount(), at: NOW + 30, refusal: undefined },
    );
    expect(isWorthWriting({ ...refused, asked: undefined }, granted)).toBe(true);
  });
});

describe('a candidate, which is tried before it is believed', () => {
  const since = NOW - 2 * HOUR;
  const token = { since, refusals: ['grant_revoked', 'request_rejected', 'malformed_response'] };
  const note: ProfileNote = { lastGrantAt: NOW - 1 };
  const rows: readonly {
    readonly name: string;
    readonly failure: Partial<Account>;
    readonly verdict: string;
  }[] = [
    { name: 'is not dropped when it is refused for the first time', failure: {}, verdict: 'first' },
    {
      name: 'is not dropped at its first refusal for the trouble in which it came',
      failure: failed('request_rejected', -2 * HOUR, -60),
      verdict: 'first',
    },
    {
      name: 'is not dropped at its first refusal after an outage',
      failure: failed('provider_unavailable', -2 * HOUR, -60),
      verdict: 'first',
    },
    {
      name: 'is not dropped within a quarter of an hour after its first refusal',
      failure: failed('request_rejected', -14 * MINUTE),
      verdict: 'doubted',
    },
    {
      name: 'is dropped when it is still called dead a quarter of an hour after it was first',
      failure: failed('grant_revoked', -15 * MINUTE),
      verdict: 'believed',
    },
    {
      name: 'is dropped for a rejected request like for a dead grant',
      failure: failed('request_rejected', -15 * MINUTE),
      verdict: 'believed',
    },
    {
      name: 'is dropped for answers that make no sense like for a dead grant',
      failure: failed('malformed_response', -15 * MINUTE),
      verdict: 'believed',
    },
  ];
  test.each(rows)('$name', ({ failure, verdict }) => {
    expect(judgeDeath(anAccount(failure), note, NOW, token)).toBe(verdict);
  });
});

describe('a provider that refuses nearly all', () => {
  const five = ['a', 'b', 'c', 'd', 'e'];
  const refusals = (ids: readonly string[], second = 0, apart = 1): Step[] =>
    ids.map((id, i) => ({ id, at: second + i * apart, answer: 'grant_revoked' }));
  const grants = (count: number, second = 0): Step[] =>
    [...Array(count)].map((_, i) => ({ id: `sound-${i}`, at: second, answer: 'granted' }));
  const many = (count: number) => [...Array(count)].map((_, i) => `dead-${i}`);

  interface Row {
    readonly name: string;
    readonly before?: Parameters<typeof aProfileOf>[0];
    readonly steps: readonly Step[];
    readonly wide: boolean;
  }
  const rows: readonly Row[] = [
    { name: 'is not seen in four accounts', steps: refusals(five.slice(0, 4)), wide: false },
    { name: 'is seen in five of five', steps: refusals(five), wide: true },
    { name: 'is not seen in five of six', steps: [...grants(1), ...refusals(five)], wide: false },
    { name: 'is seen in nine of ten', steps: [...grants(1), ...refusals(many(9))], wide: true },
    { name: 'is not seen in eight of nine', steps: [...grants(1), ...refusals(many(8))], wide: false },
    {
      name: 'is seen in five that are refused one by one over ten minutes',
      steps: refusals(five, 0, 150),
      wide: true,
    },
    {
      name: 'is not seen in five that are refused over half an hour',
      steps: refusals(five, 0, 450),
      wide: false,
    },
    {
      name: 'is seen in five although each of them is asked again meanwhile: they are five accounts',
      steps: five.flatMap((id, i): Step[] => [
        { id, at: i * 120, answer: 'grant_revoked' },
        ...five
          .slice(0, i)
          .map((before): Step => ({ id: before, at: i * 120 + 60, answer: 'grant_revoked' })),
      ]),
      wide: true,
    },
    {
      name: 'is not seen in one account that is refused five times',
      steps: [0, 60, 180, 400, 800].map((second): Step => ({ id: 'a', at: second, answer: 'grant_revoked' })),
      wide: false,
    },
    {
      name: 'is not seen in five rejected requests',
      steps: five.map((id, i): Step => ({ id, at: i, answer: 'request_rejected' })),
      wide: false,
    },
    {
      name: 'is not seen in five that were called dead long before',
      before: Object.fromEntries(five.map((id) => [id, failed('grant_revoked', -1_800)])),
      steps: refusals(five),
      wide: false,
    },
  ];
  test.each(rows)('$name', ({ before, steps, wide }) => {
    const { note, last } = play(steps, before);
    expect(note().wideRefusal !== undefined).toBe(wide);
    expect(last?.verdict === 'provider_wide').toBe(wide);
    expect(note().failure?.reason).toBe(wide ? 'provider_wide_refusal' : undefined);
  });

  test('is told once, and marks nobody for as long as it stands', () => {
    const profile = play(refusals(many(100)));
    expect(profile.events).toEqual(['OAuth Profile Failing']);
    for (let hour = 1; hour < 24; hour++)
      for (const id of many(100)) profile.answer(id, NOW + hour * HOUR, 'grant_revoked');
    const statuses = many(100).map((id) => profile.accountOf(id).status);
    expect(new Set(statuses)).toEqual(new Set(['failing']));
    expect(profile.events).toEqual(['OAuth Profile Failing']);
  });

  test('is not ended by a grant of an account that was not refused', () => {
    const { note, events } = play([...refusals(five), { id: 'sound', at: 30, answer: 'granted' }]);
    expect(note().wideRefusal).toBeDefined();
    expect(events).toEqual(['OAuth Profile Failing']);
  });

  test('ends when one of the refused is granted: the others are due then', () => {
    const { note, accountOf, events } = play([
      ...refusals(many(9)),
      { id: 'dead-3', at: 900, answer: 'granted' },
    ]);
    expect(note().wideRefusal).toBeUndefined();
    expect(note().failure).toBeUndefined();
    expect(events).toEqual(['OAuth Profile Failing', 'OAuth Profile Recovered']);
    expect(many(9).filter((id) => isDueAgain(accountOf(id), note()))).toEqual(
      many(9).filter((id) => id !== 'dead-3'),
    );
  });

  test('makes a refusal after its end a first one again, whose time begins then', () => {
    const profile = play([...refusals(many(9)), { id: 'dead-3', at: 5 * HOUR, answer: 'granted' }]);
    const at = NOW + 5 * HOUR;
    expect(profile.answer('dead-1', at + 60, 'grant_revoked')).toEqual({
      verdict: 'first',
      status: 'failing',
    });
    expect(profile.answer('dead-1', at + 120, 'grant_revoked').verdict).toBe('doubted');
    profile.answer('sound', at + 180, 'granted');
    expect(profile.answer('dead-1', at + 60 + 15 * MINUTE, 'grant_revoked')).toEqual({
      verdict: 'believed',
      status: 'reauthorization_required',
    });
  });

  test('can be seen again after its end', () => {
    const profile = play([...refusals(many(9)), { id: 'dead-3', at: HOUR, answer: 'granted' }]);
    const again = many(9)
      .filter((id) => id !== 'dead-3')
      .map((id, i) => profile.answer(id, NOW + 2 * HOUR + i, 'grant_revoked').verdict);
    expect(again).toEqual(['first', 'first', 'first', 'first', ...Array(4).fill('provider_wide')]);
  });

  test('runs out after a day, when refusals are believed; nobody has recovered', () => {
    const profile = play(refusals(five));
    const begun = NOW + 4;
    const day = 24 * HOUR;
    expect(profile.answer('a', begun + day - 1, 'grant_revoked').verdict).toBe('provider_wide');
    expect(profile.answer('b', begun + day, 'grant_revoked')).toEqual({
      verdict: 'believed',
      status: 'reauthorization_required',
    });
    expect(profile.note().failure).toBeUndefined();
    expect(profile.events).toEqual(['OAuth Profile Failing']);
  });

  test('has five of the refused tried every quarter of an hour, and everybody else as ever', () => {
    const { note, accountOf, tries } = play(refusals(many(9)));
    expect(tries(NOW + 60), 'other accounts are not held back').toBeUndefined();
    expect(many(9).every((id) => isAmongRefused(accountOf(id), note()))).toBe(true);
    expect(isAmongRefused(anAccount(), note())).toBe(false);
    expect(isAmongRefused(anAccount(failed('provider_unavailable', 0)), note())).toBe(false);
    let tried = note();
    const begun = tried.wideRefusal?.since ?? 0;
    for (let i = 0; i < 5; i++) {
      expect(mayTryRefused(tried, begun + 60)).toBe(true);
      tried = noteAfterTry(tried, begun + 60);
    }
    expect(mayTryRefused(tried, begun + 899)).toBe(false);
    expect(mayTryRefused(tried, begun + 900)).toBe(true);
    tried = noteAfterTry(tried, begun + 900);
    expect(tried.wideRefusal).toMatchObject({ triedSince: begun + 900, tries: 1 });
  });

  test('is what is left to show where a wrong client ends before it', () => {
    const { note, events } = play([
      ...refusals(five),
      { id: 'f', at: 10, answer: 'client_rejected' },
      { id: 'g', at: 20, answer: 'granted' },
    ]);
    expect(note().failure?.reason).toBe('provider_wide_refusal');
    expect(events).toEqual(['OAuth Profile Failing']);
  });
});

describe('a note', () => {
  const granted = (note: ProfileNote, at: number) =>
    noteAfter(note, { account: anAccount(), at, refusal: undefined });
  test('tells of grants every ten minutes', () => {
    const written = granted({}, NOW);
    expect(isWorthWriting({}, written)).toBe(true);
    expect(isWorthWriting(written, granted(written, NOW + 599))).toBe(false);
    expect(isWorthWriting(written, granted(written, NOW + 600))).toBe(true);
  });

  test('tells of the first grant after a refusal, and not of the next', () => {
    const refusal = { reason: 'request_rejected', message: '' } as const;
    const refused = noteAfter(granted({}, NOW), { account: anAccount(), at: NOW + 10, refusal });
    const once = granted(refused, NOW + 20);
    expect(isWorthWriting(refused, once)).toBe(true);
    expect(isWorthWriting(once, granted(once, NOW + 30))).toBe(false);
  });

  test('does not grow with the accounts that were asked', () => {
    let note: ProfileNote = {};
    const refusal = { reason: 'grant_revoked', message: 'what it said' } as const;
    for (let i = 0; i < 5_000; i++)
      note = noteAfter(note, { account: anAccount({ accountId: `account-${i}` }), at: NOW + i, refusal });
    for (let i = 0; i < 5_000; i++)
      note = noteAfter(note, {
        account: anAccount({ accountId: `account-${i}` }),
        at: NOW + i,
        refusal: { ...refusal, reason: 'provider_unavailable' },
      });
    expect(JSON.stringify(note).length).toBeLessThan(2_000);
  });
});

describe('a profile whose current version is refused while the one before works', () => {
  const account = { accountId: 'acme' };
  const grants = (...all: readonly [at: number, by: ProfileVersion][]) =>
    all.reduce<{ note: ProfileNote; events: readonly (string | undefined)[] }>(
      ({ note, events }, [at, grantedWith]) => {
        const next = noteAfter(note, { account, at: NOW + at, refusal: undefined, grantedWith });
        return { note: next, events: [...events, eventOf(note, next)] };
      },
      { note: {}, events: [] },
    );
  const AT_RISK = 'OAuth Profile At Risk';
  const WELL = 'OAuth Profile Recovered';
  const old = (currentMadeAt: number): ProfileVersion => ({ kind: 'previous', currentMadeAt });
  const current = (madeAt: number | undefined): ProfileVersion => ({ kind: 'current', madeAt });

  test('is told of once, while the one before is used', () => {
    expect(grants([0, old(5)], [10, old(5)], [900, old(5)]).events).toEqual([AT_RISK, undefined, undefined]);
  });

  test('is well with a newer version', () => {
    expect(grants([0, old(5)], [60, current(9)]).events).toEqual([AT_RISK, WELL]);
  });

  test('is well when people have moved the label back, but not by a run that began before', () => {
    expect(grants([0, old(5)], [60, current(3)], [400, current(3)]).events).toEqual([
      AT_RISK,
      undefined,
      WELL,
    ]);
  });

  test('stays so while the current one works for some accounts only', () => {
    const { events } = grants(
      [0, old(5)],
      [1, current(5)],
      [2, old(5)],
      [3, current(5)],
      [3_600, old(5)],
      [3_601, current(5)],
    );
    expect(events.filter((event) => event !== undefined)).toEqual([AT_RISK]);
  });

  test('is well when the provider takes the same version after all', () => {
    expect(grants([0, old(5)], [7_300, current(5)]).events).toEqual([AT_RISK, WELL]);
  });

  test('is not told of where a run goes on with what was current when it began', () => {
    expect(grants([0, current(3)], [10, current(5)], [11, current(3)]).events).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('is told of after the end of a failure, not with it', () => {
    const failing: ProfileNote = {
      failure: { reason: 'client_rejected', message: '', count: 1, since: NOW, at: NOW, accounts: 1 },
    };
    const ended = noteAfter(failing, { account, at: NOW + 1, refusal: undefined, grantedWith: old(5) });
    expect(eventOf(failing, ended)).toBe(WELL);
    const next = noteAfter(ended, { account, at: NOW + 2, refusal: undefined, grantedWith: old(5) });
    expect(eventOf(ended, next)).toBe(AT_RISK);
  });
});
