import { describe, expect, test } from 'vitest';
import type { Account } from '../../core/account/account.ts';
import type { Report } from '../../core/account/outcome.ts';
import { createSchedule, type Schedule, type ScheduleOptions, type Work } from '../../lambda/schedule.ts';
import { anAccount, NOW } from '../support/builders.ts';

let ids = 0;

function work(oauthProfile: string, differences: Partial<Account> = {}): Work {
  const account = anAccount({ accountId: `account-${++ids}`, oauthProfile, ...differences });
  const report = (action: Report['action'], reason: Report['reason']): Report => ({
    accountId: account.accountId,
    action,
    reason,
    accessTokenExpiresAt: null,
  });
  const run = async () => report('refresh', 'expiring');
  return { account, run, tooLate: report('defer', 'out_of_time'), bytes: 100 };
}

function failedBefore(oauthProfile: string, at = NOW - 60): Work {
  const failure = { reason: 'malformed_response', message: '', count: 1, since: at, at } as const;
  return work(oauthProfile, { status: 'failing', failure });
}

const several = (count: number, make: () => Work) => [...Array(count)].map(make);

function aSchedule(options: Partial<ScheduleOptions> = {}): Schedule {
  return createSchedule({ maxInFlight: 40, admit: () => 'start', ...options });
}

/** Takes what may begin now. */
function started(schedule: Schedule, most = Number.POSITIVE_INFINITY): Work[] {
  const all: Work[] = [];
  while (all.length < most) {
    const next = schedule.next();
    if (next?.kind !== 'start') break;
    all.push(next.work);
  }
  return all;
}

function end(
  schedule: Schedule,
  work: Work,
  action: Report['action'],
  reason: Report['reason'] = 'expiring',
) {
  schedule.ended(work, { ...work.tooLate, action, reason });
}

/** Takes one after another, each of which is granted at once. */
function inTurn(schedule: Schedule, count: number): Work[] {
  return [...Array(count)].flatMap(() => {
    const [next] = started(schedule, 1);
    if (next !== undefined) end(schedule, next, 'refresh');
    return next ?? [];
  });
}

const hasFailed = ({ account }: Work) => account.failure !== undefined;
const of = (profile: string, all: readonly Work[]) =>
  all.filter(({ account }) => account.oauthProfile === profile).length;

describe('who is next', () => {
  test('of sound and failed accounts is sound nine times of ten', () => {
    const schedule = aSchedule();
    for (const one of [...several(50, () => failedBefore('crm')), ...several(200, () => work('crm'))])
      schedule.add(one);
    const hundred = inTurn(schedule, 100);
    expect(hundred.slice(0, 9).some(hasFailed)).toBe(false);
    for (let i = 0; i < 100; i += 10) expect(hundred.slice(i, i + 10).filter(hasFailed)).toHaveLength(1);
  });

  test('is what failed before, where nothing else waits', () => {
    const schedule = aSchedule();
    for (const one of several(30, () => failedBefore('crm'))) schedule.add(one);
    expect(inTurn(schedule, 30)).toHaveLength(30);
  });

  test('of those that failed before is who was tried longest ago', () => {
    const schedule = aSchedule();
    for (const at of [30, 10, 20, 10, 40]) schedule.add(failedBefore('crm', NOW - 600 + at));
    expect(inTurn(schedule, 5).map(({ account }) => (account.failure?.at ?? 0) - NOW + 600)).toEqual([
      10, 10, 20, 30, 40,
    ]);
  });

  test('is of each profile in turn', () => {
    const schedule = aSchedule();
    for (const profile of ['a', 'b', 'c'])
      for (const one of several(50, () => work(profile))) schedule.add(one);
    const thirty = inTurn(schedule, 30);
    for (const profile of ['a', 'b', 'c']) expect(of(profile, thirty)).toBe(10);
  });

  test('is nobody where nobody waits', () => {
    expect(aSchedule().next()).toBeUndefined();
  });

  test('is said with the reason where an account has to wait for a later run', () => {
    const schedule = aSchedule({
      admit: ({ oauthProfile }) =>
        oauthProfile === 'wrong' ? { action: 'defer', reason: 'client_rejected' } : 'start',
    });
    const one = work('wrong');
    schedule.add(one);
    expect(schedule.next()).toMatchObject({
      kind: 'end',
      work: one,
      report: { action: 'defer', reason: 'client_rejected' },
    });
    expect(schedule.size()).toBe(0);
  });

  test('is somebody else where an account waits for another of its profile', () => {
    const schedule = aSchedule({
      admit: ({ oauthProfile }) => (oauthProfile === 'tried' ? 'wait' : 'start'),
    });
    schedule.add(work('tried'));
    schedule.add(work('crm'));
    expect(started(schedule).map(({ account }) => account.oauthProfile)).toEqual(['crm']);
    expect(schedule.size()).toBe(1);
  });
});

