import { DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { DescribeKeyCommand } from '@aws-sdk/client-kms';
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { duration } from '../../terminal/fleet-table.ts';
import { escrowKeyOf } from '../shared/escrow-key.ts';
import { noteServiceTime } from '../shared/service-time.ts';
import {
  attention,
  broken,
  type Check,
  errorName,
  type Finding,
  good,
  notApplicable,
  type Patient,
} from './check.ts';

/** The function's table, secrets and keys, and whether you may see them. */
export const storeChecks: readonly Check[] = [
  {
    title: 'Table',
    needs: 'dynamodb:DescribeTable',
    run: async ({ fleet: { table, tableName } }) => {
      try {
        const { Table } = await table.send(new DescribeTableCommand({ TableName: tableName }));
        const keys = (Table?.KeySchema ?? []).map(
          ({ AttributeName, KeyType }) => `${AttributeName} ${KeyType}`,
        );
        const type = Table?.AttributeDefinitions?.find(
          (one) => one.AttributeName === 'accountId',
        )?.AttributeType;
        if (keys.join() !== 'accountId HASH' || type !== 'S')
          return broken(
            `${tableName} has another key: ${keys.join(', ')}`,
            'Is it the right table? The key must be accountId (S) alone; name another with --table.',
          );
        if (Table?.TableStatus !== 'ACTIVE')
          return attention(`${tableName} is ${Table?.TableStatus}`, 'Wait until it is ACTIVE.');
        return good(`${tableName} is there and has the right key`);
      } catch (error) {
        if (errorName(error) !== 'ResourceNotFoundException') throw error;
        return broken(
          `${tableName} does not exist in this Region`,
          'Deploy the stack (docs/deploy.md), or name another with --table and --region.',
        );
      }
    },
  },
  {
    title: 'Table access',
    needs: 'dynamodb:Scan and dynamodb:UpdateItem on the table, and kms:Decrypt on its key',
    run: async ({ fleet: { table, tableName } }) => {
      await table.send(new ScanCommand({ TableName: tableName, Limit: 1 }));
      try {
        await table.send(
          new UpdateCommand({
            TableName: tableName,
            Key: { accountId: 'doctor' },
            UpdateExpression: 'SET #name = :name',
            // Never true, so that nothing is ever written.
            ConditionExpression: 'attribute_exists(accountId) AND attribute_not_exists(accountId)',
            ExpressionAttributeNames: { '#name': 'name' },
            ExpressionAttributeValues: { ':name': 'doctor' },
          }),
        );
      } catch (error) {
        if (errorName(error) !== 'ConditionalCheckFailedException') throw error;
      }
      return good('you may read and write it');
    },
  },
  {
    title: 'Secrets access',
    needs: 'secretsmanager:GetSecretValue on the secrets below the prefix',
    run: async ({ fleet: { secrets, secretNamePrefix } }) => {
      for (const kind of ['accounts', 'profiles'])
        try {
          // Nobody has this name. "Not found" shows that you may read, "denied" that you may not.
          const SecretId = `${secretNamePrefix}${kind}/doctor.no-such-secret`;
          await secrets.send(new GetSecretValueCommand({ SecretId }));
        } catch (error) {
          if (errorName(error) !== 'ResourceNotFoundException') throw error;
        }
      return good(`you may read below ${secretNamePrefix}`);
    },
  },
  {
    title: 'Escrow key',
    needs: 'kms:DescribeKey',
    run: async ({ fleet, kms }) => {
      const KeyId = await escrowKeyOf(fleet);
      if (KeyId === undefined)
        return broken(
          "the function has none: tokens that can't be stored would be lost",
          'Set ESCROW_KEY_ID, or deploy the stack again.',
        );
      const state = await kms
        .send(new DescribeKeyCommand({ KeyId }))
        .then(({ KeyMetadata }) => KeyMetadata?.KeyState)
        .catch((error: unknown) => {
          if (errorName(error) === 'NotFoundException') return 'not there';
          throw error;
        });
      if (state === 'Enabled') return good('enabled');
      return broken(`is ${state}: tokens that can't be stored would be lost`, keyTodo(KeyId, state));
    },
  },
  { title: 'Clock', needs: 'dynamodb:DescribeTable', run: checkClock },
];

function keyTodo(keyId: string, state: string | undefined): string {
  if (state === 'not there') return 'Deploy the stack again.';
  return state === 'PendingDeletion'
    ? `Keep it: aws kms cancel-key-deletion --key-id ${keyId}; then enable-key.`
    : `Enable it: aws kms enable-key --key-id ${keyId}`;
}

/** Seconds by which a lease outlives its holder. Clocks may differ by no more. */
const TOLERANCE_SECONDS = 30;

async function checkClock({ fleet: { table, tableName }, now }: Patient): Promise<Finding> {
  const serviceTime = noteServiceTime(table);
  await table.send(new DescribeTableCommand({ TableName: tableName }));
  const time = serviceTime();
  if (time === undefined) return notApplicable('the response had no date');
  const seconds = Math.round((now() - time) / 1000);
  if (Math.abs(seconds) <= TOLERANCE_SECONDS) return good('this machine and the service agree');
  return attention(
    `this machine is ${duration(Math.abs(seconds))} ${seconds > 0 ? 'ahead of' : 'behind'} the service`,
    'Set its clock by a time server (NTP): expiries that it writes would be wrong.',
  );
}
