import { DescribeSecretCommand, GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { DeleteCommand } from '@aws-sdk/lib-dynamodb';
import { type LocalAws, startLocalAws } from '../../local/aws/server.ts';
import { CANARY } from './canary.ts';
import { createWorld, type World } from './world.ts';

/** A world whose command line needs no stack, and whose Secrets Manager has no quota to wait for. */
export interface ImportWorld extends Omit<World, 'close'> {
  readonly aws: LocalAws;
  /** What names its parts on a command line. */
  readonly options: readonly string[];
  /** `kept_by` of what is imported into it. */
  readonly keeper: string;
  secretText(accountId: string): Promise<string | undefined>;
  putTokens(accountId: string, tokens: unknown): Promise<void>;
  /** The ARN of a secret by its name. */
  arnOf(secret: string): Promise<string>;
  removeItem(accountId: string): Promise<void>;
  close(): Promise<void>;
}

/** A token that the leak hunt finds wherever it comes out. */
export const token = (name: string) => `${CANARY}-${name}`;

export async function createImportWorld(writesPerSecond = 10_000): Promise<ImportWorld> {
  const aws = await startLocalAws({ secretsManager: { writesPerSecond } });
  const world = await createWorld(aws.url);
  const { clients, prefix } = world;
  await world.profile('crm', {
    client_id: 'c',
    client_secret: CANARY,
    token_endpoint: 'https://id.example/token',
  });
  const SecretIdOf = (accountId: string) => `${prefix}accounts/${accountId}`;
  return {
    ...world,
    aws,
    keeper: `000000000000/us-east-1/${clients.tableName}`,
    options: ['--table', clients.tableName, '--function', 'none', '--prefix', prefix],
    secretText: async (accountId) => {
      try {
        const SecretId = SecretIdOf(accountId);
        return (await clients.secrets.send(new GetSecretValueCommand({ SecretId }))).SecretString;
      } catch (error) {
        if (error instanceof Error && error.name === 'ResourceNotFoundException') return undefined;
        throw error;
      }
    },
    putTokens: (accountId, tokens) => clients.putSecret(SecretIdOf(accountId), JSON.stringify(tokens)),
    arnOf: async (SecretId) =>
      (await clients.secrets.send(new DescribeSecretCommand({ SecretId }))).ARN ?? '',
    removeItem: async (accountId) => {
      await clients.table.send(new DeleteCommand({ TableName: clients.tableName, Key: { accountId } }));
    },
    close: async () => {
      world.close();
      await aws.close();
    },
  };
}
