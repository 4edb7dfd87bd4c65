import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DynamoDBClient, ScanCommand, UpdateTableCommand } from '@aws-sdk/client-dynamodb';
import { DisableRuleCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import {
  DisableKeyCommand,
  EnableKeyCommand,
  KMSClient,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms';
import { LambdaClient, PutFunctionConcurrencyCommand } from '@aws-sdk/client-lambda';
import { DeleteSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { GetQueueAttributesCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { MINIMUM_TIME } from '../../lambda/attempt/spend-refresh-token.ts';
import type { Call, Fault } from './aws.ts';
import type { Drill } from './drills.ts';
import type { DrillWorld } from './world.ts';

const MINUTE = 60;
const DENIED: Fault = { type: 'AccessDeniedException' };

/** The function's calls of these operations, about this account where one is named. */
const functionCalls = (call: Call, operations: readonly string[], accountId = '') =>
  call.byFunction && operations.includes(call.operation) && call.body.includes(accountId);

const putOf = (accountId: string, fault: Fault) => (call: Call) =>
  functionCalls(call, ['secretsmanager.PutSecretValue'], accountId) ? fault : undefined;

const escrowKey = (world: DrillWorld) => world.outputs.EscrowKeyArn?.split('/').at(-1) ?? '';

/** Trouble of the deployed parts. */
export const fleetDrills: Readonly<Record<string, Drill>> = {
  'did-not-run': {
    make: async (world) => {
      const provider = await world.customers('stopped', ['stopped']);
      const [Name] = (world.outputs.RuleNames ?? '').split(',');
      await world.client(EventBridgeClient).send(new DisableRuleCommand({ Name }));
      await world.client(LambdaClient).send(
        new PutFunctionConcurrencyCommand({
          FunctionName: world.outputs.FunctionName,
          ReservedConcurrentExecutions: 0,
        }),
      );
      if ((await world.tick()).length > 0) throw new Error('It runs.');
      return {
        sees: { 'cli doctor': /is DISABLED[\s\S]*|reserved concurrency is 0/ },
        healed: async () => {
          await world.tick();
          return await world.unhealthy(provider, ['stopped']);
        },
      };
    },
  },
  errors: {
    make: async (world) => {
      const provider = await world.customers('errors', ['errors']);
      world.aws.fault = (call) => (functionCalls(call, ['dynamodb.Scan']) ? DENIED : undefined);
      await world.tick();
      world.aws.fault = undefined;
      world.aws.concurrencyIsUsedUp = true;
      return {
        sees: { 'The run failed': /AccessDeniedException/ },
        healed: async () => {
          const [ran] = await world.tick();
          world.aws.concurrencyIsUsedUp = false;
          return ran === 'TooManyRequestsException'
            ? 'it is throttled'
            : await world.unhealthy(provider, ['errors']);
        },
      };
    },
  },
  'writes-throttled': {
    make: async (world) => {
      const provider = await world.customers('throttled', ['throttled']);
      world.aws.fault = putOf('throttled', { type: 'ThrottlingException' });
      world.aws.writers.push('nightly-sync', 'nightly-sync', 'nightly-sync');
      await world.tick({ timeout: MINIMUM_TIME + 5_000 });
      return {
        sees: { cloudtrail: /[3-9] nightly-sync/ },
        healed: async () => {
          world.aws.fault = undefined;
          await world.tick({ later: 5 * MINUTE });
          return await world.unhealthy(provider, ['throttled']);
        },
      };
    },
  },
  'the-table-is-throttled': {
    make: async (world) => {
      const provider = await world.customers('slow-table', ['slow-table']);
      await world.client(DynamoDBClient).send(
        new UpdateTableCommand({
          TableName: world.outputs.AccountsTableName,
          BillingMode: 'PROVISIONED',
          ProvisionedThroughput: { ReadCapacityUnits: 1, WriteCapacityUnits: 1 },
        }),
      );
      let isProvisioned = true;
      world.aws.fault = (call) => {
        if (call.operation === 'dynamodb.UpdateTable' && call.body.includes('PAY_PER_REQUEST'))
          isProvisioned = false;
        return isProvisioned && functionCalls(call, ['dynamodb.Scan'])
          ? { type: 'ProvisionedThroughputExceededException' }
          : undefined;
      };
      await world.tick({ timeout: MINIMUM_TIME });
      return {
        sees: { logs: /ProvisionedThroughputExceededException/, 'describe-table': /PROVISIONED/ },
        healed: async () => {
          await world.tick();
          return await world.unhealthy(provider, ['slow-table']);
        },
      };
    },
  },
  'escrow-in-use': {
    make: async (world) => {
      const provider = await world.customers('escrowed', ['escrowed']);
      world.aws.fault = putOf('escrowed', DENIED);
      await world.tick();
      return {
        sees: { escrow: /escrowed\s+token/ },
        healed: async () => {
          world.aws.fault = undefined;
          await world.tick({ later: 5 * MINUTE });
          return await world.unhealthy(provider, ['escrowed']);
        },
      };
    },
  },
  'escrow-unavailable': {
    make: async (world) => {
      const provider = await world.customers('no-escrow', ['no-escrow']);
      const kms = world.client(KMSClient);
      await kms.send(new DisableKeyCommand({ KeyId: escrowKey(world) }));
      await world.tick();
      return {
        sees: { why: /permission_missing/, 'cli doctor': /is Disabled/ },
        healed: async () => {
          await kms.send(new EnableKeyCommand({ KeyId: escrowKey(world) }));
          const { printed } = await world.shell.paste('cli doctor');
          if (!/Escrow key +enabled/.test(printed)) return 'doctor finds no key';
          return await world.unhealthy(provider, ['no-escrow']);
        },
      };
    },
  },
  'dead-letter-queue-not-empty': {
    make: async (world) => {
      const provider = await world.customers('letters', ['letters']);
      const QueueUrl = world.outputs.DeadLetterQueueUrl;
      const queue = world.client(SQSClient);
      const MessageBody = JSON.stringify({ requestContext: { condition: 'RetriesExhausted' } });
      await queue.send(new SendMessageCommand({ QueueUrl, MessageBody }));
      return {
        sees: { 'receive-message': /RetriesExhausted/ },
        healed: async () => {
          const { Attributes } = await queue.send(
            new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] }),
          );
          await world.tick();
          if (Attributes?.ApproximateNumberOfMessages !== '0') return 'the queue is not empty';
          return await world.unhealthy(provider, ['letters']);
        },
      };
    },
  },
  'events-are-owed': {
    make: async (world) => {
      const provider = await world.customers('owed', ['owed']);
      world.aws.fault = (call) =>
        functionCalls(call, ['events.PutEvents']) ? { type: 'InternalFailure' } : undefined;
      provider.inject(() => ({ kind: 'answer', status: 503, body: '' }));
      await world.tick();
      await world.tick({ later: 5 * MINUTE });
      provider.inject(undefined);
      if ((await world.items()).every(({ eventOwed }) => eventOwed === undefined))
        throw new Error('No event is owed.');
      return {
        sees: { 'The event bus': /"accountId":"owed"/ },
        healed: async () => {
          world.aws.fault = undefined;
          world.aws.told.length = 0;
          await world.tick({ later: 30 * MINUTE });
          await world.tick({ later: 32 * MINUTE });
          if ((await world.items()).some(({ eventOwed }) => eventOwed !== undefined))
            return 'an event is still owed';
          return await world.unhealthy(provider, ['owed']);
        },
      };
    },
  },
  'a-permission-is-missing': {
    make: async (world) => {
      const keyDenied = (call: Call) => (functionCalls(call, ['kms.GenerateDataKey']) ? DENIED : undefined);
      world.aws.fault = keyDenied;
      await world.tick();
      const provider = await world.customers('denied', ['denied-read', 'denied-write']);
      const denied = (call: Call) =>
        functionCalls(call, ['secretsmanager.GetSecretValue'], 'denied-read') ||
        functionCalls(call, ['secretsmanager.PutSecretValue'], 'denied-write') ||
        functionCalls(call, ['events.PutEvents']);
      world.aws.fault = (call) => (denied(call) ? DENIED : undefined);
      await world.tick();
      world.aws.fault = (call) =>
        denied(call) || functionCalls(call, ['dynamodb.Scan']) ? DENIED : undefined;
      await world.tick();
      const people = (await world.items()).filter(({ status }) => status === 'reauthorization_required');
      if (people.length > 0) throw new Error('Somebody is asked to sign in.');
      return {
        sees: {
          'why permission_missing': /(?=[\s\S]*denied-read)(?=[\s\S]*denied-write)(?=[\s\S]*escrow key)/i,
          AccessDenied: /(?=[\s\S]*event bus)(?=[\s\S]*The run failed)/,
        },
        healed: async () => {
          await world.tick({ later: 5 * MINUTE });
          return await world.unhealthy(provider, ['denied-read', 'denied-write']);
        },
      };
    },
  },
  'more-work-than-time': {
    make: async (world) => {
      const provider = await world.customers('late', ['late']);
      // A share of a large table is read in a quarter of the time.
      world.aws.fault = (call) =>
        functionCalls(call, ['dynamodb.Scan']) && !call.body.includes('TotalSegments')
          ? { wait: 4_000 }
          : undefined;
      const timeout = MINIMUM_TIME + 3_000;
      await world.tick({ timeout });
      return {
        sees: { deferred: /"deferred":1/ },
        healed: async () => {
          await world.tick({ segments: 4, timeout });
          return await world.unhealthy(provider, ['late']);
        },
      };
    },
  },
  'the-table-was-lost-or-restored': {
    make: async (world) => {
      const ids = ['lost-1', 'lost-2'];
      const provider = await world.customers('lost', [...ids, 'left-us']);
      const { AccountsTableName: TableName, SecretNamePrefix } = world.outputs;
      const { Items } = await world.client(DynamoDBClient).send(new ScanCommand({ TableName }));
      world.aws.backup = Items;
      const SecretId = `${SecretNamePrefix}accounts/left-us`;
      await world
        .client(SecretsManagerClient)
        .send(new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 7 }));
      for (const accountId of ['left-us', 'lost-1']) await world.remove(accountId);
      await world.tick();
      return {
        values: { ACCOUNT: 'lost-2' },
        sees: { 'report secrets': /lost-1/ },
        // It is there.
        fails: ['put_items'],
        healed: async () => {
          world.aws.backup = undefined;
          if ((await world.item('left-us')) !== undefined) return 'the customer who left is back';
          await world.tick();
          return await world.unhealthy(provider, ids);
        },
      };
    },
  },
  'a-key-was-disabled-or-deleted': {
    make: async (world) => {
      const ids = ['key-kept', 'key-gone'];
      const provider = await world.customers('keys', ids);
      world.aws.fault = putOf('key-kept', DENIED);
      await world.change('key-gone', 'enabled', false);
      await world.tick();
      world.aws.fault = undefined;
      const escrow = { kind: 'token', ciphertext: 'of a key that is gone', attemptId: 'drill', at: 1 };
      await world.change('key-gone', 'escrow', escrow);
      await world.change('key-gone', 'enabled', true);
      const KeyId = escrowKey(world);
      await world.client(KMSClient).send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
      await world.tick({ later: 3 * MINUTE });
      return {
        values: { ACCOUNT: 'key-gone', 'key-id KEY': `key-id ${KeyId}` },
        sees: { 'describe-stack-resources': /EscrowKey/, 'KeyMetadata.[KeyState': /PendingDeletion/ },
        healed: async () => {
          await world.tick({ later: 20 * MINUTE });
          return await world.unhealthy(provider, ids);
        },
      };
    },
  },
  'the-clock-is-wrong': {
    make: async (world) => {
      const provider = await world.customers('clock', ['clock']);
      world.aws.clockError = 60 * MINUTE;
      await world.tick();
      return {
        values: { PROFILE: 'clock' },
        sees: { 'clock is': /3[56][0-9][0-9] s ahead/ },
        healed: async () => {
          if (world.aws.clockError !== 0) return 'the clock is still wrong';
          const { accessTokenExpiresAt } = (await world.item('clock')) ?? {};
          if (Number(accessTokenExpiresAt) > Date.now() / 1_000 + 3_700) return 'its expiry is wrong';
          return await world.unhealthy(provider, ['clock']);
        },
      };
    },
  },
  'nobody-is-subscribed': {
    make: async (world) => ({
      sees: { 'sns subscribe': /arn:aws:sns/ },
      healed: async () => {
        const { printed } = await world.shell.paste(
          'aws sns list-subscriptions-by-topic --topic-arn "$(output AlarmTopicArn)" --output text',
        );
        return printed.includes('you@example.com') ? undefined : 'nobody is subscribed';
      },
    }),
  },
  'test-an-alarm': {
    make: async (world) => {
      const file = join(world.directory, 'alarm.json');
      const AlarmName = 'OAuthTokenRefresher-prod-Refresher-DeadLetters';
      writeFileSync(
        file,
        JSON.stringify({
          AlarmName,
          AlarmActions: [world.outputs.AlarmTopicArn],
          MetricName: 'ApproximateNumberOfMessagesVisible',
          Namespace: 'AWS/SQS',
          Statistic: 'Maximum',
          Period: 60,
          EvaluationPeriods: 1,
          Threshold: 1,
          ComparisonOperator: 'GreaterThanOrEqualToThreshold',
        }),
      );
      await world.shell.paste(`aws cloudwatch put-metric-alarm --cli-input-json 'file://${file}'`);
      return {
        values: { ALARM_NAME: AlarmName },
        sees: { 'describe-alarms': new RegExp(AlarmName) },
        healed: async () => {
          const { printed } = await world.shell.paste('aws cloudwatch describe-alarms --state-value ALARM');
          return printed.includes(AlarmName) ? undefined : 'the alarm is not on';
        },
      };
    },
  },
};
