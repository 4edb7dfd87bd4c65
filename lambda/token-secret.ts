import { isHopeless } from './aws-error.ts';
import type { Trouble } from './outcome.ts';
import type { Secrets, SecretVersion } from './secrets.ts';
import { parseTokenSet, type TokenSet } from './token-set.ts';

export interface ReadTokens {
  readonly kind: 'read';
  readonly tokenSet: TokenSet;
  readonly version: SecretVersion;
}

/** Reads and understands an account's token secret; what is wrong with it comes as trouble of the account. */
export async function readTokenSet(secretId: string, secrets: Secrets): Promise<ReadTokens | Trouble> {
  const read = await secrets.read(secretId);
  if (read.kind === 'missing')
    return {
      kind: 'trouble',
      reason: 'secret_missing',
      detail: `The token secret "${secretId}" does not exist`,
    };
  if (read.kind === 'failed') {
    const { code } = read.failure;
    return isHopeless(read.failure)
      ? {
          kind: 'trouble',
          reason: 'secret_invalid',
          detail: `The token secret "${secretId}" can't be read (${code})`,
        }
      : {
          kind: 'trouble',
          reason: 'store_unavailable',
          detail: `The token secret could not be read (${code})`,
        };
  }
  const parsed = parseTokenSet(read.secret.text);
  return parsed.kind === 'invalid'
    ? {
        kind: 'trouble',
        reason: 'secret_invalid',
        detail: `The token secret "${secretId}": ${parsed.problem}`,
      }
    : { kind: 'read', tokenSet: parsed.tokenSet, version: read.secret };
}
