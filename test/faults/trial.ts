import type { FaultCall, FaultRule } from '../../local/aws/server.ts';
import { type LocalAws, startLocalAws } from '../../local/aws/server.ts';
import {
  type ProviderFault,
  type Rotation,
  type StrictProvider,
  startStrictProvider,
  type TokenRequest,
} from '../support/strict-provider.ts';
import { createWorld, type World } from '../support/world.ts';

/**
 * One trial of the protocol: an account that is due, one run in which something goes wrong, then ordinary runs, each
 * in a process of its own, until all that can heal has healed. What the provider holds in the end is the truth.
 */
export interface Trial {
  readonly rotation: Rotation;
  /** What the run that goes wrong starts from. */
  readonly setting: Setting;
  /** The call at which it goes wrong. */
  readonly call: ProtocolCall;
  readonly fault: FaultKind;
}

/**
 * - `plain`: nothing else is wrong.
 * - `by_hand`: the run is asked for this one account.
 * - `discovered`: the profile names an issuer, and the endpoint is found from its metadata.
 * - `short_lived`: the access token lives ten minutes, so that the secret's versions are counted first.
 * - `client_changed`: the profile has a new client secret that the provider does not know yet.
 * - `answer_lost`: the first answer to the token request does not come.
 * - `store_fails`: Secrets Manager refuses to write for the first three seconds, so that escrow is used.
 * - `in_escrow`: it refused for the whole run before, so that a refresh token is in escrow.
 * - `revoked`: the provider has revoked the grant, and a run before has heard so once.
 */
export type Setting =
  | 'plain'
  | 'by_hand'
  | 'discovered'
  | 'short_lived'
  | 'client_changed'
  | 'answer_lost'
  | 'store_fails'
  | 'in_escrow'
  | 'revoked';

export type ProtocolCall =
  | 'scan'
  | 'get'
  | 'read profile'
  | 'read profile again'
  | 'read previous profile'
  | 'lease'
  | 're-read'
  | 're-read again'
  | 'list versions'
  | 'discover'
  | 'exchange'
  | 'exchange again'
  | 'store'
  | 'seal'
  | 'put escrow'
  | 'open escrow'
  | 'move escrow'
  | 'tell'
  | 'record';