describe('the hand is full', () => {
  test('of a thousand accounts', () => {
    const schedule = aSchedule();
    for (const one of several(999, () => work('crm'))) schedule.add(one);
    expect(schedule.full()).toBe(false);
    schedule.add(work('crm'));
    expect(schedule.full()).toBe(true);
    schedule.next();
    expect(schedule.full()).toBe(false);
  });

  test('of a few whose items are as large as items can be, until they are gone', () => {
    const schedule = aSchedule();
    for (const one of several(50, () => ({ ...work('crm'), bytes: 400_000 }))) schedule.add(one);
    expect(schedule.full()).toBe(true);
    schedule.drain();
    expect(schedule.full()).toBe(false);
  });
});

describe('what is in flight', () => {
  test('is at first eight of one profile', () => {
    const schedule = aSchedule();
    for (const one of several(200, () => work('crm'))) schedule.add(one);
    expect(started(schedule)).toHaveLength(8);
  });

  test('grows with each grant, to all there is where nobody else waits', () => {
    const schedule = aSchedule();
    for (const one of several(500, () => work('crm'))) schedule.add(one);
    let inFlight = started(schedule);
    const most: number[] = [];
    for (let i = 0; i < 6; i++) {
      for (const one of inFlight) end(schedule, one, 'refresh');
      inFlight = started(schedule);
      most.push(inFlight.length);
    }
    expect(most).toEqual([24, 40, 40, 40, 40, 40]);
  });

  test('is at most half of one profile where another waits too, however many it was granted', () => {
    const schedule = aSchedule();
    for (const one of several(500, () => work('large'))) schedule.add(one);
    for (let i = 0; i < 100; i++) inTurn(schedule, 1);
    for (const one of several(100, () => work('small'))) schedule.add(one);
    const all = started(schedule);
    expect(of('large', all)).toBe(20);
    expect(of('small', all)).toBe(8);
  });

  test.each([
    { profiles: 1, each: 8 },
    { profiles: 2, each: 8 },
    { profiles: 4, each: 5 },
    { profiles: 10, each: 2 },
    { profiles: 20, each: 1 },
  ])('of $profiles profiles that hang is at most $each each, and half of all', ({ profiles, each }) => {
    const schedule = aSchedule();
    for (let p = 0; p < profiles; p++)
      for (const one of several(100, () => work(`hanging-${p}`))) schedule.add(one);
    const all = started(schedule);
    for (let p = 0; p < profiles; p++) expect(of(`hanging-${p}`, all)).toBeLessThanOrEqual(each);
    expect(all.length).toBeLessThanOrEqual(20);
  });

  test('of a provider that hangs leaves the others their turns, for as long as it hangs', () => {
    const schedule = aSchedule();
    for (const one of several(300, () => work('hanging'))) schedule.add(one);
    for (const one of several(300, () => work('sound'))) schedule.add(one);
    let granted = 0;
    const hanging: Work[] = [];
    while (granted < 300) {
      const all = started(schedule);
      if (all.length === 0) break;
      for (const one of all)
        if (one.account.oauthProfile === 'hanging') hanging.push(one);
        else {
          end(schedule, one, 'refresh');
          granted++;
        }
      expect(hanging.length).toBeLessThanOrEqual(8);
    }
    expect(granted).toBe(300);
  });

  test('shrinks for a provider that stops answering', () => {
    const schedule = aSchedule();
    for (const one of several(500, () => work('crm'))) schedule.add(one);
    for (let i = 0; i < 16; i++) inTurn(schedule, 1);
    let inFlight = started(schedule);
    expect(inFlight).toHaveLength(40);
    for (const one of inFlight) end(schedule, one, 'retry', 'provider_unavailable');
    inFlight = started(schedule);
    expect(inFlight).toHaveLength(8);
  });
});

describe('what is taken away', () => {
  test('of a full hand in which nothing can begin is what failed, and more than a share of whoever waits most', () => {
    const schedule = aSchedule();
    for (const one of several(900, () => work('hanging'))) schedule.add(one);
    for (const one of several(60, () => failedBefore('hanging'))) schedule.add(one);
    for (const one of several(40, () => work('sound'))) schedule.add(one);
    const away = schedule.surplus();
    expect(of('hanging', away)).toBe(920);
    expect(of('sound', away)).toBe(0);
    expect(away.filter(hasFailed)).toHaveLength(60);
    expect(schedule.size()).toBe(80);
  });

  test('at the end is all that waits, and nothing that has begun', () => {
    const schedule = aSchedule();
    for (const one of [...several(20, () => work('a')), ...several(20, () => failedBefore('b'))])
      schedule.add(one);
    const begun = started(schedule, 3);
    const left = schedule.drain();
    expect(left).toHaveLength(37);
    expect(left.some((one) => begun.includes(one))).toBe(false);
    expect(schedule.size()).toBe(0);
    expect(schedule.next()).toBeUndefined();
    expect(schedule.surplus()).toEqual([]);
  });
});
