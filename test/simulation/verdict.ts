import type { Issued } from './provider.ts';
import { type Broken, refreshTokenIn, secretOf, short, type TimelineEntry, type World } from './world.ts';

/** How a history ended for one account. */
export interface AccountVerdict {
  readonly accountId: string;
  /** `lost`: a person has to sign in again, and knows. */
  readonly end: 'kept' | 'lost' | 'waits for its person' | 'removed' | 'tampered';
  /** Why it was lost, where it was. */
  readonly why?: Loss | undefined;
}

/** The named exception: why a successor came nowhere where it is kept. */
export type Loss =
  | 'no answer'
  | 'unreadable answer'
  | 'died with it'
  | 'no place to keep it'
  | 'outlived its lease'
  | 'refused wrongly';

export interface Verdict {
  readonly broken: readonly Broken[];
  readonly accounts: readonly AccountVerdict[];
  readonly timeline: readonly TimelineEntry[];
  /** Tells histories apart that took another way. */
  readonly shape: number;
}

/** Judges the end of a history, when all has been calm for long enough. */
export function verdictOf(world: World): Verdict {
  const accounts = world.plan.accounts.map(({ accountId }) => judge(world, accountId));
  for (const { accountId } of world.plan.accounts) judgeEvents(world, accountId);
  const { broken, timeline } = world;
  return { broken, accounts, timeline, shape: world.shape.value() };
}

function judge(world: World, accountId: string): AccountVerdict {
  const item = world.table().item(accountId);
  if (item === undefined) return { accountId, end: 'removed' };
  if (world.tampered.has(accountId)) return { accountId, end: 'tampered' };
  const { status, lease, escrow, failure } = item as {
    status?: string;
    lease?: unknown;
    escrow?: { kind?: string };
    failure?: { reason: string };
  };
  const provider = world.provider(String(item.oauthProfile));
  const token = refreshTokenIn(world.secrets.current(secretOf(accountId)));
  const good = provider.accepts(token, world.time.now);
  const grant = world.wanted.get(accountId);
  if (lease !== undefined) world.break('stuck', `the lease of ${accountId} is left`);
  if (escrow !== undefined && escrow.kind !== 'answer' && status !== 'reauthorization_required')
    world.break('stuck', `the escrow of ${accountId} is left`);
  if (status !== 'healthy' && status !== 'reauthorization_required')
    world.break('stuck', `${accountId} is ${status} (${failure?.reason})`);
  if (good) {
    if (world.find(token)?.grant !== grant)
      world.break('overwritten', `${accountId} has another grant than its person gave last`);
    if (status === 'reauthorization_required')
      world.break(
        'marked dead wrongly',
        `${accountId} (${failure?.reason}) ends so, though its refresh token is good`,
      );
    return { accountId, end: 'kept' };
  }
  const why = whyLost(world, accountId);
  const told = world.bus.some(
    ({ type, about }) => about === accountId && type === 'OAuth Reauthorization Required',
  );
  if (status !== 'reauthorization_required' || !told)
    world.break('lost untold', `${accountId}: nobody was told (${status})`);
  if (why === undefined)
    world.break('lost untold', `${accountId}: ${short(token)} is dead, and nothing explains it`);
  return { accountId, end: 'lost', why };
}

/** Which successor came nowhere where it is kept, and why. */
function whyLost(world: World, accountId: string): Loss | undefined {
  const grant = world.wanted.get(accountId);
  const all = [...world.providers.values()].flatMap((provider) => [...provider.all()]);
  const ofGrant = all.filter((issued) => issued.grant === grant);
  const whys = ofGrant.map(whyNotKept).filter((why) => why !== undefined);
  return whys[0];
}

function whyNotKept({ keptAt, holder, oddity, heardAt, grant, refusedWrongly }: Issued): Loss | undefined {
  if (refusedWrongly && keptAt !== undefined) return 'refused wrongly';
  if (keptAt !== undefined && !holder?.process.outlived) return undefined;
  if (holder === undefined) return undefined;
  if (holder.process.outlived) return 'outlived its lease';
  if (heardAt === undefined) return 'no answer';
  if (oddity === 'unreadable') return 'unreadable answer';
  if (holder.process.state === 'dead') return 'died with it';
  const since = holder.process.past.filter(({ at }) => at >= heardAt);
  const failed = (operation: string, about: string) =>
    since.some((call) => call.operation === operation && call.about === about && !call.worked);
  const { accountId } = grant;
  const noStore = failed('PutSecretValue', secretOf(accountId)) || oddity === 'refused with tokens';
  const noEscrow =
    failed('Update', accountId) ||
    since.some(({ operation, worked }) => operation === 'GenerateDataKey' && !worked);
  return noStore && noEscrow ? 'no place to keep it' : undefined;
}

/** Invariant: who listens to the bus knows how each account is, and hears of nothing that was not so. */
function judgeEvents(world: World, accountId: string): void {
  const item = world.table().item(accountId);
  if (item === undefined || world.tampered.has(accountId)) return;
  const events = world.bus.filter(({ about }) => about === accountId);
  const last = events.at(-1)?.type;
  const { status, failure } = item as { status?: string; failure?: { untold?: boolean } };
  if (status === 'healthy' && last !== undefined && last !== 'OAuth Account Recovered')
    world.break('told wrongly', `${accountId} is healthy, and the last that was told is ${last}`);
  if (status === 'reauthorization_required' && last !== 'OAuth Reauthorization Required' && !failure?.untold)
    world.break('told wrongly', `${accountId} needs its person, and the last that was told is ${last}`);
  const first = events[0]?.type;
  if (first === 'OAuth Account Recovered')
    world.break('told wrongly', `${accountId} recovered, and had not been told to fail`);
}