export const FAULT_KINDS = [
  'fails',
  'answer lost',
  'throttled',
  'hangs',
  'killed before',
  'killed after',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Verdict {
  /** `dead`: the grant was revoked by the provider before the trial, and the account says so. */
  readonly end: 'kept' | 'lost' | 'dead' | 'unexplained';
  /** A refresh token was presented again although its answer had reached a process that lived on. */
  readonly spentTwice: boolean;
  /** What can't be explained, for people. */
  readonly why?: string;
}

const ACCOUNT = 'trial';
/** Time for the run that goes wrong, milliseconds: a hanging call must not hang for two minutes. */
const TIME = 17_000;
/** Seconds between the runs: longer than a lease and than a back-off. */
const STEP = 120;
const RECOVERY_RUNS = 3;

/**
 * Carries out one trial, and compares the provider's truth with the stored secret.
 *
 * @param module the function's bundle
 */
export async function carryOut(trial: Trial, module: string): Promise<Verdict> {
  let offset = 0;
  const now = () => Date.now() + offset * 1000;
  const aws = await startLocalAws({ now });
  const provider = await startStrictProvider({
    rotation: trial.rotation,
    graceSeconds: 900,
    accessTokenSeconds: trial.setting === 'short_lived' ? 600 : 3600,
    now,
  });
  const world = await createWorld(aws.url);
  const event = trial.setting === 'by_hand' ? { accountIds: [ACCOUNT] } : {};
  try {
    await writeProfile(trial.setting, world, provider);
    await world.account({ accountId: ACCOUNT, oauthProfile: 'crm' }, provider.issue(ACCOUNT));
    const runs = async (timeout?: number) => {
      offset += STEP;
      await world.process({ module, clockOffsetSeconds: offset }).invoke(event, timeout);
    };
    await prepare(trial.setting, aws, provider, () => runs(TIME));
    offset += STEP;
    const faulty = world.process({ module, clockOffsetSeconds: offset });
    const faults = createFaults(trial, () => faulty.kill());
    aws.inject(faults.atAws);
    provider.inject(faults.atProvider);
    await faulty.invoke(event, TIME);
    aws.inject(undefined);
    provider.inject(undefined);
    faulty.kill();
    for (let run = 0; run < RECOVERY_RUNS; run++) await runs();
    if (!faults.happened()) return { end: 'unexplained', spentTwice: false, why: 'the call was never made' };
    return await judge(trial, world, aws, provider);
  } finally {
    world.close();
    await provider.close();
    await aws.close();
  }
}

async function writeProfile(setting: Setting, world: World, provider: StrictProvider) {
  const { token_endpoint, ...client } = provider.profile;
  const discovered = setting === 'discovered';
  await world.profile('crm', {
    ...client,
    ...(discovered ? { issuer: provider.origin } : { token_endpoint }),
  });
  if (setting === 'client_changed')
    await world.profile('crm', { ...provider.profile, client_secret: 'not known there yet' });
}

async function prepare(setting: Setting, aws: LocalAws, provider: StrictProvider, run: () => Promise<void>) {
  if (setting === 'in_escrow') {
    aws.inject(({ operation }) => (operation === 'PutSecretValue' ? outage : undefined));
    await run();
    aws.inject(undefined);
  }
  if (setting === 'revoked') {
    provider.revoke(ACCOUNT);
    await run();
  }
}

const outage = { kind: 'error', status: 500, type: 'InternalServiceError', message: 'out of order' } as const;
const STORE_FAILS_FOR = 3_000;
const THROTTLED_CALLS = 3;

/** Tells the calls to AWS apart by what they ask for, and by what was asked for before. */
function callOf({ operation, input }: FaultCall, asked: ReadonlySet<ProtocolCall>): ProtocolCall | undefined {
  const {
    SecretId = '',
    VersionStage,
    UpdateExpression = '',
    ClientRequestToken = '',
  } = input as Record<string, string>;
  switch (operation) {
    case 'Scan':
      return 'scan';
    case 'GetItem':
      return 'get';
    case 'GetSecretValue':
      if (!SecretId.includes('/profiles/')) return asked.has('exchange') ? 're-read again' : 're-read';
      if (VersionStage === 'AWSPREVIOUS') return 'read previous profile';
      return asked.has('exchange') ? 'read profile again' : 'read profile';
    case 'ListSecretVersionIds':
      return 'list versions';
    case 'PutSecretValue':
      return ClientRequestToken.startsWith('escrow-') ? 'move escrow' : 'store';
    case 'Encrypt':
      return 'seal';
    case 'Decrypt':
      return 'open escrow';
    case 'PutEvents':
      return 'tell';
    case 'UpdateItem':
      if (UpdateExpression === 'SET #lease = :lease') return 'lease';
      return UpdateExpression === 'SET #escrow = :escrow' ? 'put escrow' : 'record';
    default:
      return undefined;
  }
}

/** The faults of the run that goes wrong. */
function createFaults({ setting, call, fault }: Trial, kill: () => void) {
  const begun = Date.now();
  const asked = new Set<ProtocolCall>();
  let seen = 0;
  const atAws: FaultRule = (request) => {
    const which = callOf(request, asked);
    if (which !== undefined) asked.add(which);
    const failing = setting === 'store_fails' && which === 'store' && Date.now() - begun < STORE_FAILS_FOR;
    if (which !== call) return failing ? outage : undefined;
    seen++;
    switch (fault) {
      case 'fails':
        return { kind: 'fail_before' };
      case 'answer lost':
        return { kind: 'drop_answer' };
      case 'throttled':
        return seen <= THROTTLED_CALLS ? { kind: 'throttle' } : undefined;
      case 'hangs':
        return { kind: 'hang' };
      case 'killed before':
        kill();
        return { kind: 'hang' };
      case 'killed after':
        kill();
        return { kind: 'drop_answer' };
    }
  };
  const atProvider = ({ endpoint }: TokenRequest): ProviderFault | undefined => {
    const first = !asked.has('exchange');
    const exchange = setting === 'answer_lost' && !first ? 'exchange again' : 'exchange';
    const which = endpoint === 'metadata' ? 'discover' : exchange;
    asked.add(which);
    if (which !== call) return setting === 'answer_lost' && first ? { kind: 'drop_answer' } : undefined;
    seen++;
    switch (fault) {
      case 'fails':
        return { kind: 'drop_request' };
      case 'answer lost':
        return { kind: 'drop_answer' };
      case 'throttled':
        return { kind: 'answer', status: 429, headers: { 'retry-after': '30' } };
      case 'hangs':
        return { kind: 'hang_after' };
      case 'killed before':
        kill();
        return { kind: 'hang_before' };
      case 'killed after':
        kill();
        return { kind: 'hang_after' };
    }
  };
  return { atAws, atProvider, happened: () => seen > 0 };
}

/**
 * Whether a grant may be lost here: a strict provider rotated, and either its answer never reached the process, or
 * the process died before its next instruction could keep it. Nowhere else.
 */
export function mayLose({ rotation, setting, call, fault }: Trial): boolean {
  if (rotation !== 'strict') return false;
  if (setting === 'answer_lost') return true;
  const unheard = call === 'exchange' && ['answer lost', 'hangs', 'killed after'].includes(fault);
  const killed = fault === 'killed before' || fault === 'killed after';
  const diedBeforeKeeping =
    (call === 'store' && fault === 'killed before') ||
    (setting === 'store_fails' &&
      ((call === 'seal' && killed) || (call === 'put escrow' && fault === 'killed before')));
  return unheard || diedBeforeKeeping;
}

async function judge(trial: Trial, world: World, aws: LocalAws, provider: StrictProvider): Promise<Verdict> {
  const truth = provider.truth(ACCOUNT);
  const item = await world.item(ACCOUNT);
  const { refresh_token } = await world.tokens(ACCOUNT);
  const failure = item.failure as { reason?: string } | undefined;
  const events = aws
    .putEventsLog()
    .filter(({ detailType }) => detailType === 'OAuth Reauthorization Required').length;
  const spentTwice = truth.reuses > 0 && !mayLose(trial);
  const seen = JSON.stringify({
    status: item.status,
    reason: failure?.reason,
    lease: item.lease,
    events,
    truth,
  });
  const needsPerson = item.status === 'reauthorization_required';
  if (trial.setting === 'revoked') {
    // Told once; a second time only where the answer to the first was lost, or the process died behind it.
    const repeated = trial.call === 'tell' || (trial.call === 'record' && trial.fault !== 'throttled');
    const told = events === 1 || (repeated && events > 1);
    if (needsPerson && failure?.reason === 'grant_revoked' && told) return { end: 'dead', spentTwice };
    return { end: 'unexplained', spentTwice, why: seen };
  }
  if (provider.accepts(ACCOUNT, refresh_token)) {
    const calm =
      item.status === 'healthy' &&
      failure === undefined &&
      item.lease === undefined &&
      item.escrow === undefined;
    return calm ? { end: 'kept', spentTwice } : { end: 'unexplained', spentTwice, why: seen };
  }
  const said = needsPerson && failure?.reason === 'grant_possibly_lost' && events === 1;
  return said && mayLose(trial) ? { end: 'lost', spentTwice } : { end: 'unexplained', spentTwice, why: seen };
}
