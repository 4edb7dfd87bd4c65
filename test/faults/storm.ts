import { setTimeout as sleep } from 'node:timers/promises';
import PQueue from 'p-queue';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { type FaultCall, type FaultRule, type LocalAws, startLocalAws } from '../../local/aws/server.ts';
import type { FunctionProcess } from '../../local/function-process.ts';
import {
  type OddAnswer,
  type ProviderFault,
  type Rotation,
  type StrictProvider,
  startStrictProvider,
} from '../support/strict-provider.ts';
import { createWorld, type World } from '../support/world.ts';
import { createDiary, type Diary } from './diary.ts';

export interface StormOptions {
  readonly accounts: number;
  /** Processes to kill in the middle of an invocation. */
  readonly kills: number;
  /** Processes at work over the same accounts at the same time. */
  readonly overlap: number;
  readonly seed: number;
  readonly rotation: Rotation;
  /** The function's bundle. */
  readonly module: string;
  readonly progress: (kills: number) => void;
}

export interface Storm {
  readonly world: World;
  readonly provider: StrictProvider;
  readonly aws: LocalAws;
  readonly diary: Diary;
  readonly accountIds: readonly string[];
  /** Milliseconds from each grant at the provider to its durable storage, during the storm and in the calm after it. */
  readonly toDurable: Readonly<Record<'storm' | 'calm', readonly number[]>>;
  /** When the provider last acted for an account, by the processes' clock. */
  readonly lastEffect: ReadonlyMap<string, number>;
  readonly counts: { kills: number; rounds: number; grants: number; stores: number; escrows: number };
  close(): Promise<void>;
}

/** Milliseconds for an invocation, and so for its leases. */
const INVOCATION = 20_000;
/** Seconds that the clock is moved on between rounds, with nobody alive: longer than any lease. */
const JUMP = 120;
const KILLS_A_ROUND = 20;
/**
 * Seconds before each of the calm runs: what failed is tried again, what is refused is believed after a quarter of an
 * hour or an hour, a candidate and then the token before it, and the refusal of nearly all after a day.
 */
const CALM = [120, 120, 900, 1_800, 3_600, 3_600, 3_600, 86_400, 3_600, 3_600];
/** Every so manieth token set is kept by nobody yet, so that it is claimed in the storm. */
const UNCLAIMED = 3;

/**
 * Lets processes of the function overlap and die at random moments while their stores fail at random, then lets calm
 * runs heal what can heal.
 */
export async function rage(options: StormOptions): Promise<Storm> {
  const random = createRandom(options.seed);
  let offset = 0;
  const now = () => Date.now() + offset * 1000;
  const aws = await startLocalAws({ now, maxClockSkewSeconds: Number.POSITIVE_INFINITY });
  const provider = await startStrictProvider({
    rotation: options.rotation,
    graceSeconds: 3_600,
    // Due again at once: nearly no time beyond the refresh window.
    accessTokenSeconds: 302,
    delayMilliseconds: () => random(1, 60),
    now,
  });
  const world = await createWorld(aws.url);
  const diary = createDiary();
  const counts = { kills: 0, rounds: 0, grants: 0, stores: 0, escrows: 0 };
  const watch = watchDurability(aws, provider, counts, now);
  const accountIds = await settle(options.accounts, world, provider);
  const start = () => world.process({ module: options.module, clockOffsetSeconds: offset });

  aws.inject(awsFaults(random));
  provider.inject(() => providerFault(random));
  while (counts.kills < options.kills) {
    offset += JUMP;
    counts.rounds++;
    let left = Math.min(KILLS_A_ROUND, options.kills - counts.kills);
    const processes: FunctionProcess[] = [];
    const lane = async () => {
      while (left-- > 0) {
        const process = start();
        processes.push(process);
        const life = random(20, 1_300);
        // Its life begins when it has been loaded, however long that takes here.
        await process.invoke({ accountIds: ['nobody'], dryRun: true }, INVOCATION);
        if (await invokeUntilKilled(process, life)) options.progress(++counts.kills);
        else left++;
      }
    };
    await Promise.all(Array.from({ length: options.overlap }, lane));
    for (const process of processes) diary.read(process);
  }
  aws.inject(undefined);
  provider.inject(undefined);
  watch.weather.current = 'calm';
  for (const seconds of CALM) {
    offset += seconds;
    const process = start();
    await process.invoke({}, 120_000);
    process.kill();
    diary.read(process);
    if (await isOver(accountIds, world)) break;
  }
  const close = async () => {
    world.close();
    await provider.close();
    await aws.close();
  };
  const { toDurable, lastEffect } = watch;
  return { world, provider, aws, diary, accountIds, toDurable, lastEffect, counts, close };
}

