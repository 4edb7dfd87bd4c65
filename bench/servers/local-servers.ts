import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { PROFILE_NOTE } from '../../core/account/account.ts';
import { startLocalAws } from '../../local/aws/server.ts';
import { tokenBucket } from '../../local/shared/token-bucket.ts';
import { signedPost } from '../../test/support/aws-endpoint.ts';
import { type ProviderFault, startStrictProvider } from '../../test/support/strict-provider.ts';
import { askedLog, invokeAsked } from './asked-fleet.ts';
import { ASKED_FUNCTION, type ServerMethods, type Traffic } from './servers.ts';
import type { AwsTrouble } from './troubles.ts';

export const provider = await startStrictProvider({ delayMilliseconds: () => delay });
// Without its own limit, so that filling it is fast. Experiments set their limit as a rule.
export const aws = await startLocalAws({
  secretsManager: { writesPerSecond: 1_000_000 },
  // A run's clock is ahead of the server's.
  maxClockSkewSeconds: Number.POSITIVE_INFINITY,
  functionName: ASKED_FUNCTION,
  functionLogFile: askedLog,
  invoke: invokeAsked,
});
let delay = 0;
let takeWrite: (() => boolean) | undefined;
let traffic: {
  calls: Record<string, number>;
  connections: number;
  firstCallAt: number | undefined;
  stores: number[];
  throttled: number;
  storesByAccount: string[];
};
forgetTraffic();

/** The parts of a call that name a secret or an item. */
interface CallInput {
  readonly SecretId?: string;
  readonly UpdateExpression?: string;
  readonly Key?: { readonly accountId?: { readonly S?: string } };
}

/** The trouble of a secret or an item, by its name or id. */
export const awsTroubles = new Map<string, AwsTrouble>();

aws.inject(({ operation, input }) => {
  const { SecretId, Key } = (input ?? {}) as CallInput;
  const trouble = awsTroubles.get(SecretId ?? Key?.accountId?.S ?? '');
  if (trouble?.operation === operation) return trouble.fault;
  if (operation !== 'PutSecretValue' || takeWrite === undefined || takeWrite()) return undefined;
  traffic.throttled++;
  return { kind: 'throttle' };
});
aws.onEffect(({ operation, input }, status) => {
  const call = `${operation}${kindOf(input)}`;
  traffic.calls[call] = (traffic.calls[call] ?? 0) + 1;
  traffic.firstCallAt ??= performance.now();
  if (operation !== 'PutSecretValue' || status !== 200) return;
  traffic.stores.push(performance.now());
  traffic.storesByAccount.push((input as { SecretId: string }).SecretId.split('/').at(-1) ?? '');
});
export const providerTroubles = new Map<string, ProviderFault>();
provider.inject(({ accountId = '' }) => providerTroubles.get(accountId));
/** The connections that token requests used. */
const sockets = new WeakSet<object>();
subscribe('http.server.request.start', (message) => {
  const { request, socket } = message as { request: IncomingMessage; socket: object };
  if (request.url !== '/token' || sockets.has(socket)) return;
  sockets.add(socket);
  traffic.connections++;
});
provider.onEffect(() => {
  traffic.calls.TokenRequest = (traffic.calls.TokenRequest ?? 0) + 1;
});

/** What makes a call different from the usual ones of a refresh. */
function kindOf(input: unknown): string {
  const { SecretId = '', Key, UpdateExpression = '' } = (input ?? {}) as CallInput;
  if (SecretId.includes('/profiles/') || Key?.accountId?.S?.startsWith(PROFILE_NOTE)) return ' of a profile';
  return /SET .*#escrow =/.test(UpdateExpression) ? ' for escrow' : '';
}

export function forgetTraffic() {
  traffic = {
    calls: {},
    connections: 0,
    firstCallAt: undefined,
    stores: [],
    throttled: 0,
    storesByAccount: [],
  };
}

/** Accounts and their secrets are made as fast as can be. */
export function withoutLimit(): void {
  takeWrite = undefined;
}

export const begin: ServerMethods['begin'] = async ({ delayMilliseconds, writesPerSecond }) => {
  delay = delayMilliseconds;
  takeWrite = writesPerSecond === undefined ? undefined : tokenBucket(writesPerSecond, Date.now);
  forgetTraffic();
};

export const trafficSinceBegin = async (): Promise<Traffic> => traffic;

/** Without the SDK, which would be too slow for a hundred thousand items. */
export async function call(target: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await signedPost(aws.url, target, JSON.stringify(body));
  const text = await response.text();
  if (!response.ok) throw new Error(`${target} failed: ${text.slice(0, 200)}`);
  return JSON.parse(text);
}

/** Does something for each item, four at a time. */
export async function each<T>(all: readonly T[], act: (one: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let one = all[next++]; one !== undefined; one = all[next++]) await act(one);
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
}

const { KeyMetadata } = await call('TrentService.CreateKey', {});
export const escrowKeyId = (KeyMetadata as { KeyId: string }).KeyId;
