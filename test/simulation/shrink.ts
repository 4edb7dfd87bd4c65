import { runHistory } from './history.ts';
import type { HistoryPlan, PersonPlan, RunPlan } from './plan.ts';
import type { Broken } from './world.ts';

/** So many histories are tried at most: a person waits for it. */
const MOST_TRIES = 600;

/** Takes away from a history whatever it still fails without, until nothing more can go. */
export async function shrink(plan: HistoryPlan, invariant: Broken['invariant']): Promise<HistoryPlan> {
  let smallest = plan;
  let tries = 0;
  for (let smaller = true; smaller && tries < MOST_TRIES; ) {
    smaller = false;
    // What could not go is not tried again before all the rest has been.
    for (let place = 0; ; ) {
      const next = [...simpler(smallest)][place];
      if (next === undefined || tries++ >= MOST_TRIES) break;
      const { broken } = await runHistory(next);
      if (broken.some((one) => one.invariant === invariant)) {
        smallest = next;
        smaller = true;
      } else place++;
    }
  }
  return smallest;
}

/** Histories that are a little simpler, the ones that leave out most first. */
function* simpler(plan: HistoryPlan): Generator<HistoryPlan> {
  for (const part of ['people', 'outages', 'moods', 'answers', 'runs'] as const)
    for (const [i] of plan[part].entries()) yield { ...plan, [part]: plan[part].toSpliced(i, 1) };
  for (const [i, { accountId }] of plan.accounts.entries()) {
    if (plan.people.some((person) => person.accountId === accountId)) continue;
    if (plan.accounts.length > 1) yield { ...plan, accounts: plan.accounts.toSpliced(i, 1) };
  }
  for (const [i, { profile }] of plan.profiles.entries())
    if (!plan.accounts.some((account) => account.profile === profile))
      yield { ...plan, profiles: plan.profiles.toSpliced(i, 1) };
  for (const [i, account] of plan.accounts.entries())
    for (const [field, value] of simple({ unclaimed: false, untouched: false, versions: 0 }, account))
      yield { ...plan, accounts: plan.accounts.with(i, { ...account, [field]: value }) };
  for (const [i, profile] of plan.profiles.entries())
    for (const [field, value] of simple({ takes: 300, lifetime: 3_600, rotation: 'strict' }, profile))
      yield { ...plan, profiles: plan.profiles.with(i, { ...profile, [field]: value }) };
  for (const part of ['runs', 'people'] as const)
    for (const [i, one] of plan[part].entries())
      for (const next of simplerOne(one))
        yield { ...plan, [part]: (plan[part] as readonly unknown[]).with(i, next) };
}

function* simplerOne(one: RunPlan | PersonPlan): Generator<RunPlan | PersonPlan> {
  const { faults = {} } = one;
  for (const number of Object.keys(faults)) {
    const { [Number(number)]: _, ...rest } = faults;
    yield { ...one, faults: rest };
  }
  for (const [field, value] of simple({ clockError: 0, lagging: 0, latency: 5, frozenFor: 5 }, one))
    yield { ...one, [field]: value };
  if ('request' in one && Object.keys(one.request).length > 0) yield { ...one, request: {} };
}

/** The fields that are not as simple as they can be. */
function simple(simplest: object, one: object): [string, unknown][] {
  return Object.entries(simplest).filter(([field, value]) => {
    const now = (one as Record<string, unknown>)[field];
    return now !== undefined && now !== value;
  });
}
