import type { Failed } from '../../core/account/outcome.ts';
import { parseTokenSet, type TokenSet } from '../../core/tokens/token-set.ts';
import type { Secrets, SecretVersion } from './secrets.ts';
import { waitsForDeletion, whyUnread } from './unread-secret.ts';

export interface ReadTokens {
  readonly kind: 'read';
  readonly tokenSet: TokenSet;
  readonly version: SecretVersion;
}

/** Reads and understands an account's token secret; what is wrong with it comes as trouble of the account. */
export async function readTokenSet(secretId: string, secrets: Secrets): Promise<ReadTokens | Failed> {
  const read = await secrets.read(secretId);
  if (read.kind === 'missing')
    return {
      kind: 'failed',
      reason: 'secret_missing',
      detail: `The token secret "${secretId}" ${read.awaitingDeletion ? waitsForDeletion(secretId) : 'does not exist'}`,
    };
  if (read.kind === 'failed') {
    const reasons = {
      denied: 'permission_missing',
      wrong: 'secret_invalid',
      later: 'store_unavailable',
    } as const;
    return {
      kind: 'failed',
      reason: reasons[whyUnread(read.failure)],
      detail: `The token secret "${secretId}" can't be read (${read.failure.code})`,
    };
  }
  const parsed = parseTokenSet(read.secret.text);
  return parsed.kind === 'invalid'
    ? {
        kind: 'failed',
        reason: 'secret_invalid',
        detail: `The token secret "${secretId}": ${parsed.problem}`,
      }
    : { kind: 'read', tokenSet: parsed.tokenSet, version: read.secret };
}
