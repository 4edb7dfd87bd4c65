import { setTimeout as sleep } from 'node:timers/promises';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { type LocalAws, startLocalAws } from '../../local/aws/server.ts';
import {
  type OddAnswer,
  type ProviderFault,
  type Rotation,
  type StrictProvider,
  startStrictProvider,
} from '../support/strict-provider.ts';
import { createWorld, type World } from '../support/world.ts';
import { createFaults, outage } from './trial-faults.ts';
import { isSettled, judge, type Verdict } from './trial-verdict.ts';

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
 * - `unclaimed`: nobody's function keeps the token set yet, so that it is claimed first.
 * - `named_secret`: the account names its secret, which is leased in a note of its own.
 * - `lent_secret`: it names the usual secret of an account that names another.
 * - `client_changed`: the profile has a new client secret that the provider does not know yet.
 * - `client_wrong`: its client secret is wrong in both versions, until people correct it after the run.
 * - `answer_lost`: the first answer to the token request does not come.
 * - `store_fails`: Secrets Manager refuses to write for the first three seconds, so that escrow is used.
 * - `store_refuses`: it refuses for the whole run.
 * - `in_escrow`: it refused for the whole run before, so that a refresh token is in escrow.
 * - `odd_answer`: the provider grants, but says 400, so that the new refresh token is a candidate.
 * - `candidate`: it did so in the run before.
 * - `false_candidate`: it granted nothing an hour ago, but its error held what looks like a refresh token.
 * - `unreadable`: the provider grants, and nobody can read its answer.
 * - `revoked`: the provider has revoked the grant, and a run an hour before has heard so once.
 */
export type Setting =
  | 'plain'
  | 'by_hand'
  | 'discovered'
  | 'short_lived'
  | 'unclaimed'
  | 'named_secret'
  | 'lent_secret'
  | 'client_changed'
  | 'client_wrong'
  | 'answer_lost'
  | 'store_fails'
  | 'store_refuses'
  | 'in_escrow'
  | 'odd_answer'
  | 'candidate'
  | 'false_candidate'
  | 'unreadable'
  | 'revoked';

export type ProtocolCall =
  | 'scan'
  | 'get'
  | 'read profile'
  | 'read profile again'
  | 'read previous profile'
  | 'read note'
  | 'write note'
  | 'data key'
  | 'lease'
  | 're-read'
  | 're-read again'
  | 'read secret note'
  | 'claim secret'
  | 'lend secret'
  | 'release secret'
  | 'put claim'
  | 'move claim'
  | 'list versions'
  | 'discover'
  | 'exchange'
  | 'exchange again'
  | 'store'
  | 'put escrow'
  | 'put candidate'
  | 'put answer'
  | 'open escrow'
  | 'put home'
  | 'move home'
  | 'tell'
  | 'tell of profile'
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

export const ACCOUNT = 'trial';
/** Time for the run that goes wrong, milliseconds: a hanging call must not hang for two minutes. */
const TIME = 17_000;
/** Seconds for which the lease outlasts that. */
const LEASE_MARGIN = 60;
const MINUTE = 60;
/**
 * Seconds in which a provider of the kind `grace` takes the old refresh token again: as long as the guarantee asks for,
 * and no longer. The lease, and the minute until the next run.
 */
const GRACE = TIME / 1000 + LEASE_MARGIN + MINUTE;
/** Seconds from one run to the next: longer than that lease and than a first back-off, and within the grace. */
const STEP = 90;
/** Seconds after which a refusal that still comes is believed, though nobody else is granted anything. */
const BELIEVED_AFTER = 3_700;
/** Seconds before each run after the one that goes wrong. The last are for a candidate and then the token before it. */
const RECOVERY = [STEP, 300, BELIEVED_AFTER, BELIEVED_AFTER, BELIEVED_AFTER];

/**
 * Carries out one trial, and compares the provider's truth with the stored secret.
 *
 * @param module the function's bundle
 * @param environment of its processes, beside what they need
 */
