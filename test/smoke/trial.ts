import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateSecretCommand, GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { type Fleet, findFleet } from '../../cli/shared/fleet.ts';
import { runForAccounts } from '../../cli/shared/run-function.ts';
import type { Account } from '../../core/account/account.ts';
import type { Report } from '../../core/account/outcome.ts';
import { MARK, STACK } from './names.ts';
import { stackOutputs } from './stack.ts';

/** What the provider knows of a grant. */
interface Grant {
  readonly live: string;
  readonly grants?: number;
  readonly revoked?: boolean;
}

/** Something that a trial waited for, or demands, is not so. */
export class NotSeen extends Error {}

/** What the steps of a trial act on: the deployed stack, its provider, and two accounts there. */
export interface Trial {
  readonly fleet: Fleet;
  /** Refreshed by hand. */
  readonly account: string;
  /** Left to the schedule. */
  readonly scheduled: string;
  secretId(accountId: string): string;
  item(accountId: string): Promise<Account>;
  grant(accountId: string): Promise<Grant>;
  /** Whether the refresh token in the account's secret is the one that the provider would accept. */
  holdsLiveToken(accountId: string): Promise<boolean>;
  /** Has the function refresh the account now. */
  refresh(accountId: string): Promise<Report>;
  /** Looks again and again. @throws NotSeen */
  eventually<T>(what: string, seconds: number, look: () => Promise<T | undefined>): Promise<T>;
  /** Waits for a message that the event bus or the alarm topic sent. @throws NotSeen */
  told(what: string, seconds: number, isIt: (message: Message) => boolean): Promise<Message>;
}

/** An event, or an alarm's message. */
export interface Message {
  readonly 'detail-type'?: string;
  readonly detail?: { readonly accountId?: string; readonly reason?: string };
  readonly AlarmName?: string;
  readonly NewStateValue?: string;
}

const hash = (text: string) => createHash('sha256').update(text).digest('base64url');
const random = () => randomBytes(24).toString('base64url');

/** Makes a profile and two accounts in the deployed stack, with grants that the provider knows. */
export async function beginTrial(signal: AbortSignal): Promise<Trial> {
  const fleet = await findFleet({ stack: STACK }, process.env);
  const { table, secrets, secretNamePrefix, tableName, config } = fleet;
  const { ProviderUrl = '', GrantsTableName, WitnessUrl } = await stackOutputs();
  // A queue of an emulator has an address of AWS.
  const sqs = new SQSClient({ ...config, useQueueUrlAsEndpoint: false });
  // A name is not free again at once after its secret was deleted.
  const run = randomBytes(4).toString('hex');
  const [profile, account, scheduled] = ['crm', 'by-hand', 'scheduled'].map((name) => `${name}-${run}`) as [
    string,
    string,
    string,
  ];
  const secretId = (accountId: string) => `${secretNamePrefix}accounts/${accountId}`;

  const create = (Name: string, content: object) =>
    secrets.send(
      new CreateSecretCommand({
        Name,
        SecretString: JSON.stringify(content),
        Tags: [{ Key: MARK, Value: 'true' }],
      }),
    );
  const write = (TableName: string | undefined, Item: object) =>
    table.send(new PutCommand({ TableName, Item }));
  const client = { id: run, secret: random() };
  await write(GrantsTableName, { id: `client:${client.id}`, secret: hash(client.secret) });
  await create(`${secretNamePrefix}profiles/${profile}`, {
    client_id: client.id,
    client_secret: client.secret,
    token_endpoint: ProviderUrl,
  });
  for (const accountId of [account, scheduled]) {
    const refreshToken = `${accountId}.${random()}`;
    await write(GrantsTableName, { id: `grant:${accountId}`, live: hash(refreshToken) });
    await create(secretId(accountId), { refresh_token: refreshToken });
    await write(tableName, { accountId, authenticationType: 'oauth2', oauthProfile: profile });
  }

  const read = async <T>(TableName: string | undefined, Key: Record<string, string>) => {
    const { Item } = await table.send(new GetCommand({ TableName, Key, ConsistentRead: true }));
    return Item as T;
  };
  const eventually: Trial['eventually'] = async (what, seconds, look) => {
    const end = Date.now() + seconds * 1_000;
    for (;;) {
      signal.throwIfAborted();
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > end) throw new NotSeen(`${what}: not within ${seconds} s`);
      await sleep(1_000, undefined, { signal });
    }
  };
  const messages: Message[] = [];
  const receive = async () => {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: WitnessUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 }),
      { abortSignal: signal },
    );
    messages.push(...Messages.map(({ Body = '' }) => parsed(Body)));
  };
  return {
    fleet,
    account,
    scheduled,
    secretId,
    item: (accountId) => read<Account>(tableName, { accountId }),
    grant: (accountId) => read<Grant>(GrantsTableName, { id: `grant:${accountId}` }),
    holdsLiveToken: async (accountId) => {
      const { SecretString = '{}' } = await secrets.send(
        new GetSecretValueCommand({ SecretId: secretId(accountId), VersionStage: 'AWSCURRENT' }),
      );
      const { live } = await read<Grant>(GrantsTableName, { id: `grant:${accountId}` });
      return hash(JSON.parse(SecretString).refresh_token ?? '') === live;
    },
    // A scheduled run may be at it.
    refresh: (accountId) =>
      eventually('the lease is free', 180, async () => {
        const [report] = await runForAccounts(fleet, [accountId], { force: true });
        return report?.reason === 'leased_elsewhere' ? undefined : report;
      }),
    eventually,
    told: (what, seconds, isIt) =>
      eventually(what, seconds, async () => {
        if (!messages.some(isIt)) await receive();
        return messages.find(isIt);
      }),
  };
}

/** Mails for people are plain text. */
function parsed(body: string): Message {
  try {
    return JSON.parse(body);
  } catch {
    return {};
  }
}
