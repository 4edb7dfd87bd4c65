import { PutCommand } from '@aws-sdk/lib-dynamodb';
import type fc from 'fast-check';
import { createEscrowVault, fingerprintOf, packResponse } from '../../adapters/aws/escrow.ts';
import type { EscrowKind } from '../../core/account/account.ts';
import { PROFILE_FIELDS } from '../../core/profile/profile-schema.ts';
import { REASONS } from '../../core/reason.ts';
import type { RunResult } from '../../lambda/run-result.ts';
import type { LocalAws } from '../../local/aws/server.ts';
import type { Invocation } from '../../local/function-process.ts';
import { CANARY, linesWithCanary, SHORT_CANARY } from '../support/canary.ts';
import { synthesizeBundle } from '../support/function-bundle.ts';
import { startStrictProvider } from '../support/strict-provider.ts';
import { createWorld } from '../support/world.ts';
import { commandLine } from './hostile-files.ts';
import { type HostileInput, hostileEvent, hostileInput, quoting, SEALED } from './hostile-input.ts';
import type { Kind } from './kind.ts';

const TIMEOUT = 60_000;

/** One of a batch of hostile accounts. */
interface Hostile {
  readonly accountId: string;
  readonly input: HostileInput;
}

/**
 * Accounts with hostile items, secrets, profiles, answers and notes, each batch between sound ones, in the deployed
 * bundle; and hostile events. None may crash a run, harm a neighbour, go without a reason or bring out a secret.
 */
