import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';

/** Where the accounts are, and their secrets. */
export interface Stores {
  readonly table: DynamoDBDocumentClient;
  readonly tableName: string;
  readonly secrets: SecretsManagerClient;
  readonly secretNamePrefix: string;
}
