import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { DynamoDBDocumentClient, GetCommand, ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';

/** The baseline for size and load time: only the clients and commands of every refresh. */
export const clients = [DynamoDBDocumentClient.from(new DynamoDBClient()), new SecretsManagerClient()];
export const commands = [
  GetCommand,
  ScanCommand,
  UpdateCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
];
export const handler = async () => {};
