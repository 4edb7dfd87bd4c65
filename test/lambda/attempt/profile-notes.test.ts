import { describe, expect, test } from 'vitest';
import type { ProfileEvent } from '../../../adapters/aws/events.ts';
import type { Account } from '../../../core/account/account.ts';
import { parseProfileNote } from '../../../core/account/parse-profile-note.ts';
import type { ProfileNote } from '../../../core/account/profile-note.ts';
import type { Reason } from '../../../core/reason.ts';
import { createProfileNotes, type ProfileNotes } from '../../../lambda/attempt/profile-notes.ts';
import { anAccount, NOW } from '../../support/builders.ts';

/** The accounts table as far as notes need it, a bus, and runs over both. Each call takes a moment. */
function aWorld(before: ProfileNote = {}) {
  let note = before;
  let now = NOW;
  const put: ProfileEvent[] = [];
  const world = {
    events: put,
    busIsDown: false,
    tableIsDown: false,
    isPaused: false,
    writes: 0,
    note: () => note,
    pass: (seconds: number) => {
      now += seconds;
    },
    /** Whatever has to be done before an event is on the bus. */
    beforeEvent: async () => {},
    run: async (options: { byHand?: boolean } = {}): Promise<ProfileNotes> => {
      const notes = createProfileNotes({
        ...options,
        table: {
          readProfile: async () => {
            await moment();
            return { note: parseProfileNote(note), isPaused: world.isPaused };
          },
          readPauses: async () => ({ everything: false, profiles: new Set() }),
          putProfileNote: async (_, next, known) => {
            await moment();
            if (world.tableIsDown) throw Object.assign(new Error('out of order'), { name: 'Outage' });
            if (known.revision !== note.revision) return 'conflict';
            const defined = Object.entries({ ...next, revision: (known.revision ?? 0) + 1 });
            note = Object.fromEntries(defined.filter(([, value]) => value !== undefined));
            world.writes++;
            await moment();
            return 'recorded';
          },
        },
        events: {
          putOfProfile: async (event) => {
            await world.beforeEvent();
            await moment();
            if (world.busIsDown) throw Object.assign(new Error('out of order'), { name: 'Outage' });
            put.push(event);
          },
        },
        clock: { now: () => now * 1000 },
        log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
      });
      await notes.loadPauses();
      await notes.load('crm');
      return notes;
    },
    answer: (notes: ProfileNotes, id: string, reason: Reason | 'granted', retryAfter?: number) =>
      notes.learn('crm', {
        account: anAccount({ accountId: id }),
        at: now,
        refusal: reason === 'granted' ? undefined : { reason, message: 'what it said', retryAfter },
      }),
    types: () => put.map(({ type }) => type),
  };
  return world;
}

const ignore = () => undefined;
const moment = () => new Promise<void>((resolve) => setImmediate(resolve));
const failing = (id: string, reason: Reason, at = NOW - 60): Account =>
  anAccount({ accountId: id, status: 'failing', failure: { reason, message: '', count: 1, since: at, at } });

describe('the note of a profile', () => {
  test('is written where there is something to tell, and not for each grant', async () => {
    const world = aWorld();
    const notes = await world.run();
    for (let i = 0; i < 5_000; i++) {
      world.answer(notes, `account-${i}`, 'granted');
      if (i % 100 === 0) await moment();
    }
    await notes.flushed();
    expect(world.writes).toBe(1);
    expect(world.note().lastGrantAt).toBe(NOW);
  });

  test('loses nothing of two runs that write it at once', async () => {
    const world = aWorld();
    const [one, other] = await Promise.all([world.run(), world.run()]);
    for (const [i, id] of ['a', 'b', 'c', 'd', 'e', 'f'].entries())
      world.answer(i % 2 === 0 ? one : other, id, 'grant_revoked');
    await Promise.all([one.flushed(), other.flushed()]);
    expect(Object.values(world.note().asked ?? {})).toEqual([{ all: 6, refused: 6 }]);
    expect(world.note().failure?.reason).toBe('provider_wide_refusal');
    expect(world.types()).toEqual(['OAuth Profile Failing']);
  });

  test('loses no grant that comes while it is being written', async () => {
    const world = aWorld();
    const notes = await world.run();
    world.answer(notes, 'a', 'granted');
    // Its write is on the way.
    world.answer(notes, 'b', 'grant_revoked');
    world.pass(1);
    world.answer(notes, 'c', 'granted');
    for (let i = 0; i < 3; i++) {
      await moment();
      world.answer(notes, `d${i}`, 'granted');
    }
    await notes.flushed();
    expect(Object.values(notes.get('crm').asked ?? {}).reduce((sum, { all }) => sum + all, 0)).toBe(6);
    expect(world.note().lastGrantAt).toBe(NOW + 1);
  });

  test('is as good as sound where it can be neither read nor written', async () => {
    const world = aWorld();
    const notes = await world.run();
    world.tableIsDown = true;
    world.answer(notes, 'a', 'client_rejected');
    await notes.flushed();
    expect(notes.get('crm').failure?.reason).toBe('client_rejected');
    expect(world.note()).toEqual({});
    expect(world.types(), 'nothing is told that could be told again').toEqual([]);
    world.tableIsDown = false;
    world.answer(notes, 'b', 'client_rejected');
    await notes.flushed();
    expect(world.note().failure?.reason).toBe('client_rejected');
    expect(world.types()).toEqual(['OAuth Profile Failing']);
  });
});

