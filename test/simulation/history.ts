import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { versionIdOf } from '../../cli/import/row/compare.ts';
import { profileSecretIdOf } from '../../core/account/secret-id.ts';
import { invoke } from './invocation.ts';
import { act, invokeOther } from './people.ts';
import type { AccountPlan, HistoryPlan, RunPlan } from './plan.ts';
import type { SimulatedProcess } from './process.ts';
import { createRandom, type Random } from './random.ts';
import { isGivenUp, keeperOfSet, type Verdict, verdictOf } from './verdict.ts';
import { BEGIN, keeperOf, OTHER_TABLE, PREFIX, secretOf, TABLE, World } from './world.ts';

const HOUR = 3_600_000;

/** Versions of almost a day ago: soon there is room again. */
function earlier(versions: number): readonly number[] {
  return Array.from({ length: versions }, (_, i) => BEGIN - 23 * HOUR - i);
}

/** Seconds between two of the runs after which all must be well again, and how many there are at most. */
const CALM_RUNS = { every: 3_700, atLeast: 2, atMost: 8 };
/** The same where a person ended a grant: that is noticed when the longest-lived access token is due. */
const AT_LEAST_AFTER_END = 4;

/** Lets one history happen, and judges it. The same plan has the same history. */
export async function runHistory(plan: HistoryPlan, { tracing = false } = {}): Promise<Verdict> {
  withoutChance(plan.seed);
  const world = new World(plan, tracing);
  for (const { profile } of plan.profiles) {
    const fields = {
      client_id: 'client',
      client_secret: 'client-secret-0123456789',
      token_endpoint: `https://${profile}.example/token`,
    };
    world.secrets.create(profileSecretIdOf(PREFIX, profile), JSON.stringify(fields), profile, BEGIN - HOUR);
  }
  for (const account of plan.accounts) begin(world, account);
  const environments = new Map<string, SimulatedProcess>();
  for (const run of plan.runs)
    world.time.at(
      BEGIN + run.at * 1_000,
      () => void invoke(world, environmentOf(world, environments, run), run.request, run.table),
    );
  for (const person of plan.people) world.time.at(BEGIN + person.at * 1_000, () => void act(world, person));
  await world.time.runUntil(BEGIN + plan.calmFrom * 1_000);
  world.tell('.', 'nothing goes wrong any more');
  const atLeast = hasEnded(world) ? AT_LEAST_AFTER_END : CALM_RUNS.atLeast;
  let most: number = CALM_RUNS.atMost;
  for (let run = 1; run <= most; run++) {
    const process = world.process({ name: `calm run ${run}` });
    void invoke(world, process, {});
    if (world.tables.has(OTHER_TABLE)) invokeOther(world, `calm run ${run} of the other`);
    await world.time.runUntil(world.time.now + CALM_RUNS.every * 1_000);
    if (run >= atLeast && isSettled(world)) break;
    if (hasFailingProfile(world)) most = RUNS_OF_A_DAY;
  }
  return verdictOf(world);
}

function begin(world: World, account: AccountPlan): void {
  const { accountId, profile, expiresIn, unclaimed = false, untouched = false, versions = 0 } = account;
  const issued = world.consent(accountId, profile);
  const obtained_at = BEGIN / 1_000 - 3_000;
  const expires_at = BEGIN / 1_000 + expiresIn;
  const set = {
    access_token: issued.access,
    token_type: 'Bearer',
    refresh_token: issued.token,
    expires_at,
    ...(!untouched && { obtained_at }),
  };
  const wellKnown = { accountId, authenticationType: 'oauth2', oauthProfile: profile };
  const candidate = { item: wellKnown, tokenText: JSON.stringify(set), refreshToken: issued.token };
  world.candidates.set(accountId, candidate);
  const text = JSON.stringify({ ...set, ...(!unclaimed && !untouched && { kept_by: keeperOf(TABLE) }) });
  const id = versionIdOf(candidate);
  world.secrets.create(secretOf(accountId), text, id, obtained_at * 1_000, earlier(versions));
  const known = { status: 'healthy', accessTokenExpiresAt: expires_at, lastRefreshedAt: obtained_at };
  world.table().write(accountId, { ...wellKnown, ...(!untouched && known) }, BEGIN);
}

/** A warm environment where there is one, as Lambda would have it; else a new one. */
function environmentOf(
  world: World,
  environments: Map<string, SimulatedProcess>,
  { environment, request: _, at: __, table: ___, ...plan }: RunPlan,
): SimulatedProcess {
  const warm = environments.get(environment);
  if (warm !== undefined && warm.state !== 'dead' && world.holders.get(warm)?.ended) return warm;
  const name = warm === undefined ? environment : `${environment} anew at ${world.seconds()}`;
  const process = world.process({ ...plan, name });
  environments.set(environment, process);
  return process;
}

/** A refusal of a whole profile is believed after a day (core/account/evidence.ts); what it has held up takes turns. */
const RUNS_OF_A_DAY = 36;

function hasFailingProfile(world: World): boolean {
  return world.plan.profiles.some(
    ({ profile }) => world.table().item(`#profile:${profile}`)?.failure !== undefined,
  );
}

/** Whether a person's new consent has ended the grant that an account is to have. */
function hasEnded(world: World): boolean {
  return [...world.wanted.values()].some(({ endedBy }) => endedBy !== undefined);
}

function isSettled(world: World): boolean {
  return world.plan.accounts.every(({ accountId }) => {
    const table = world.table(keeperOfSet(world, accountId));
    const { status, escrow, lease, enabled } = table.item(accountId) ?? {};
    const { kind } = (escrow ?? { kind: 'answer' }) as { kind?: string };
    const ours = world.table().item(accountId);
    if (table !== world.table() && ours !== undefined && !isGivenUp(ours)) return false;
    const isDone = status === 'reauthorization_required' || (status !== 'failing' && kind === 'answer');
    return (isDone && lease === undefined) || enabled === false || world.tampered.has(accountId);
  });
}

let random: Random | undefined;
let ids = 0;

/** Chance and time come from the seed, from here on and in all of this process. */
function withoutChance(seed: number): void {
  const isFirst = random === undefined;
  random = createRandom(seed, 'chance');
  ids = 0;
  if (!isFirst) return;
  Math.random = () => (random?.below(1_000_000) ?? 0) / 1_000_000;
  crypto.randomUUID = () => `00000000-0000-4000-8000-${String(++ids).padStart(12, '0')}`;
  // Time is the simulation's: who is called sees how long it may take.
  AbortSignal.timeout = (milliseconds) => Object.assign(new AbortController().signal, { milliseconds });
  syncBuiltinESMExports();
}
