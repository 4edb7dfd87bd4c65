import { rm, writeFile } from 'node:fs/promises';
import { constants, gunzipSync } from 'node:zlib';
import { KMSClient } from '@aws-sdk/client-kms';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import { createEscrowVault, type Escrowed } from '../../adapters/aws/escrow.ts';
import type { EscrowKind } from '../../core/account/account.ts';
import { tokenSecretIdOf } from '../../core/account/secret-id.ts';
import { callersPath } from '../../local/callers-path.ts';
import { duration, type FleetItem } from '../../terminal/fleet-table.ts';
import { printable } from '../../terminal/printable.ts';
import { CliError, EXIT } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import { escrowKeyOf } from '../shared/escrow-key.ts';
import type { Fleet } from '../shared/fleet.ts';
import { escrowKind } from './escrow.ts';
import { now, readItem } from './items.ts';

export interface AnswerOptions {
  readonly out: string;
}

/**
 * Hands a person the provider's answer in which no token could be read. It may hold the account's only refresh token,
 * so it goes into a file that nobody else can read, and onto no screen.
 */
export async function handOutAnswer(
  context: Context,
  accountId: string,
  { out }: AnswerOptions,
): Promise<undefined> {
  const { terminal } = context;
  if (out === '-' || out === '')
    throw new CliError(
      'USAGE',
      '--out: name a file. The response may hold tokens, so it is never shown.',
      EXIT.usage,
    );
  const fleet = await context.fleet();
  const item = await readItem(fleet, accountId);
  const id = printable(accountId);
  const escrow = item.escrow as { ciphertext?: unknown } | null | undefined;
  if (escrow === undefined)
    throw new CliError('NOTHING_IN_ESCROW', `Nothing of ${id} is in escrow. More: accounts show ${id}`);
  const kind = escrowKind(escrow);
  if (kind === 'unknown' || typeof escrow?.ciphertext !== 'string')
    throw new CliError(
      'ESCROW_UNREADABLE',
      `What is in escrow of ${id} was put there by a newer version. Use the command line of that version.`,
    );
  const { answer, obtainedAt } = await open(fleet, accountId, { kind, ciphertext: escrow.ciphertext });
  if (answer === undefined) throw noAnswer(id, kind);
  const { bytes, unpacked } = unpack(answer);
  const file = callersPath(out, terminal.env);
  await writeForOne(file, bytes);
  terminal.result(
    [
      `${terminal.paint('green', '✓')} A response of ${id}'s provider is in ${printable(file)}. Only you can read that file.`,
      ...adviceFor(fleet, item, { kind, obtainedAt, unpacked }).map((line) => `  ${line}`),
    ].join('\n'),
    { accountId, file, bytes: bytes.length, gzip: !unpacked, kind, obtainedAt },
  );
  return undefined;
}

function adviceFor(
  { secretNamePrefix }: Fleet,
  { accountId, tokenSecretId }: FleetItem,
  { kind, obtainedAt, unpacked }: { kind: EscrowKind; obtainedAt: number; unpacked: boolean },
): string[] {
  const id = printable(accountId);
  const secret = tokenSecretIdOf(secretNamePrefix, {
    accountId,
    tokenSecretId: typeof tokenSecretId === 'string' ? tokenSecretId : undefined,
  });
  const usual = tokenSecretIdOf(secretNamePrefix, { accountId });
  return [
    `It came ${duration(Math.max(0, now() - obtainedAt))} ago. The function could read no token in it.${unpacked ? '' : ' It is still gzipped.'}`,
    ...(kind === 'answer'
      ? []
      : ['A later refresh token is in escrow, too. The function stores it by itself.']),
    ...(secret === usual
      ? [
          `If you find a refresh token in it, put it into the secret ${printable(secret)}, as refresh_token,`,
          `and run: accounts refresh ${id} --force`,
        ]
      : [
          `If you find a refresh token in it, it belongs into the secret that tokenSecretId names,`,
          `${printable(secret)}. Make sure that this is the account's and no other's; then put it there, as`,
          `refresh_token, and run: accounts refresh ${id} --force`,
        ]),
    `If you find none: authorize ${id}`,
    'It may hold tokens: delete the file when you are done. In escrow it stays until the account is refreshed.',
  ];
}

function noAnswer(id: string, kind: EscrowKind): CliError {
  const what =
    kind === 'token'
      ? 'a refresh token that could not be stored; the next run stores it'
      : 'what looks like a refresh token; the next attempt at the account tries it';
  return new CliError(
    'NO_ANSWER',
    `In escrow of ${id} is ${what}. You need not do anything, and there is no response to look at.`,
  );
}

async function open(
  fleet: Fleet,
  accountId: string,
  escrow: { readonly kind: EscrowKind; readonly ciphertext: string },
): Promise<Escrowed> {
  const id = printable(accountId);
  const keyId = await escrowKeyOf(fleet);
  if (keyId === undefined)
    throw new CliError('NO_ESCROW_KEY', 'The function has no escrow key (ESCROW_KEY_ID). See "doctor".');
  try {
    return await createEscrowVault(new KMSClient(fleet.config), keyId).open(accountId, escrow);
  } catch (error) {
    const { kind, code } = awsFailure(error);
    if (/Disabled|InvalidState|NotFound|KeyUnavailable/.test(code))
      throw new CliError(
        'ESCROW_KEY_UNUSABLE',
        `The escrow key ${keyId} can't be used (${code}). See "doctor". If the key waits for its deletion, you can keep it: aws kms cancel-key-deletion.`,
      );
    if (kind === 'denied')
      throw new CliError(
        'ACCESS_DENIED',
        `You may not decrypt what is in escrow of ${id} (${code}). You need a permission for that: kms:Decrypt on the escrow key ${keyId}, with the encryption context use=escrow.`,
      );
    // What the service did not refuse itself is about what was to be read.
    if (error instanceof Error && '$metadata' in error && !/InvalidCiphertext|IncorrectKey/.test(code))
      throw error;
    throw new CliError(
      'ESCROW_UNREADABLE',
      `What is in escrow of ${id} can't be read: it was made for another account or another key, or was changed.`,
    );
  }
}

/** Nobody keeps more of an answer. */
const MOST_BYTES = 64 * 1024 * 1024;

function unpack(answer: Uint8Array): { readonly bytes: Uint8Array; readonly unpacked: boolean } {
  try {
    const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MOST_BYTES };
    return { bytes: gunzipSync(answer, options), unpacked: true };
  } catch {
    return { bytes: answer, unpacked: false };
  }
}

/** Makes a new file that only this user can read. */
async function writeForOne(file: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFile(file, bytes, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const { code = 'UNKNOWN' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST')
      throw new CliError(
        'FILE_EXISTS',
        `${printable(file)} exists already and stays as it is. Name another file.`,
      );
    // What was made here may hold half of it.
    if (!['ENOENT', 'EACCES', 'EPERM', 'EISDIR', 'ENOTDIR', 'EROFS'].includes(code))
      await rm(file, { force: true });
    throw new CliError(
      'FILE_UNWRITABLE',
      `${printable(file)} can't be written (${code}). Name another file.`,
    );
  }
}