describe('the event of a profile', () => {
  test('is put once for four runs that find its trouble at the same time', async () => {
    const world = aWorld();
    const runs = await Promise.all([world.run(), world.run(), world.run(), world.run()]);
    for (const [i, run] of runs.entries()) world.answer(run, `account-${i}`, 'client_rejected');
    await Promise.all(runs.map((run) => run.flushed()));
    expect(world.types()).toEqual(['OAuth Profile Failing']);
    expect(world.note().eventOwed).toBeUndefined();
    expect(world.events[0]?.detail).toMatchObject({
      oauthProfile: 'crm',
      reason: 'client_rejected',
      at: NOW,
    });
  });

  test('is put once where another run begins while it is being put', async () => {
    const world = aWorld();
    const notes = await world.run();
    world.beforeEvent = async () => {
      world.beforeEvent = async () => {};
      const other = await world.run();
      await other.flushed();
    };
    world.answer(notes, 'a', 'client_rejected');
    await notes.flushed();
    expect(world.types()).toEqual(['OAuth Profile Failing']);
  });

  test('is put of its end as well, with what has ended', async () => {
    const world = aWorld();
    const notes = await world.run();
    world.answer(notes, 'a', 'client_rejected');
    await notes.flushed();
    world.answer(notes, 'b', 'granted');
    await notes.flushed();
    expect(world.events.map(({ type, detail }) => ({ type, reason: detail.reason }))).toEqual([
      { type: 'OAuth Profile Failing', reason: 'client_rejected' },
      { type: 'OAuth Profile Recovered', reason: 'client_rejected' },
    ]);
    expect(world.note().failure).toBeUndefined();
  });

  test('that the bus does not take is put by one of the later runs, once', async () => {
    const world = aWorld();
    const notes = await world.run();
    world.busIsDown = true;
    world.answer(notes, 'a', 'client_rejected');
    await notes.flushed();
    expect(world.types()).toEqual([]);
    expect(world.note().eventOwed).toBe('OAuth Profile Failing');
    world.pass(60);
    const still = await world.run();
    await still.flushed();
    expect(world.types()).toEqual([]);
    world.busIsDown = false;
    world.pass(60);
    const runs = await Promise.all([world.run(), world.run(), world.run(), world.run()]);
    await Promise.all(runs.map((run) => run.flushed()));
    expect(world.types()).toEqual(['OAuth Profile Failing']);
    expect(world.note().eventOwed).toBeUndefined();
    world.pass(60);
    await (await world.run()).flushed();
    expect(world.types()).toEqual(['OAuth Profile Failing']);
  });
});

