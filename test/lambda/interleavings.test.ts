import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createModel, MODEL_CALLS, type Model, type Participant } from './model/model.ts';

/** Runs over one account at once, in every order of their I/O that the scheduler comes upon, with deaths and faults. */
const participants = (count: number) =>
  fc.tuple(
    ...Array.from({ length: count }, (_, i) =>
      fc.record<Participant>({
        name: fc.constant(`run ${i + 1}`),
        force: fc.boolean(),
        diesAfter: fc.option(fc.nat(24), { nil: undefined }),
        pace: fc.constantFrom(0, 0, 1, 5, 15),
        clockError: fc.constantFrom(0, 0, -30, 30),
        frozenFor: fc.constantFrom(0, 0, 0, 0, 90, 200, 400),
        storeIsDown: fc.constantFrom(false, false, true),
        lagging: fc.array(fc.boolean(), { maxLength: 3 }),
        faults: fc.array(
          fc.record({
            call: fc.constantFrom(...MODEL_CALLS),
            outcome: fc.constantFrom('fails' as const, 'answer lost' as const, 'odd answer' as const),
          }),
          { maxLength: 4 },
        ),
      }),
    ),
  );

/**
 * Nothing goes wrong any more: later runs, one at a time, until every access token that was good has run out, and what
 * is refused has been refused for long enough.
 */
async function recover(model: Model, idle: () => Promise<void>): Promise<void> {
  for (let visit = 1; visit <= 14; visit++) {
    const { status, escrow, lease } = model.account();
    if (visit > 5 && status !== 'failing' && escrow === undefined && lease === undefined) return;
    model.pass(1_200);
    model.run({ name: `later run ${visit}`, force: false, faults: [] });
    await idle();
  }
}

function expectInvariants(
  { broken, provider, account, currentRefreshToken, events }: Model,
  doubtMayEnd: boolean,
): void {
  expect(broken, 'nothing is spent twice, and nothing is stored over what is newer').toEqual([]);
  const { status, failure, lease, escrow } = account();
  expect({ lease, escrow }, 'no lease and no escrow is left behind').toEqual({});
  if (status === 'healthy') {
    expect(failure).toBeUndefined();
    expect(currentRefreshToken(), 'the secret holds the live refresh token').toBe(provider.live());
    return;
  }
  expect(status, 'an account is healthy, or a person knows').toBe('reauthorization_required');
  // Where a set was stored after the doubt, or is found good for a while after it, the doubt is forgotten.
  expect(failure?.reason).toMatch(
    doubtMayEnd ? /^grant_possibly_lost$|^grant_revoked$/ : /^grant_possibly_lost$/,
  );
  expect(provider.lossIsExplained(), 'a grant is lost only with a dead process or a lost answer').toBe(true);
  expect(events.map(({ type }) => type)).toContain('OAuth Reauthorization Required');
}

test.each([
  { count: 2, numRuns: 3_000 },
  { count: 3, numRuns: 3_000 },
])('$count runs over one account keep its grant in each of $numRuns orders of their calls', async ({
  count,
  numRuns,
}) => {
  const ends = { kept: 0, lost: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      participants(count),
      fc.record({ unclaimed: fc.boolean(), signsIn: fc.constantFrom(false, false, false, true) }),
      async (scheduler, runs, { unclaimed, signsIn }) => {
        const model = createModel((label) => scheduler.schedule(Promise.resolve(), label), { unclaimed });
        for (const run of runs) model.run(run);
        // A person may sign in at any moment, as far as leases allow.
        if (signsIn) scheduler.schedule(Promise.resolve(), 'a person signs in').then(model.authorize);
        await scheduler.waitIdle();
        await recover(model, () => scheduler.waitIdle());
        expectInvariants(model, signsIn || runs.some(({ frozenFor = 0 }) => frozenFor > 0));
        ends[model.account().status === 'healthy' ? 'kept' : 'lost']++;
      },
    ),
    { numRuns },
  );
  // Orders that lose nothing, and orders in which a process dies with the grant, were both among them.
  expect(ends.kept).toBeGreaterThan(numRuns / 4);
  expect(ends.lost).toBeGreaterThan(0);
});

/** Each call in turn, without anybody in between. */
const atOnce = async () => undefined;

test('A read that lags behind the store of a run that died spends nothing', async () => {
  const model = createModel(atOnce);
  // Its clock is slow, it stores a moment before its end, and dies before it can write that down.
  model.run({ name: 'first run', force: false, pace: 14, clockError: -30, diesAfter: 8, faults: [] });
  await settled();
  expect(model.account().lease).toBeDefined();
  expect(model.currentRefreshToken()).toBe(model.provider.live());
  for (let visit = 1; visit <= 20; visit++) {
    model.pass(15);
    await model.run({
      name: `run ${visit}`,
      force: false,
      clockError: 30,
      lagging: [true, true],
      faults: [],
    });
  }
  expectInvariants(model, false);
  expect(model.account().status).toBe('healthy');
});

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
