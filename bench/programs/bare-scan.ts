import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, ScanCommand } from '@aws-sdk/lib-dynamodb';

/** The baseline of a question: a program that reads the whole table into memory, and answers nothing. */
const TableName = process.env.ACCOUNTS_TABLE_NAME;
const table = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const items: unknown[] = [];
let ExclusiveStartKey: Record<string, unknown> | undefined;
do {
  const page = await table.send(new ScanCommand({ TableName, ExclusiveStartKey }));
  items.push(...(page.Items ?? []));
  ExclusiveStartKey = page.LastEvaluatedKey;
} while (ExclusiveStartKey !== undefined);
console.log(items.length);
