import { describe, expect, test } from 'vitest';
import type { AwsFailure } from '../../adapters/aws/aws-error.ts';
import { createProfiles } from '../../adapters/aws/profiles.ts';
import type { ReadSecret, Secrets } from '../../adapters/aws/secrets.ts';
import { readTokenSet } from '../../adapters/aws/token-secret.ts';

/** Secrets that are all read so. */
function secretsThatAre(read: ReadSecret): Secrets {
  const notHere = () => Promise.reject(new Error('is not asked for here'));
  const others = { put: notHere, replace: notHere, relabel: notHere, fence: notHere, versionDates: notHere };
  return { read: async () => read, readVersion: async () => read, ...others };
}

const tokensIn = (read: ReadSecret, id = 'oauth/accounts/acme') => readTokenSet(id, secretsThatAre(read));
const profileIn = (read: ReadSecret) => createProfiles(secretsThatAre(read), 'oauth/', 300).load('crm');

const failed = (kind: AwsFailure['kind'], code: string): ReadSecret => ({
  kind: 'failed',
  failure: { kind, code },
});

describe('a secret that can’t be read', () => {
  const rows: readonly { because: string; read: ReadSecret; tokens: string; profile: string }[] = [
    {
      because: 'the role may not',
      read: failed('denied', 'AccessDeniedException'),
      tokens: 'permission_missing',
      profile: 'permission_missing',
    },
    {
      because: 'its key can’t decrypt it',
      read: failed('refused', 'DecryptionFailure'),
      tokens: 'permission_missing',
      profile: 'permission_missing',
    },
    {
      because: 'its key is disabled',
      read: failed('refused', 'KMSDisabledException'),
      tokens: 'permission_missing',
      profile: 'permission_missing',
    },
    {
      because: 'its key waits for its deletion',
      read: failed('refused', 'KMSInvalidStateException'),
      tokens: 'permission_missing',
      profile: 'permission_missing',
    },
    {
      because: 'its key is gone',
      read: failed('refused', 'KmsNotFoundException'),
      tokens: 'permission_missing',
      profile: 'permission_missing',
    },
    {
      because: 'no secret can have that name',
      read: failed('refused', 'ValidationException'),
      tokens: 'secret_invalid',
      profile: 'profile_invalid',
    },
    {
      because: 'too much is asked at once',
      read: failed('throttled', 'ThrottlingException'),
      tokens: 'store_unavailable',
      profile: 'store_unavailable',
    },
    {
      because: 'nobody answers',
      read: failed('unavailable', 'ECONNREFUSED'),
      tokens: 'store_unavailable',
      profile: 'store_unavailable',
    },
  ];
  test.each(rows)('because $because is told as that', async ({ read, tokens, profile }) => {
    const code = read.kind === 'failed' ? read.failure.code : '';
    const account = await tokensIn(read);
    expect(account).toMatchObject({ kind: 'failed', reason: tokens });
    expect(account.kind === 'failed' && account.detail).toContain(`can't be read (${code})`);
    const client = await profileIn(read);
    expect(client).toMatchObject({ kind: 'unusable', reason: profile });
    expect(client.kind === 'unusable' && client.detail).toContain(`profile "crm" can't be read (${code})`);
  });
});

describe('a secret that waits for its deletion', () => {
  const waiting: ReadSecret = { kind: 'missing', awaitingDeletion: true };

  test('is missing, with the command that restores it', async () => {
    expect(await tokensIn(waiting)).toEqual({
      kind: 'failed',
      reason: 'secret_missing',
      detail:
        'The token secret "oauth/accounts/acme" waits for its deletion and can be restored: "aws secretsmanager restore-secret --secret-id oauth/accounts/acme"',
    });
    expect(await profileIn(waiting)).toEqual({
      kind: 'unusable',
      reason: 'profile_missing',
      detail:
        'The profile secret of oauthProfile "crm" waits for its deletion and can be restored: "aws secretsmanager restore-secret --secret-id oauth/profiles/crm"',
    });
  });

  test('has its name in the command so that a shell takes it as one word', async () => {
    const failed = await tokensIn(waiting, "odd 'name; rm");
    expect(failed.kind === 'failed' && failed.detail).toContain("--secret-id 'odd '\\''name; rm'");
  });

  test('is told from one that is not there', async () => {
    const gone: ReadSecret = { kind: 'missing', awaitingDeletion: false };
    expect(await tokensIn(gone)).toMatchObject({
      reason: 'secret_missing',
      detail: 'The token secret "oauth/accounts/acme" does not exist',
    });
    expect(await profileIn(gone)).toMatchObject({
      reason: 'profile_missing',
      detail: 'The profile secret of oauthProfile "crm" does not exist',
    });
  });
});
