import { parseJsonObject } from '../../core/json-object.ts';
import type { Item } from './expressions.ts';
import type { Grant, Holder, Issued } from './provider.ts';
import {
  BEGIN,
  type Broken,
  keeperOf,
  OTHER_TABLE,
  refreshTokenIn,
  secretOf,
  short,
  TABLE,
  type TimelineEntry,
  type World,
} from './world.ts';

/** How a history ended for one account. */
export interface AccountVerdict {
  readonly accountId: string;
  /** `lost`: a person has to sign in again, and knows. */
  readonly end:
    | 'kept'
    | 'disabled'
    | 'kept elsewhere'
    | 'lost'
    | 'waits for its person'
    | 'removed'
    | 'tampered';
  /** Why it was lost, where it was. */
  readonly why?: Loss | undefined;
}

/** The named exception: why a successor came nowhere where it is kept. */
export type Loss =
  | 'no answer'
  | 'unreadable answer'
  | 'died with it'
  | 'its person knows'
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
  if (!world.restored) for (const { accountId } of world.plan.accounts) judgeEvents(world, accountId);
  const { broken, timeline } = world;
  return { broken, accounts, timeline, shape: world.shape.value() };
}

function judge(world: World, accountId: string): AccountVerdict {
  const ours = world.table().item(accountId);
  if (world.tampered.has(accountId)) return { accountId, end: 'tampered' };
  const keeper = keeperOfSet(world, accountId);
  const item = keeper === TABLE ? ours : world.table(keeper).item(accountId);
  if (item === undefined) return { accountId, end: 'removed' };
  // A person has meant to enable it again, and did not come to it.
  if (item.enabled === false) return { accountId, end: 'disabled' };
  if (keeper !== TABLE && ours !== undefined && !isGivenUp(ours))
    world.break('stuck', `${accountId} is ${ours.status}, though the function of ${keeper} keeps its set`);
  const { status, lease, escrow, failure } = item as {
    status?: string;
    lease?: unknown;
    escrow?: { kind?: string };
    failure?: { reason: string };
  };
  // An item that a person has made, whose process died before there were tokens: a run has told that it needs them.
  const isAnew = (world.table(keeper).madeAt(accountId) ?? 0) > BEGIN;
  if (
    isAnew &&
    failure?.reason === 'secret_missing' &&
    world.secrets.current(secretOf(accountId)) === undefined
  )
    return { accountId, end: 'waits for its person' };
  const provider = world.provider(String(item.oauthProfile));
  const token = refreshTokenIn(world.secrets.current(secretOf(accountId)));
  const good = provider.accepts(token, world.time.now);
  const grant = world.wanted.get(accountId);
  // That of a run that died before it heard of it may stay with an account that is left alone: it is over.
  if (lease !== undefined && status !== 'reauthorization_required')
    world.break('stuck', `the lease of ${accountId} is left`);
  if (escrow !== undefined && escrow.kind !== 'answer' && status !== 'reauthorization_required')
    world.break('stuck', `the escrow of ${accountId} is left`);
  if (status !== 'healthy' && status !== 'reauthorization_required')
    world.break('stuck', `${accountId} is ${status} (${failure?.reason})`);
  if (good) {
    // Who was told that it was not kept signs in again, some day.
    const wasToldSo = issuedOf(world, grant).some(({ holder }) => holder?.knows);
    if (world.find(token)?.grant !== grant && !wasToldSo)
      world.break('overwritten', `${accountId} has another grant than its person gave last`);
    if (status === 'reauthorization_required' && world.waiting.get(accountId) === grant)
      return { accountId, end: 'waits for its person' };
    if (status === 'reauthorization_required')
      world.break(
        'marked dead wrongly',
        `${accountId} (${failure?.reason}) ends so, though its refresh token is good`,
      );
    return { accountId, end: keeper === TABLE ? 'kept' : 'kept elsewhere' };
  }
  const why = whyLost(world, accountId);
  const told = world.bus.some(
    ({ table, type, about }) =>
      table === keeper && about === accountId && type === 'OAuth Reauthorization Required',
  );
  if (status !== 'reauthorization_required' || !told)
    world.break('lost untold', `${accountId}: nobody was told (${status})`);
  // An item that was put back has forgotten the doubt; and a grant that a newer sign-in ended is revoked.
  // Nor does one that was never looked at know which set a dead run had found.
  const wasUntouched = world.plan.accounts.some((one) => one.accountId === accountId && one.untouched);
  const mayDoubt = !world.restored && !isAnew && !wasUntouched && grant?.endedBy === undefined;
  if (mayDoubt && (why === 'no answer' || why === 'died with it') && failure?.reason === 'grant_revoked')
    world.break('told wrongly', `${accountId}: told as revoked, though it may have been lost (${why})`);
  if (why === undefined)
    world.break('lost untold', `${accountId}: ${short(token)} is dead, and nothing explains it`);
  return { accountId, end: 'lost', why };
}

/** The table whose function keeps the account's token set. */
export function keeperOfSet(world: World, accountId: string): string {
  const kept = parseJsonObject(world.secrets.current(secretOf(accountId)) ?? '')?.kept_by;
  return kept === keeperOf(OTHER_TABLE) ? OTHER_TABLE : TABLE;
}

