import { type AwsFailure, isHopeless } from './aws-error.ts';

/** What KMS and Secrets Manager say where a secret is there and its key can't be used. */
const keyTrouble =
  /^(DecryptionFailure|EncryptionFailure|Kms|KMS|DisabledException|KeyUnavailable|InvalidKeyUsage)/;

/**
 * Why a secret could not be read: `denied` where the function's role, the secret's policy or its key doesn't let it,
 * `wrong` where it can't be asked for so, `later` where nothing is known yet.
 */
export function whyUnread(failure: AwsFailure): 'denied' | 'wrong' | 'later' {
  if (failure.kind === 'denied' || keyTrouble.test(failure.code)) return 'denied';
  return isHopeless(failure) ? 'wrong' : 'later';
}

/** The end of a sentence about a secret that waits for its deletion, with the command that brings it back. */
export function waitsForDeletion(secretId: string): string {
  const quoted = /^[\w/+=.@:-]+$/.test(secretId) ? secretId : `'${secretId.replaceAll("'", "'\\''")}'`;
  return `waits for its deletion and can be restored: "aws secretsmanager restore-secret --secret-id ${quoted}"`;
}