export async function carryOut(
  trial: Trial,
  module: string,
  environment: Record<string, string> = {},
): Promise<Verdict> {
  let offset = 0;
  const now = () => Date.now() + offset * 1000;
  const { setting, rotation } = trial;
  const aws = await startLocalAws({ now, maxClockSkewSeconds: Number.POSITIVE_INFINITY });
  const provider = await startStrictProvider({
    rotation,
    graceSeconds: GRACE,
    accessTokenSeconds: setting === 'short_lived' ? 600 : 3600,
    now,
  });
  const world = await createWorld(aws.url, environment);
  const event = setting === 'by_hand' ? { accountIds: [ACCOUNT] } : {};
  const pass = (seconds: number) => {
    offset += seconds;
  };
  const run = async (seconds: number, timeout?: number) => {
    pass(seconds);
    const process = world.process({ module, clockOffsetSeconds: offset });
    await process.invoke(event, timeout);
    process.kill();
  };
  try {
    await writeProfile(setting, world, provider);
    const secretId = await writeAccount(setting, world, provider);
    await prepare(setting, { aws, provider, run, pass });
    pass(STEP);
    const faulty = world.process({ module, clockOffsetSeconds: offset });
    const faults = createFaults(trial, grantsOddly(setting), () => faulty.kill());
    aws.inject(faults.atAws);
    provider.inject(faults.atProvider);
    await faulty.invoke(event, TIME);
    faulty.kill();
    // What it had sent before it died still goes wrong.
    await sleep(100);
    aws.inject(undefined);
    provider.inject(undefined);
    if (setting === 'client_wrong') await world.profile('crm', provider.profile);
    for (const seconds of RECOVERY) {
      await run(seconds);
      if (await isSettled(world)) break;
    }
    // Until a grace is over it hides that the wrong token was kept; who was told once could be told again; and a lease
    // that was not given back has run out.
    const { status } = await world.item(ACCOUNT);
    if (rotation === 'grace' || status !== 'healthy' || trial.call === 'release secret')
      await run(BELIEVED_AFTER);
    if (!faults.happened()) return { end: 'unexplained', spentTwice: false, why: 'the call was never made' };
    return await judge(trial, secretId, world, aws, provider);
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
  const unknown = { client_changed: ['not known there yet'], client_wrong: ['wrong', 'wrong, too'] };
  for (const client_secret of unknown[setting as keyof typeof unknown] ?? [])
    await world.profile('crm', { ...provider.profile, client_secret });
}

/** @returns the id of the account's token secret */
async function writeAccount(setting: Setting, world: World, provider: StrictProvider): Promise<string> {
  const item = { accountId: ACCOUNT, oauthProfile: 'crm' };
  const tokens = provider.issue(ACCOUNT);
  const names = {
    named_secret: `${world.prefix}shared/trial`,
    lent_secret: `${world.prefix}accounts/lender`,
  };
  const tokenSecretId = names[setting as keyof typeof names];
  if (tokenSecretId === undefined) {
    await world.account(item, setting === 'unclaimed' ? JSON.stringify(tokens) : tokens);
    return `${world.prefix}accounts/${ACCOUNT}`;
  }
  await world.clients.putSecret(tokenSecretId, JSON.stringify({ kept_by: world.keeper, ...tokens }));
  await world.account({ ...item, tokenSecretId });
  if (setting === 'lent_secret') {
    const Item = {
      accountId: 'lender',
      authenticationType: 'oauth2',
      oauthProfile: 'crm',
      enabled: false,
      tokenSecretId: `${world.prefix}shared/elsewhere`,
    };
    await world.clients.table.send(new PutCommand({ TableName: world.clients.tableName, Item }));
  }
  return tokenSecretId;
}

interface Stage {
  readonly aws: LocalAws;
  readonly provider: StrictProvider;
  /** A run so many seconds later. */
  readonly run: (seconds: number, timeout?: number) => Promise<void>;
  /** Lets so many seconds pass. */
  readonly pass: (seconds: number) => void;
}

/** What the run that goes wrong starts from; it comes a step after this. */
async function prepare(setting: Setting, { aws, provider, run, pass }: Stage): Promise<void> {
  switch (setting) {
    case 'in_escrow':
      aws.inject(({ operation }) => (operation === 'PutSecretValue' ? outage : undefined));
      await run(STEP, TIME);
      return aws.inject(undefined);
    case 'candidate':
      provider.inject(() => grantsOddly('odd_answer'));
      await run(STEP);
      return provider.inject(undefined);
    case 'false_candidate':
      provider.inject(() => ({ kind: 'answer', status: 400, body: FALSE_CANDIDATE }));
      await run(STEP);
      provider.inject(undefined);
      // The provider refuses it, and will be believed an hour later.
      await run(STEP);
      return pass(BELIEVED_AFTER);
    case 'revoked':
      provider.revoke(ACCOUNT);
      await run(STEP);
      return pass(BELIEVED_AFTER);
  }
}

const FALSE_CANDIDATE = JSON.stringify({
  error: 'temporarily_unavailable',
  refresh_token: 'never-issued-by-anybody',
});

/** How the provider grants so that its answer is no plain success. */
function grantsOddly(setting: Setting): ProviderFault | undefined {
  const make: Partial<Record<Setting, (answer: Record<string, unknown>) => OddAnswer>> = {
    odd_answer: (answer) => ({ status: 400, body: JSON.stringify(answer) }),
    unreadable: (answer) => ({
      body: Buffer.from(Array.from(Buffer.from(JSON.stringify(answer)), (byte) => byte ^ 0x5a)),
    }),
  };
  const odd = make[setting];
  return odd === undefined ? undefined : { kind: 'odd_body', make: odd };
}