/** A function that finds the set in another's keeping says so, unless it has a person to wait for already. */
export function isGivenUp({ status, failure }: Item): boolean {
  const { reason } = (failure ?? {}) as { reason?: string };
  return status === 'reauthorization_required' || (status === 'failing' && reason === 'secret_invalid');
}

function issuedOf(world: World, grant: Grant | undefined): Issued[] {
  const all = [...world.providers.values()].flatMap((provider) => [...provider.all()]);
  return all.filter((issued) => issued.grant === grant);
}

/** Which successor came nowhere where it is kept, and why. */
function whyLost(world: World, accountId: string): Loss | undefined {
  const grant = world.wanted.get(accountId);
  if (grant?.endedBy !== undefined) return whyNotKept(world, grant.endedBy);
  const whys = issuedOf(world, grant)
    .map((issued) => whyNotKept(world, issued))
    .filter((why) => why !== undefined);
  return whys.find((why) => why !== 'refused wrongly') ?? whys[0];
}

function whyNotKept(world: World, issued: Issued): Loss | undefined {
  const { keptAt, holder, oddity, heardAt, grant, refusedWrongly } = issued;
  if (keptAt !== undefined && !holder?.process.outlived)
    return refusedWrongly ? 'refused wrongly' : undefined;
  if (holder === undefined) return undefined;
  if (holder.process.outlived) return 'outlived its lease';
  if (heardAt === undefined) return 'no answer';
  if (holder.knows) return 'its person knows';
  const { places, isDead } = placesTried(holder, heardAt, issued);
  if (oddity === 'unreadable') {
    const isKept = world.answersKept.has(grant.accountId);
    return isKept || isDead || places === 'all failed' ? 'unreadable answer' : undefined;
  }
  if (isDead) return 'died with it';
  return places === 'all failed' ? 'no place to keep it' : undefined;
}

/** A process that has so many failed stores behind it has had time for the other place. */
const STORES_BEFORE_ESCROW = 2;

/** What became of the places where a successor can be kept, once it was heard. */
function placesTried({ process, deadline }: Holder, heardAt: number, { grant, oddity }: Issued) {
  const since = process.past.filter(({ at }) => at >= heardAt);
  const { accountId } = grant;
  const tries = (operation: string, about: string) =>
    since.filter((call) => call.operation === operation && call.about === about);
  const failed = (operation: string, about: string) => tries(operation, about).some(({ worked }) => !worked);
  // It has only one place where its answer was no plain success.
  const hasOnePlace = oddity === 'refused with tokens' || oddity === 'unreadable';
  const stores = tries('PutSecretValue', secretOf(accountId));
  // A data key that is asked for only now, or a secret that has no room, could have been known before.
  const keyFailed = process.past.some(
    ({ at, operation, worked }) => operation === 'GenerateDataKey' && !worked && at < heardAt,
  );
  const noEscrow = failed('Update', accountId) || keyFailed;
  const noStore =
    hasOnePlace || stores.some(({ worked, error }) => !worked && error !== 'LimitExceededException');
  const places = noStore && noEscrow ? ('all failed' as const) : ('not all failed' as const);
  // A person's command has no escrow.
  const isFunction = Number.isFinite(deadline);
  const wasSlow = isFunction && !hasOnePlace && stores.length >= STORES_BEFORE_ESCROW && !noEscrow;
  const hadTime = process.hadItsTime && heardAt < deadline - LEAST_TIME;
  return { places, isDead: process.state === 'dead' && !wasSlow && (!hadTime || places === 'all failed') };
}

/** Milliseconds that a process keeps free for storing what it gets. */
const LEAST_TIME = 5_000;

/** Invariant: who listens to the bus knows how each account is, and hears of nothing that was not so. */
function judgeEvents(world: World, accountId: string): void {
  const keeper = keeperOfSet(world, accountId);
  const item = world.table(keeper).item(accountId);
  // Of one that was disabled, an owed event waits until it is enabled again.
  if (item === undefined || item.enabled === false || world.tampered.has(accountId)) return;
  // What an account that was removed had been told of is nothing to the one that was made since.
  const made = world.table(keeper).madeAt(accountId) ?? 0;
  const all = world.bus.filter(
    ({ at, table, about }) => at >= made && table === keeper && about === accountId,
  );
  // What its caller gave up, and put again, may land a minute later (docs/guarantee.md).
  const isAgain = (type: string) => all.some((one) => one.type === type && !one.isLate);
  const events = all.filter(
    ({ type, isLate, since }) => !isLate || (!isAgain(type) && since * 1_000 >= made),
  );
  // A process that was frozen may put its event after another's; then its time tells.
  const latest = events.toSorted((a, b) => a.since - b.since).at(-1)?.type;
  const lasts = [events.at(-1)?.type, latest];
  const last = lasts[0];
  const { status } = item;
  if (status === 'healthy' && last !== undefined && !lasts.includes('OAuth Account Recovered'))
    world.break('told wrongly', `${accountId} is healthy, and the last that was told is ${last}`);
  if (status === 'reauthorization_required' && !lasts.includes('OAuth Reauthorization Required'))
    world.break('told wrongly', `${accountId} needs its person, and the last that was told is ${last}`);
}
