import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DescribeRuleCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  GetSecretValueCommand,
  paginateListSecrets,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import {
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  ScanCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { projectRoot } from '../../build/project.ts';
import { keeperOf } from '../../core/account/kept-by.ts';
import type { RunResult } from '../../lambda/run-result.ts';
import { type StrictProvider, startStrictProvider } from '../support/strict-provider.ts';
import { type DrillAws, startDrillAws } from './aws.ts';
import { openShell, type Shell } from './shell.ts';

export const STACK = 'OAuthTokenRefresher-prod';

/** A deployed fleet and an operator at a shell. */
export interface DrillWorld {
  readonly aws: DrillAws;
  readonly shell: Shell;
  readonly directory: string;
  /** The stack's outputs. */
  readonly outputs: Readonly<Record<string, string>>;
  /** An SDK client of this AWS account. */
  client<T>(make: new (config: object) => T): T;
  /** A profile of a provider of its own, and accounts of it that are due, with tokens that end within a minute. */
  customers(profile: string, accountIds: readonly string[]): Promise<StrictProvider>;
  putProfile(name: string, fields: object): Promise<void>;
  putAccount(item: { accountId: string; [name: string]: unknown }, tokenSet?: object): Promise<void>;
  item(accountId: string): Promise<Record<string, unknown> | undefined>;
  items(): Promise<Record<string, unknown>[]>;
  change(accountId: string, name: string, value: unknown): Promise<void>;
  remove(accountId: string): Promise<void>;
  tokens(accountId: string): Promise<Record<string, unknown>>;
  write(file: string, content: object): void;
  /** What the schedule does, so many seconds from now: nothing where its rule is off. */
  tick(options?: { later?: number; timeout?: number; segments?: number }): Promise<readonly unknown[]>;
  /** Why not all of them are healthy, with the token that their provider accepts; undefined: they are. */
  unhealthy(provider: StrictProvider, accountIds: readonly string[]): Promise<string | undefined>;
  /** Deletes all accounts, notes and secrets. */
  forget(): Promise<void>;
  /** Follows a stack, or another Region. */
  moveTo(stack: string, region: string): Promise<void>;
  close(): Promise<void>;
}

export const BUILT = join(projectRoot, 'dist/function/index.mjs');

export async function createDrillWorld(emulator: string): Promise<DrillWorld> {
  const directory = mkdtempSync(join(tmpdir(), 'drill-'));
  const aws = await startDrillAws({ emulator, module: BUILT });
  const cdk = async (...args: string[]) => {
    const run = promisify(execFile);
    const command = [join(projectRoot, 'node_modules/aws-cdk/bin/cdk'), ...args];
    await run(process.execPath, command, { cwd: projectRoot, env: { ...process.env, ...aws.environment } });
  };
  const settings = () => ({
    region: aws.region,
    endpoint: aws.url,
    credentials: { accessKeyId: 'drill', secretAccessKey: 'drill' },
  });
  const client: DrillWorld['client'] = (make) => new make(settings());
  const table = () =>
    DynamoDBDocumentClient.from(client(DynamoDBClient), {
      marshallOptions: { removeUndefinedValues: true },
    });
  let outputs: Record<string, string> = {};
  const moveTo = async (StackName: string, region: string) => {
    aws.region = region;
    const { Stacks = [] } = await client(CloudFormationClient).send(new DescribeStacksCommand({ StackName }));
    outputs = Object.fromEntries(
      (Stacks[0]?.Outputs ?? []).map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]),
    );
    aws.functionName = outputs.FunctionName ?? '';
  };
  await cdk('bootstrap');
  await cdk('deploy', '--require-approval', 'never', '--method=direct');
  await moveTo(STACK, 'us-east-1');
  const providers: StrictProvider[] = [];
  const secretId = (accountId: string) => `${outputs.SecretNamePrefix}accounts/${accountId}`;
  const create = (Name: string, content: object) =>
    client(SecretsManagerClient).send(
      new CreateSecretCommand({ Name, SecretString: JSON.stringify(content) }),
    );
  const Key = (accountId: string) => ({ TableName: outputs.AccountsTableName, Key: { accountId } });
  const world: DrillWorld = {
    aws,
    directory,
    shell: openShell(directory, {
      ...aws.environment,
      ALLOW_HTTP_LOOPBACK: 'true',
      BROWSER: join(projectRoot, 'test/deploy/person.ts'),
      NO_COLOR: '1',
    }),
    get outputs() {
      return outputs;
    },
    client,
    customers: async (profile, accountIds) => {
      const provider = await startStrictProvider({ accessTokenSeconds: 3_600 });
      providers.push(provider);
      await world.putProfile(profile, provider.profile);
      // As import writes them.
      const keeper = keeperOf(outputs.AccountsTableName ?? '', outputs.EscrowKeyArn);
      for (const accountId of accountIds) {
        const now = Math.floor(Date.now() / 1_000);
        const times = { obtained_at: now - 3_540, expires_at: now + 60 };
        await world.putAccount(
          { accountId, oauthProfile: profile, status: 'healthy', accessTokenExpiresAt: times.expires_at },
          { ...provider.issue(accountId), ...times, kept_by: keeper },
        );
      }
      return provider;
    },
    putProfile: async (name, fields) => {
      await create(`${outputs.SecretNamePrefix}profiles/${name}`, fields);
    },
    putAccount: async (item, tokenSet) => {
      if (tokenSet !== undefined) await create(secretId(item.accountId), tokenSet);
      const Item = { authenticationType: 'oauth2', ...item };
      await table().send(new PutCommand({ TableName: outputs.AccountsTableName, Item }));
    },
    item: async (accountId) => (await table().send(new GetCommand(Key(accountId)))).Item,
    items: async () =>
      (await table().send(new ScanCommand({ TableName: outputs.AccountsTableName }))).Items ?? [],
    change: async (accountId, name, value) => {
      await table().send(
        new UpdateCommand({
          ...Key(accountId),
          UpdateExpression: 'SET #name = :value',
          ExpressionAttributeNames: { '#name': name },
          ExpressionAttributeValues: { ':value': value },
        }),
      );
    },
    remove: async (accountId) => {
      await table().send(new DeleteCommand(Key(accountId)));
    },
    tokens: async (accountId) => {
      const { SecretString = '{}' } = await client(SecretsManagerClient).send(
        new GetSecretValueCommand({ SecretId: secretId(accountId) }),
      );
      return JSON.parse(SecretString);
    },
    write: (file, content) => writeFileSync(join(directory, file), JSON.stringify(content)),
    tick: async ({ segments = 1, ...options } = {}) => {
      const [Name] = (outputs.RuleNames ?? '').split(',');
      const { State } = await client(EventBridgeClient).send(new DescribeRuleCommand({ Name }));
      if (State !== 'ENABLED') return [];
      const all = Array.from({ length: segments }, (_, segment) =>
        segments === 1 ? {} : { segment, totalSegments: segments },
      );
      const results: (RunResult | unknown)[] = [];
      for (const event of all) results.push(await aws.invoke(event, options));
      return results;
    },
    unhealthy: async (provider, accountIds) => {
      for (const accountId of accountIds) {
        const { status, accessTokenExpiresAt, escrow, failure } = (await world.item(accountId)) ?? {};
        const { refresh_token } = await world.tokens(accountId);
        const { revokedBecause, grants } = provider.truth(accountId);
        const wrong = [
          ...(status === 'healthy' ? [] : [`it is ${status}: ${JSON.stringify(failure)}`]),
          ...(Number(accessTokenExpiresAt) > Date.now() / 1_000 + 300 ? [] : ['its token ends soon']),
          ...(grants > 0 ? [] : ['it was never refreshed']),
          ...(escrow === undefined ? [] : ['something is in escrow']),
          ...(revokedBecause === undefined ? [] : [`its grant is revoked: ${revokedBecause}`]),
          ...(provider.accepts(accountId, refresh_token) ? [] : ['its provider refuses the stored token']),
        ];
        if (wrong.length > 0) return `${accountId}: ${wrong.join(', ')}`;
      }
      return undefined;
    },
    forget: async () => {
      for (const { accountId } of await world.items()) await world.remove(String(accountId));
      const secrets = client(SecretsManagerClient);
      for await (const { SecretList = [] } of paginateListSecrets(
        { client: secrets },
        { IncludePlannedDeletion: true },
      ))
        for (const { Name: SecretId } of SecretList)
          await secrets.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
    },
    moveTo,
    close: async () => {
      world.shell.close();
      for (const provider of providers) await provider.close();
      await aws.close();
      rmSync(directory, { recursive: true });
    },
  };
  return world;
}
