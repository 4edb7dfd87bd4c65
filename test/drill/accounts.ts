import {
  DeleteSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { startAuthorizationServer } from '../../local/authorization-server/server.ts';
import type { StrictProvider } from '../support/strict-provider.ts';
import type { Drill } from './drills.ts';

/** A refusal that every request of a provider gets until it is taken back. */
const refuse = (provider: StrictProvider, status: number, error: string) =>
  provider.inject(() => ({
    kind: 'answer',
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ error }),
  }));

const MINUTE = 60;

/** Trouble of accounts and their profiles. */
export const accountDrills: Readonly<Record<string, Drill>> = {
  'accounts-need-a-person': {
    make: async (world) => {
      const provider = await world.customers('person', ['person-pasted', 'person-gone']);
      const signIn = await startAuthorizationServer({
        clients: [
          {
            client_id: 'person',
            client_secret: 'CANARY-person',
            token_endpoint_auth_method: 'client_secret_basic',
            accessTokenSeconds: 3_600,
          },
        ],
      });
      await world.putProfile('sign-in', {
        client_id: 'person',
        client_secret: 'CANARY-person',
        issuer: signIn.issuer,
        scope: 'openid offline_access',
      });
      await world.putAccount(
        { accountId: 'person-signed', oauthProfile: 'sign-in' },
        { refresh_token: 'gone' },
      );
      for (const accountId of ['person-pasted', 'person-gone']) provider.revoke(accountId);
      await world.tick();
      await world.tick({ later: 90 * MINUTE });
      // The one that can't be told from a provider's mistake yet.
      await world.change('person-signed', 'status', 'reauthorization_required');
      const before = ['person-pasted', 'person-gone', 'person-signed'];
      world.write('tokens.json', provider.issue('person-pasted'));
      const needs = async () =>
        (await world.items()).filter(
          ({ status, enabled }) => status === 'reauthorization_required' && enabled !== false,
        );
      return {
        values: {
          'authorize ACCOUNT': 'authorize person-signed',
          'disable ACCOUNT': 'disable person-gone',
          ACCOUNT: 'person-pasted',
        },
        sees: {
          'report sign-ins': new RegExp(before.toSorted().join('|')),
          'cli authorize': /person-signed is reauthorized/,
        },
        healed: async () => {
          await signIn.close();
          const left = await needs();
          await world.remove('person-gone');
          if (left.length > 0) return `${left.map(({ accountId }) => accountId)} still need a person`;
          if ((await world.item('person-signed'))?.status !== 'healthy')
            return 'person-signed is not healthy';
          await world.remove('person-signed');
          return await world.unhealthy(provider, ['person-pasted']);
        },
      };
    },
  },
  'access-tokens-expired': {
    make: async (world) => {
      const provider = await world.customers('expired', ['expired']);
      await world.change('expired', 'accessTokenExpiresAt', 1_700_000_000);
      refuse(provider, 503, 'temporarily_unavailable');
      await world.tick();
      return {
        sees: { 'report due': /expired[\s\S]*provider_unavailable/ },
        before: { 'all-failing': async () => provider.inject(undefined) },
        healed: () => world.unhealthy(provider, ['expired']),
      };
    },
  },
  'a-profile-is-failing': {
    make: async (world) => {
      const ids = ['trouble-1', 'trouble-2', 'trouble-3', 'trouble-4'];
      const provider = await world.customers('trouble', ids);
      refuse(provider, 401, 'invalid_client');
      await world.tick();
      return {
        values: { PROFILE: 'trouble', ACCOUNT: 'trouble-1' },
        sees: { 'report profiles': /trouble[\s\S]*client_rejected/ },
        fails: ['cli profiles check'],
        before: { 'accounts refresh': async () => provider.inject(undefined) },
        healed: async () => {
          await world.tick({ later: 2 * MINUTE });
          return await world.unhealthy(provider, ids);
        },
      };
    },
  },
  'a-profile-is-at-risk': {
    afterwards: ['a-client-is-rejected'],
    make: async (world) => {
      const provider = await world.customers('risk', ['risk']);
      const secrets = world.client(SecretsManagerClient);
      const SecretId = `${world.outputs.SecretNamePrefix}profiles/risk`;
      const SecretString = JSON.stringify({ ...provider.profile, client_secret: 'CANARY-mistyped' });
      await secrets.send(new PutSecretValueCommand({ SecretId, SecretString }));
      await world.tick();
      const wrong = await world.unhealthy(provider, ['risk']);
      if (wrong !== undefined) throw new Error(`The version before should have served: ${wrong}`);
      world.write('changed.json', { client_secret: provider.profile.client_secret });
      return {
        values: { PROFILE: 'risk', ACCOUNT: 'risk' },
        sees: { 'cli doctor': /risk/, 'cli profiles check': /client/ },
        fails: ['cli profiles check PROFILE'],
        healed: async () => {
          const { printed } = await world.shell.paste('cli profiles check risk');
          return /rejects|refuses/.test(printed) ? printed : await world.unhealthy(provider, ['risk']);
        },
      };
    },
  },
  'a-client-is-rejected': {
    make: async (world) => {
      const provider = await world.customers('rejected', ['rejected']);
      provider.rotateClientSecret('CANARY-new-secret');
      await world.tick();
      world.write('changed.json', { client_secret: 'CANARY-new-secret' });
      return {
        values: { PROFILE: 'rejected', ACCOUNT: 'rejected' },
        sees: { why: /"accountId":"rejected"/ },
        healed: () => world.unhealthy(provider, ['rejected']),
      };
    },
  },
  'a-provider-is-down': {
    make: async (world) => {
      const ids = ['down-1', 'down-2'];
      const provider = await world.customers('down', ids);
      refuse(provider, 503, 'temporarily_unavailable');
      await world.tick();
      return {
        values: { PROFILE: 'down', ACCOUNT: 'down-1' },
        sees: { WARN: /"accountId":"down-1"/ },
        before: { 'accounts refresh': async () => provider.inject(undefined) },
        healed: async () => {
          await world.tick({ later: 20 * MINUTE });
          return await world.unhealthy(provider, ids);
        },
      };
    },
  },
  'a-provider-refuses': {
    make: async (world) => {
      const provider = await world.customers('refuses', ['refuses']);
      const all = ['wide-1', 'wide-2', 'wide-3', 'wide-4', 'wide-5', 'wide-6'];
      const wide = await world.customers('wide', all);
      refuse(provider, 400, 'invalid_request');
      refuse(wide, 400, 'invalid_grant');
      await world.tick();
      return {
        values: { ACCOUNT: 'refuses' },
        sees: { provider_wide_refusal: /"oauthProfile":"wide"/, request_rejected: /"accountId":"refuses"/ },
        before: {
          'accounts refresh': async () => {
            provider.inject(undefined);
            wide.inject(undefined);
          },
        },
        healed: async () => {
          await world.tick({ later: 20 * MINUTE });
          await world.tick({ later: 40 * MINUTE });
          return (await world.unhealthy(provider, ['refuses'])) ?? (await world.unhealthy(wide, all));
        },
      };
    },
  },
  'what-people-wrote-cant-be-used': {
    make: async (world) => {
      const provider = await world.customers('written', ['written']);
      const SecretId = `${world.outputs.SecretNamePrefix}accounts/written`;
      await world
        .client(SecretsManagerClient)
        .send(new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 7 }));
      await world.tick();
      return {
        values: { ACCOUNT: 'written' },
        sees: { 'accounts show': /secret_missing|deletion/ },
        healed: () => world.unhealthy(provider, ['written']),
      };
    },
  },
  'tokens-live-too-briefly': {
    make: async (world) => {
      const provider = await world.customers('briefly', ['briefly']);
      world.aws.fault = ({ operation, byFunction }) =>
        operation === 'secretsmanager.PutSecretValue' && byFunction
          ? { type: 'LimitExceededException' }
          : undefined;
      await world.tick();
      world.write('changed.json', { refresh_window_seconds: 180 });
      return {
        values: { PROFILE: 'briefly' },
        sees: { why: /"accountId":"briefly"/ },
        healed: async () => {
          // A day later the old versions are gone.
          world.aws.fault = undefined;
          await world.tick({ later: 25 * 60 * MINUTE });
          return await world.unhealthy(provider, ['briefly']);
        },
      };
    },
  },
};