describe('an account of a profile', () => {
  /** Asks for one account after another, each of which ends as it is told. */
  function admitted(notes: ProfileNotes, accounts: readonly Account[]) {
    return accounts.filter((account) => {
      const admission = notes.admit(account);
      if (admission !== 'start') return false;
      notes.begin(account)();
      return true;
    }).length;
  }
  const sound = (count: number) => [...Array(count)].map((_, i) => anAccount({ accountId: `sound-${i}` }));
  const refused = (count: number, reason: Reason) =>
    [...Array(count)].map((_, i) => failing(`refused-${i}`, reason));

  test('is tried as ever while nothing stands against its profile', async () => {
    const notes = await aWorld().run();
    expect(admitted(notes, [...sound(20), ...refused(20, 'client_rejected')])).toBe(40);
  });

  interface Row {
    readonly name: string;
    readonly accounts: readonly Account[];
    readonly retryAfter?: number;
    readonly tried: number;
  }
  const rows: readonly Row[] = [
    { name: 'is one of at most five a run while it is in trouble', accounts: sound(20), tried: 5 },
    {
      name: 'is one of at most one a run where it was refused before',
      accounts: refused(20, 'client_rejected'),
      tried: 1,
    },
    {
      name: 'takes the place of one that was refused before, which is one of the five',
      accounts: [...refused(3, 'client_rejected'), ...sound(20)],
      tried: 5,
    },
    {
      name: 'is the only one while its provider asks to be left alone',
      accounts: sound(20),
      retryAfter: 30,
      tried: 1,
    },
  ];
  test.each(rows)('$name', async ({ accounts, retryAfter, tried }) => {
    const world = aWorld();
    const before = await world.run();
    world.answer(before, 'a', 'client_rejected', retryAfter);
    await before.flushed();
    const notes = await world.run();
    expect(admitted(notes, accounts)).toBe(tried);
    expect(notes.admit(failing('x', 'client_rejected'))).toEqual({
      action: 'defer',
      reason: 'client_rejected',
    });
  });

  test('waits for the one that is being tried', async () => {
    const world = aWorld();
    const notes = await world.run();
    world.answer(notes, 'a', 'client_rejected');
    const end = notes.begin(anAccount());
    expect(notes.admit(anAccount({ accountId: 'b' }))).toBe('wait');
    end();
    expect(notes.admit(anAccount({ accountId: 'b' }))).toBe('start');
  });

  test('is tried as ever from the moment when another was granted, in the same run', async () => {
    const world = aWorld();
    const notes = await world.run();
    world.answer(notes, 'a', 'client_rejected');
    admitted(notes, sound(5));
    expect(admitted(notes, sound(5))).toBe(0);
    world.answer(notes, 'b', 'granted');
    expect(admitted(notes, sound(20))).toBe(20);
  });

  test('that nearly all were refused with is one of five in a quarter of an hour, over all runs', async () => {
    const world = aWorld();
    const first = await world.run();
    for (let i = 0; i < 10; i++) world.answer(first, `account-${i}`, 'grant_revoked');
    await first.flushed();
    world.pass(60);
    const waiting = refused(20, 'provider_wide_refusal');
    const one = await world.run();
    expect(admitted(one, waiting.slice(0, 3))).toBe(3);
    await one.flushed();
    const other = await world.run();
    expect(admitted(other, waiting)).toBe(2);
    expect(other.admit(failing('x', 'provider_wide_refusal'))).toEqual({
      action: 'defer',
      reason: 'provider_wide_refusal',
    });
    expect(other.admit(anAccount()), 'everybody else is tried as ever').toBe('start');
    await other.flushed();
    expect(admitted(await world.run({ byHand: true }), waiting), 'where people name them').toBe(5);
    world.pass(900);
    expect(admitted(await world.run(), waiting)).toBe(5);
  });
});

describe('the accounts that wait for a profile', () => {
  test('are counted over all segments', async () => {
    const world = aWorld();
    const runs = await Promise.all([world.run(), world.run()]);
    const [one, other] = runs;
    if (one === undefined || other === undefined) throw new Error('two runs');
    world.answer(one, 'a', 'client_rejected');
    await one.flushed();
    world.answer(other, 'b', 'client_rejected');
    await other.flushed();
    one.waiting(new Map([['crm', 70]]), '0/2');
    other.waiting(new Map([['crm', 50]]), '1/2');
    await Promise.all(runs.map((run) => run.flushed()));
    expect(world.note().failure?.accounts).toBe(120);
    const later = await world.run();
    later.waiting(new Map([['crm', 10]]), '0/2');
    await later.flushed();
    expect(world.note().failure?.accounts).toBe(60);
  });

  test('are counted anew where the table is cut into other segments', async () => {
    const world = aWorld();
    const notes = await world.run();
    world.answer(notes, 'a', 'client_rejected');
    notes.waiting(new Map([['crm', 70]]), '1/2');
    await notes.flushed();
    const later = await world.run();
    later.waiting(new Map([['crm', 90]]), '0/1');
    await later.flushed();
    expect(world.note().failure?.accounts).toBe(90);
  });

  test('are not counted, and nothing is written, while nothing stands against it', async () => {
    const world = aWorld();
    const notes = await world.run();
    notes.waiting(new Map([['crm', 3]]), '0/1');
    await notes.flushed();
    expect(world.writes).toBe(0);
  });
});
