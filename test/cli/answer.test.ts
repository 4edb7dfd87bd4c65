import { createCipheriv, randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { GenerateDataKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { LOCAL_ESCROW_KEY } from '../../local/clients.ts';
import { clientSettings } from '../support/aws-endpoint.ts';
import type { Ended } from '../support/cli.ts';
import { seconds, startFleet, type TestFleet } from '../support/fleet.ts';

let fleet: TestFleet;
const folder = mkdtempSync(join(tmpdir(), 'answers-'));
beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await fleet.close();
});
afterEach(() => fleet.system.aws.inject(undefined));

const ANSWER = '<html>refresh_token: SECRET-OF-THE-ANSWER</html>';

/** What the contract says of the format, made by hand. */
async function sealed(accountId: string, kind: string | undefined, content: object): Promise<string> {
  const kms = new KMSClient(clientSettings(fleet.system.aws.url, fleet.system.aws.keys));
  const { Plaintext = new Uint8Array(), CiphertextBlob = new Uint8Array() } = await kms.send(
    new GenerateDataKeyCommand({
      KeyId: LOCAL_ESCROW_KEY,
      KeySpec: 'AES_256',
      EncryptionContext: kind === undefined ? { accountId } : { use: 'escrow' },
    }),
  );
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', Plaintext, iv).setAAD(
    Buffer.from(kind === undefined ? accountId : `${accountId}\n${kind}`),
  );
  const text = JSON.stringify({ supersedes: 'x', obtainedAt: seconds() - 300, ...content });
  const data = Buffer.concat([cipher.update(text), cipher.final()]);
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  return JSON.stringify({
    ...(kind !== undefined && { v: 2 }),
    key: base64(CiphertextBlob),
    iv: base64(iv),
    tag: base64(cipher.getAuthTag()),
    data: base64(data),
  });
}

async function inEscrow(accountId: string, kind: string | undefined, content: object, sealedFor = accountId) {
  const ciphertext = await sealed(sealedFor, kind, content);
  const escrow = { ...(kind !== undefined && { kind }), ciphertext, attemptId: 'a', at: seconds() - 300 };
  await fleet.put({
    accountId,
    authenticationType: 'oauth2',
    oauthProfile: 'crm',
    status: 'failing',
    escrow,
  });
}

const packed = (text: string) => gzipSync(text).toString('base64');
const handOut = (accountId: string, file: string): Promise<Ended> =>
  fleet.run(['accounts', 'answer', accountId, '--out', join(folder, file)]);

