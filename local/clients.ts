import {
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  ResourceNotFoundException,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import {
  AlreadyExistsException,
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  KMSClient,
} from '@aws-sdk/client-kms';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { DynamoDBDocumentClient, ScanCommand } from '@aws-sdk/lib-dynamodb';
import type { FleetItem } from '../terminal/fleet-table.ts';
import { type AwsKeys, TEST_KEYS } from './aws/protocol/signature.ts';

export const LOCAL_TABLE_NAME = 'oauth-accounts';
export const LOCAL_FUNCTION_NAME = 'oauth-token-refresher';
export const LOCAL_ESCROW_KEY = 'alias/oauth-escrow';
const LOCAL_REGION = 'us-east-1';

/** The environment for AWS's SDKs and command line to reach the local endpoint. */
export function awsEnvironment(endpoint: string, keys = TEST_KEYS) {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: LOCAL_REGION,
    // The AWS CLI and boto3 only know this name.
    AWS_DEFAULT_REGION: LOCAL_REGION,
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
  };
}

/** The same as settings of an SDK client. */
export function awsSettings(endpoint: string, keys: AwsKeys) {
  return { endpoint, region: LOCAL_REGION, credentials: { ...keys } };
}

export interface LocalClients {
  readonly table: DynamoDBDocumentClient;
  readonly tableName: string;
  readonly secrets: SecretsManagerClient;
  readonly kms: KMSClient;
  /** Creates a secret, or a new version of it if its text differs. */
  putSecret(name: string, text: string): Promise<void>;
  items(): Promise<readonly FleetItem[]>;
}

export function createLocalClients(
  endpoint: string,
  tableName = LOCAL_TABLE_NAME,
  keys = TEST_KEYS,
): LocalClients {
  const config = awsSettings(endpoint, keys);
  const table = DynamoDBDocumentClient.from(new DynamoDBClient(config), {
    marshallOptions: { removeUndefinedValues: true },
  });
  const secrets = new SecretsManagerClient(config);
  return {
    table,
    tableName,
    secrets,
    kms: new KMSClient(config),
    putSecret: async (Name, SecretString) => {
      try {
        await secrets.send(new CreateSecretCommand({ Name, SecretString }));
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'ResourceExistsException') throw error;
        const current = await secrets.send(new GetSecretValueCommand({ SecretId: Name }));
        if (current.SecretString !== SecretString)
          await secrets.send(new PutSecretValueCommand({ SecretId: Name, SecretString }));
      }
    },
    items: async () => {
      const items: FleetItem[] = [];
      let ExclusiveStartKey: Record<string, unknown> | undefined;
      do {
        const page = await table.send(
          new ScanCommand({ TableName: tableName, ExclusiveStartKey, ConsistentRead: true }),
        );
        items.push(...((page.Items ?? []) as FleetItem[]));
        ExclusiveStartKey = page.LastEvaluatedKey;
      } while (ExclusiveStartKey !== undefined);
      return items;
    },
  };
}

/**
 * Creates the accounts table and the escrow key if they are missing.
 *
 * @returns whether the table is new, so without accounts
 */
export async function provision({ table, tableName, kms }: LocalClients): Promise<'new' | 'existing'> {
  await ensureEscrowKey(kms);
  try {
    await table.send(new DescribeTableCommand({ TableName: tableName }));
    return 'existing';
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
    await table.send(
      new CreateTableCommand({
        TableName: tableName,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'accountId', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'accountId', KeyType: 'HASH' }],
      }),
    );
    await waitUntilTableExists(
      { client: table, maxWaitTime: 30, minDelay: 0.01, maxDelay: 0.05 },
      { TableName: tableName },
    );
    return 'new';
  }
}

async function ensureEscrowKey(kms: KMSClient): Promise<void> {
  try {
    await kms.send(new DescribeKeyCommand({ KeyId: LOCAL_ESCROW_KEY }));
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'NotFoundException') throw error;
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({ Description: 'Escrow of refresh tokens' }));
    try {
      await kms.send(
        new CreateAliasCommand({ AliasName: LOCAL_ESCROW_KEY, TargetKeyId: KeyMetadata?.KeyId }),
      );
    } catch (error) {
      // Somebody else was faster; use theirs.
      if (!(error instanceof AlreadyExistsException)) throw error;
    }
  }
}
