import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EnableRuleCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { DeleteFunctionConcurrencyCommand, LambdaClient } from '@aws-sdk/client-lambda';
import type { Drill } from './drills.ts';
import { BUILT, STACK } from './world.ts';

const MINUTE = 60;

/** What operators change on purpose. */
export const changeDrills: Readonly<Record<string, Drill>> = {
  drain: {
    make: async (world) => {
      const provider = await world.customers('drained', ['drained', 'in-flight']);
      const expiresAt = Math.floor(Date.now() / 1_000) + 4;
      await world.change('in-flight', 'lease', { owner: 'another run', expiresAt });
      return {
        before: {
          'cli resume': async () => {
            if ((await world.shell.paste('leased')).printed.trim() !== '')
              throw new Error('A lease is left.');
            await world.tick();
            if (provider.truth('drained').requests > 0) throw new Error('A paused account was refreshed.');
          },
        },
        healed: async () => {
          await world.tick({ later: 5 * MINUTE });
          return await world.unhealthy(provider, ['drained', 'in-flight']);
        },
      };
    },
  },
  'roll-back-a-release': {
    make: async (world) => {
      const provider = await world.customers('release', ['release']);
      world.aws.module = join(world.directory, 'broken-release.mjs');
      await world.tick().catch(() => undefined);
      return {
        values: { 'checkout OLD': 'checkout v0.0.1' },
        before: {
          'git checkout': async () => {
            if ((await world.item('release'))?.lastRefreshedAt !== undefined)
              throw new Error('It was refreshed.');
            world.aws.module = BUILT;
          },
        },
        healed: async () => {
          await world.tick();
          return await world.unhealthy(provider, ['release']);
        },
      };
    },
  },
  'rotate-a-client-secret': {
    make: async (world) => {
      const ids = ['rotated-1', 'rotated-2'];
      const provider = await world.customers('rotated', ids);
      provider.alsoAccept('CANARY-second-secret');
      await world.change('rotated-2', 'accessTokenExpiresAt', Math.floor(Date.now() / 1_000) + 3_000);
      world.write('changed.json', { client_secret: 'CANARY-second-secret' });
      return {
        values: { PROFILE: 'rotated', ACCOUNT: 'rotated-1' },
        before: { 'cli pause': async () => provider.rotateClientSecret('CANARY-second-secret') },
        healed: async () => {
          await world.tick({ later: 55 * MINUTE });
          const { printed } = await world.shell.paste('why client_rejected');
          if (printed.includes('rotated-')) return 'a refresh failed';
          if (existsSync(join(world.directory, 'changed.json'))) return 'the new secret lies in a file';
          return await world.unhealthy(provider, ['rotated-2']);
        },
      };
    },
  },
  'rotate-a-key': {
    make: async (world) => {
      const provider = await world.customers('old-key', ['old-key']);
      world.aws.fault = ({ operation, byFunction }) =>
        byFunction && operation === 'secretsmanager.PutSecretValue'
          ? { type: 'AccessDeniedException' }
          : undefined;
      await world.tick();
      if ((await world.item('old-key'))?.escrow === undefined) throw new Error('Nothing is in escrow.');
      return {
        values: { 'key-id KEY': `key-id ${world.outputs.EscrowKeyArn?.split('/').at(-1)}` },
        sees: { 'get-key-rotation-status': /true/ },
        healed: async () => {
          world.aws.fault = undefined;
          await world.tick({ later: 5 * MINUTE });
          return await world.unhealthy(provider, ['old-key']);
        },
      };
    },
  },
  'move-to-another-region-or-aws-account': {
    beforehand: ['stop-the-old-one'],
    make: async (world) => {
      const provider = await world.customers('moved', ['moved-1', 'moved-2']);
      await world.tick();
      const [Name] = (world.outputs.RuleNames ?? '').split(',');
      const FunctionName = world.outputs.FunctionName;
      const newTable = async () => {
        await world.moveTo(STACK, 'eu-west-1');
        values.NEW_TABLE = world.outputs.AccountsTableName ?? '';
      };
      const values: Record<string, string> = {
        NEW_REGION: 'eu-west-1',
        OLD_REGION: 'us-east-1',
        OLD_ID: '123456789012',
      };
      return {
        values,
        before: {
          'aws secretsmanager list-secrets': async () => {
            if ((await world.tick()).length > 0) throw new Error('The old one runs.');
            await newTable();
          },
        },
        healed: async () => {
          await world.tick({ later: 57 * MINUTE });
          const wrong = await world.unhealthy(provider, ['moved-1', 'moved-2']);
          const { requests } = provider.truth('moved-1');
          await world.forget();
          await world.moveTo(STACK, 'us-east-1');
          await world.client(EventBridgeClient).send(new EnableRuleCommand({ Name }));
          await world.client(LambdaClient).send(new DeleteFunctionConcurrencyCommand({ FunctionName }));
          return requests < 2 ? 'the new one refreshes nobody' : wrong;
        },
      };
    },
  },
  'delete-a-customers-data': {
    make: async (world) => {
      const provider = await world.customers('leaving', ['leaving', 'staying']);
      await world.tick();
      return {
        values: { ACCOUNT: 'leaving' },
        healed: async () => {
          if ((await world.item('leaving')) !== undefined) return 'its item is still there';
          const left = await world.tokens('leaving').catch(() => undefined);
          if (left !== undefined) return 'its secret is still there';
          return await world.unhealthy(provider, ['staying']);
        },
      };
    },
  },
};