export async function startAccountKinds(aws: LocalAws): Promise<{
  readonly kinds: readonly Kind[];
  close(): Promise<void>;
}> {
  const provider = await startStrictProvider({ canary: CANARY });
  const world = await createWorld(aws.url, { POWERTOOLS_LOG_LEVEL: 'DEBUG' });
  const vault = createEscrowVault(world.clients.kms, world.escrowKeyId);
  const bundle = await synthesizeBundle();
  const fn = world.process({ module: bundle.path });
  await world.profile('sound', provider.profile);
  const run = commandLine(world);

  const hostile = new Map<string, HostileInput>();
  const clients = new Map<string, string>();
  const access = new Map<string, string>();
  const reasons = new Map<string, number>();
  provider.inject(({ accountId = '', parameters }) =>
    quoting(hostile.get(accountId)?.answer, {
      refresh: parameters.refresh_token ?? '',
      access: access.get(accountId) ?? '',
      client: clients.get(accountId) ?? '',
    }),
  );
  /** What of a text is a secret, with the inputs of the accounts that it names. */
  const leaks = (place: string, text: string) =>
    linesWithCanary(text).map((line) => {
      const whose = [...new Set(line.match(/\bh-\d+\b/g) ?? [])].map((id) => hostile.get(id));
      return `a secret is in ${place}: ${line.slice(0, 2_000)}: ${JSON.stringify(whose)}`;
    });

  const tokensOf = (accountId: string, short: boolean) => {
    const issued = provider.issue(accountId);
    if (!short) return issued;
    const live = `${SHORT_CANARY}r${accountId}`;
    provider.adopt(accountId, { live, spent: [] });
    return { ...issued, refresh_token: live, access_token: `${SHORT_CANARY}a${accountId}` };
  };

  const escrowOf = async (accountId: string, { escrow }: HostileInput['item'], refreshToken: string) => {
    const { ciphertext, kind = 'token' } = (escrow ?? {}) as Record<string, unknown>;
    if (ciphertext !== SEALED) return {};
    const content = {
      refreshToken: `${CANARY}-escrow-${accountId}`,
      ...(kind === 'answer' && { answer: packResponse(`${CANARY}-answer`) }),
      supersedes: fingerprintOf(refreshToken),
      obtainedAt: 1_700_000_000,
    };
    const sealed = await vault.seal(accountId, String(kind) as EscrowKind, content);
    return { escrow: { ...(escrow as object), ciphertext: sealed } };
  };

  const put = async (accountId: string, input: HostileInput) => {
    const { item, secret, profile, note, short } = input;
    const tokens = tokensOf(accountId, short);
    const client = short ? `${SHORT_CANARY}c${accountId}` : provider.profile.client_secret;
    hostile.set(accountId, input);
    access.set(accountId, tokens.access_token);
    clients.set(accountId, client ?? '');
    if (note !== undefined) {
      const Item = { ...note, accountId: `#profile:${accountId}` };
      await world.clients.table.send(new PutCommand({ TableName: world.clients.tableName, Item }));
    }
    // A profile each, as three failures in a row would spare the rest of the batch.
    await world.profile(accountId, profile ?? { ...provider.profile, client_secret: client });
    const escrow = await escrowOf(accountId, item, tokens.refresh_token);
    await world.account({ accountId, oauthProfile: accountId, ...item, ...escrow }, secret ?? tokens);
  };

  const judge = async (batch: readonly Hostile[], neighbours: readonly string[], invocation: Invocation) => {
    if (invocation.kind === 'failed')
      return [`a run failed with ${invocation.errorType}: ${JSON.stringify(batch)}`];
    const broken: string[] = [];
    for (const accountId of neighbours) {
      const { status } = await world.item(accountId);
      if (status !== 'healthy' || !provider.accepts(accountId, (await world.tokens(accountId)).refresh_token))
        broken.push(`${accountId} was harmed by one of ${JSON.stringify(batch)}`);
    }
    const { accounts = [] } = invocation.payload as RunResult;
    for (const { accountId, input } of batch) {
      const { reason = 'none' } = accounts.find((report) => report.accountId === accountId) ?? {};
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      if (!Object.hasOwn(REASONS, reason)) broken.push(`no reason for ${JSON.stringify(input)}`);
      const { formatVersion, lease, status } = await world.item(accountId);
      // A visit that ended as it should has given its lease back.
      if (lease !== undefined && input.item.lease === undefined)
        broken.push(`a lease was left for ${JSON.stringify(input)}`);
      if (typeof formatVersion === 'number' && formatVersion > 1 && status !== input.item.status)
        broken.push(`what a newer version made was written to: ${JSON.stringify(input)}`);
    }
    return broken;
  };

  const checkAccounts = async (inputs: readonly HostileInput[]) => {
    const at = hostile.size;
    const batch = inputs.map((input, i) => ({ accountId: `h-${at + i}`, input }));
    const [first, last] = [`n-${at}-first`, `n-${at}-last`];
    for (const accountId of [first, last])
      await world.account({ accountId, oauthProfile: 'sound' }, provider.issue(accountId));
    for (const { accountId, input } of batch) await put(accountId, input);
    const accountIds = [first, ...batch.map(({ accountId }) => accountId), last];
    const invocation = await fn.invoke({ accountIds }, TIMEOUT);
    const broken = await judge(batch, [first, last], invocation);
    broken.push(
      ...leaks('the result', JSON.stringify(invocation)),
      ...leaks('the log', fn.takeLog().join('\n')),
    );
    for (const { accountId } of batch)
      for (const args of [
        ['accounts', 'show', accountId],
        ['profiles', 'show', accountId],
      ])
        broken.push(...(await run(args, JSON.stringify(hostile.get(accountId)))).broken);
    return broken;
  };

  const checkEvents = async (events: readonly unknown[]) => {
    const broken: string[] = [];
    for (const event of events) {
      const ended = await fn.invoke(event, TIMEOUT);
      if (ended.kind === 'failed' && ended.errorType !== 'InvalidEvent')
        broken.push(`event ${JSON.stringify(event)}: ${ended.errorType}: ${ended.errorMessage}`);
    }
    return [...broken, ...leaks('the log', fn.takeLog().join('\n'))];
  };

  /** The table, the bus and all that lists more than one account, once for all. */
  const end = async () => {
    const items = (await world.clients.items()).map((item) => JSON.stringify(item));
    const events = aws.putEventsLog().map((event) => JSON.stringify(event));
    const broken = [...leaks('the table', items.join('\n')), ...leaks('the events', events.join('\n'))];
    for (const args of ['accounts list --all', 'profiles list', 'export', 'export --format jsonl', 'status'])
      broken.push(...(await run(args.split(' '), 'all of them')).broken);
    return broken;
  };

  const accounts: Kind<HostileInput> = {
    name: 'accounts',
    weight: 24,
    inputs: hostileInput(provider.issue('example'), { ...provider.profile }, PROFILE_FIELDS),
    check: checkAccounts,
    end,
    remarks: () =>
      [...reasons]
        .sort(([, a], [, b]) => b - a)
        .map(([reason, times]) => `${String(times).padStart(6)}     ${reason}`),
  };
  const events: Kind = {
    name: 'events',
    weight: 2,
    inputs: hostileEvent as fc.Arbitrary<unknown>,
    check: checkEvents,
  };
  return {
    kinds: [accounts, events],
    close: async () => {
      world.close();
      await provider.close();
      bundle.remove();
    },
  };
}