/** Whether each account is healthy, or waits for a person, with nothing left to do. */
async function isOver(accountIds: readonly string[], world: World): Promise<boolean> {
  for (const accountId of accountIds) {
    const { status, lease, escrow } = await world.item(accountId);
    const over = status === 'healthy' ? escrow === undefined : status === 'reauthorization_required';
    if (!over || lease !== undefined) return false;
  }
  return true;
}

async function settle(count: number, world: World, provider: StrictProvider): Promise<string[]> {
  await world.profile('crm', provider.profile);
  const accountIds = Array.from({ length: count }, (_, i) => `account-${String(i + 1).padStart(4, '0')}`);
  // Below the 50 writes a second that the server allows.
  const queue = new PQueue({ intervalCap: 40, interval: 1_000 });
  await queue.addAll(
    accountIds.map((accountId, i) => () => {
      const tokens = provider.issue(accountId);
      const secret = i % UNCLAIMED === 0 ? JSON.stringify(tokens) : tokens;
      return world.account({ accountId, oauthProfile: 'crm' }, secret);
    }),
  );
  return accountIds;
}

/** Invokes a process again and again until it is killed; tells whether that was in the middle of an invocation. */
async function invokeUntilKilled(process: FunctionProcess, life: number): Promise<boolean> {
  let killed = false;
  const death = sleep(life).then(() => {
    killed = true;
    process.kill();
  });
  let last = 'returned';
  while (!killed) last = (await process.invoke({}, INVOCATION)).kind;
  await death;
  return last === 'failed';
}

type Random = (from: number, to: number) => number;

function createRandom(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  return (from, to) => uniformInt(generator, from, to);
}

/** Of a hundred calls, some are throttled, some fail, and of some the answer is lost. */
function awsFaults(random: Random): FaultRule {
  return ({ operation }) => {
    const dice = random(1, 100);
    if (operation === 'PutSecretValue' || operation === 'UpdateSecretVersionStage') {
      if (dice <= 10) return { kind: 'throttle' };
      if (dice <= 12) return { kind: 'error', status: 500, type: 'InternalServiceError', message: 'storm' };
      if (dice <= 14) return { kind: 'drop_answer' };
      return dice <= 18 ? { kind: 'delay', milliseconds: random(50, 1_500) } : undefined;
    }
    if (dice <= 2) return { kind: 'throttle' };
    if (dice === 3) return { kind: 'drop_answer' };
    return dice === 4 ? { kind: 'fail_before' } : undefined;
  };
}

function providerFault(random: Random): ProviderFault | undefined {
  const dice = random(1, 1_000);
  if (dice <= 10) return { kind: 'drop_request' };
  if (dice <= 20) return { kind: 'answer', status: 503 };
  if (dice <= 22) return { kind: 'drop_answer' };
  return dice <= 32 ? { kind: 'odd_body', make: saying400 } : undefined;
}

/** What it grants is a candidate then. */
function saying400(answer: Record<string, unknown>): OddAnswer {
  return { status: 400, body: JSON.stringify(answer) };
}

/** Takes the time from a grant at the provider until its refresh token stands in the secret, or in escrow. */
function watchDurability(
  aws: LocalAws,
  provider: StrictProvider,
  counts: Storm['counts'],
  now: () => number,
) {
  const weather: { current: 'storm' | 'calm' } = { current: 'storm' };
  const toDurable: Record<'storm' | 'calm', number[]> = { storm: [], calm: [] };
  const lastEffect = new Map<string, number>();
  const waiting = new Map<string, number>();
  provider.onEffect((accountId) => {
    counts.grants++;
    lastEffect.set(accountId, now());
    waiting.set(accountId, performance.now());
  });
  aws.onEffect((call, status) => {
    const accountId = status === 200 ? keptFor(call) : undefined;
    if (accountId === undefined) return;
    counts[call.operation === 'PutSecretValue' ? 'stores' : 'escrows']++;
    const since = waiting.get(accountId);
    if (since !== undefined) toDurable[weather.current].push(performance.now() - since);
    waiting.delete(accountId);
  });
  return { weather, toDurable, lastEffect };
}

/** The account whose refresh token a call has made durable. */
function keptFor({ operation, input }: FaultCall): string | undefined {
  const { SecretId, VersionStages, UpdateExpression, Key } = input as {
    SecretId?: string;
    VersionStages?: readonly string[];
    UpdateExpression?: string;
    Key?: { accountId?: { S?: string } };
  };
  // With a label of its own it is a claim, or what comes home from escrow.
  if (operation === 'PutSecretValue' && VersionStages === undefined) return SecretId?.split('/accounts/')[1];
  return operation === 'UpdateItem' && UpdateExpression === 'SET #escrow = :escrow'
    ? Key?.accountId?.S
    : undefined;
}