describe('accounts answer', () => {
  test.each([
    ['a response in which no token could be read', 'answer', {}],
    ['one that lies beside a candidate', 'candidate', { refreshToken: 'a-candidate-of-16-characters' }],
    ['one that lies beside a refresh token', 'token', { refreshToken: 'a-refresh-token' }],
  ])('writes %s into a file that only its user can read, and shows none of it', async (_, kind, more) => {
    const id = `of-${kind}`;
    await inEscrow(id, kind, { ...more, answer: packed(ANSWER) });
    const { code, stdout, stderr } = await handOut(id, id);
    expect({ code, stderr }).toEqual({ code: 0, stderr: `Reading the local system (${fleet.data}).\n` });
    expect(readFileSync(join(folder, id), 'utf8')).toBe(ANSWER);
    expect(statSync(join(folder, id)).mode & 0o777).toBe(0o600);
    expect(stdout).toContain('It came 5 min ago');
    expect(stdout).toContain(`authorize ${id}`);
    expect(stdout).not.toMatch(/SECRET|candidate-of|a-refresh-token/);
  });

  test('hands out bytes that are no text as they are', async () => {
    const bytes = Buffer.from([0xff, 0x00, 0x1f, 0x8b, 0x08, 0x0a]);
    await inEscrow('bytes', 'answer', { answer: gzipSync(bytes).toString('base64') });
    expect((await handOut('bytes', 'bytes')).code).toBe(0);
    expect(readFileSync(join(folder, 'bytes'))).toEqual(bytes);
  });

  test('hands out the beginning where the end is missing', async () => {
    await inEscrow('cut', 'answer', {
      answer: gzipSync(ANSWER.repeat(50) + randomBytes(500).toString('hex'))
        .subarray(0, 200)
        .toString('base64'),
    });
    expect((await handOut('cut', 'cut')).code).toBe(0);
    expect(readFileSync(join(folder, 'cut'), 'utf8')).toContain('SECRET-OF-THE-ANSWER');
  });

  test.each([
    ['a file', (path: string) => writeFileSync(path, 'mine')],
    ['a link to nowhere', (path: string) => symlinkSync(join(folder, 'nowhere'), path)],
  ])('%s that is there is not written over', async (what, make) => {
    const file = what.replaceAll(' ', '-');
    make(join(folder, file));
    await inEscrow('kept', 'answer', { answer: packed(ANSWER) });
    const { code, stderr } = await handOut('kept', file);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('stays as it is') });
    expect(() => statSync(join(folder, 'nowhere'))).toThrow();
  });

  test.each<[string, string | undefined, object, RegExp]>([
    ['a refresh token', 'token', { refreshToken: 'r' }, /the next run stores it\. You need not do anything/],
    ['a refresh token of 0.1.0', undefined, { refreshToken: 'r' }, /the next run stores it/],
    ['a candidate', 'candidate', { refreshToken: 'r' }, /the next attempt at the account tries it/],
    ['something newer', 'later', {}, /put there by a newer version/],
  ])('of %s says that there is no response', async (what, kind, content, says) => {
    const id = `no-answer-${what.replaceAll(' ', '-')}`;
    await inEscrow(id, kind, content);
    const { code, stderr } = await handOut(id, id);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(says) });
    expect(() => statSync(join(folder, id))).toThrow();
  });

  test('says so where nothing is in escrow, and where there is no such account', async () => {
    expect((await handOut('mail-stark', 'none')).stderr).toContain('Nothing of mail-stark is in escrow');
    expect((await handOut('nix', 'none')).stderr).toContain('There is no account "nix"');
    expect((await fleet.run(['accounts', 'answer', 'mail-stark'])).code).toBe(2);
    expect((await fleet.run(['accounts', 'answer', 'mail-stark', '--out', '-'])).code).toBe(2);
  });

  test('names the permission that is missing', async () => {
    await inEscrow('denied', 'answer', { answer: packed(ANSWER) });
    fleet.system.aws.inject(({ operation }) =>
      operation === 'Decrypt'
        ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'no' }
        : undefined,
    );
    const { code, stderr } = await handOut('denied', 'denied');
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/kms:Decrypt on the escrow key .* encryption context use=escrow/s),
    });
  });

  test.each([
    ['the key is disabled', 'DisabledException', 'can’t be used (DisabledException)'],
    [
      'the key waits for its deletion',
      'KMSInvalidStateException',
      'can’t be used (KMSInvalidStateException)',
    ],
  ])('says that %s', async (_, type, says) => {
    await inEscrow('keyless', 'answer', { answer: packed(ANSWER) });
    fleet.system.aws.inject(({ operation }) =>
      operation === 'Decrypt' ? { kind: 'error', status: 400, type, message: 'no' } : undefined,
    );
    expect((await handOut('keyless', 'keyless')).stderr.replaceAll("'", '’')).toContain(says);
  });

  test('what was sealed for another account is not opened', async () => {
    await inEscrow('thief', 'answer', { answer: packed(ANSWER) }, 'victim');
    const { code, stderr } = await handOut('thief', 'thief');
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('made for another account'),
    });
  });

  test('a folder that may not be written to is named', async () => {
    await inEscrow('folder', 'answer', { answer: packed(ANSWER) });
    const { stderr } = await handOut('folder', 'nowhere/at-all');
    expect(stderr).toContain('can’t be written (ENOENT)'.replace('’', "'"));
    chmodSync(folder, 0o700);
  });
});

test.each([
  ['token', 'a refresh token waits to be stored', 'its newest refresh token is in escrow'],
  [
    'candidate',
    'what looks like a refresh token came with an odd response',
    'what may be its newest refresh token',
  ],
  ['answer', 'accounts answer shown-answer --out FILE', 'accounts answer shown-answer --out FILE'],
  ['later', 'something that this version does not know', 'something that a newer version has put there'],
])('accounts show and remove say in plain words what is in escrow: %s', async (kind, shown, refused) => {
  const id = `shown-${kind}`;
  await inEscrow(id, kind, { answer: packed(ANSWER) });
  const plain = (text: string) => text.replaceAll(/\s+/g, ' ');
  expect(plain((await fleet.run(['accounts', 'show', id])).stdout)).toContain(shown);
  expect(plain((await fleet.run(['accounts', 'remove', id, '--yes'])).stdout)).toContain(refused);
  const { value } = await fleet.json(['accounts', 'show', id]);
  expect(value).toMatchObject({ inEscrow: true, escrowKind: kind === 'later' ? 'unknown' : kind });
  expect(JSON.stringify(value)).not.toContain('ciphertext');
});
