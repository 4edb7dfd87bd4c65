import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { DynamoDBDocumentClient, GetCommand, ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';

/** The floor for size and load time: the clients of the calls that every refresh makes, without a line beside them. */
export const clients = [DynamoDBDocumentClient.from(new DynamoDBClient()), new SecretsManagerClient()];
export const commands = [
  GetCommand,
  ScanCommand,
  UpdateCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
];
export const handler = async () => {};
