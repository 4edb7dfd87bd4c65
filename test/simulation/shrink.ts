import { runHistory } from './history.ts';
import type { HistoryPlan, PersonPlan, RunPlan } from './plan.ts';
import type { Broken } from './world.ts';

/** Takes away from a history whatever it still fails without, until nothing more can go. */
export async function shrink(plan: HistoryPlan, invariant: Broken['invariant']): Promise<HistoryPlan> {
  let smallest = plan;
  for (let smaller = true; smaller; ) {
    smaller = false;
    for (const next of simpler(smallest)) {
      const { broken } = await runHistory(next);
      if (!broken.some((one) => one.invariant === invariant)) continue;
      smallest = next;
      smaller = true;
      break;
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
  for (const [i, account] of plan.accounts.entries())
    for (const [field, value] of simple({ unclaimed: false, untouched: false, versions: 0 }, account))
      yield { ...plan, accounts: plan.accounts.with(i, { ...account, [field]: value }) };
  for (const [i, profile] of plan.profiles.entries())
    for (const [field, value] of simple({ takes: 300, lifetime: 3_600 }, profile))
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
  for (const [field, value] of simple({ clockError: 0, lagging: 0, latency: 5 }, one))
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
