import type { ReadTokens } from '../../adapters/aws/token-secret.ts';
import { keeperOf, keeping } from '../../core/account/kept-by.ts';
import type { Deferred, Failed } from '../../core/account/outcome.ts';
import { secondsOf } from '../../core/clock.ts';
import { serializeTokenSet } from '../../core/tokens/token-set.ts';
import type { Attempt, DueAccount } from './attempt.ts';
import { storeFailure } from './keep-tokens.ts';
import type { Ports } from './ports.ts';
import { versionNamed, waitForReplaceTurns } from './replace-version.ts';

/** Which table's function keeps a token set. */
export type KeptBy =
  | { readonly kind: 'ours' | 'foreign' }
  /** It is to be claimed with this value before it is first spent. */
  | { readonly kind: 'free'; readonly keeper: string }
  /** Which table this is can't be told, so nothing can be claimed. */
  | { readonly kind: 'unknown' };

export function keptBy({ tableName, formerTables }: DueAccount, { tokenSet, version }: ReadTokens): KeptBy {
  const keeper = keeperOf(tableName, version.arn);
  if (keeper === undefined) return { kind: 'unknown' };
  const kind = keeping(tokenSet.kept_by, keeper, formerTables);
  return kind === 'free' ? { kind, keeper } : { kind };
}

export function keptElsewhere(secretId: string, keeper: string | undefined): Failed {
  return {
    kind: 'failed',
    reason: 'secret_invalid',
    detail: `The token secret "${secretId}" is kept by the function of the table ${keeper} (kept_by). If that function has stopped for good, name its table in formerAccountsTables (FORMER_ACCOUNTS_TABLES) and this one takes the secret over`,
  };
}

export interface SetToClaim {
  readonly secretId: string;
  readonly read: ReadTokens;
  readonly kept: KeptBy;
  /** What `kept_for` has to be in the token set. */
  readonly keptFor: string | undefined;
}

export function isClaimed({ read, kept, keptFor }: Omit<SetToClaim, 'secretId'>): boolean {
  return kept.kind !== 'free' && read.tokenSet.kept_for === keptFor;
}

const CLAIM_TIMEOUT = 5_000;

/**
 * Makes a token set this table's and this account's, before its refresh token is first spent: of two functions over the
 * same secrets, one alone can do that to the version that both have read.
 */
export async function claimTokenSet(
  { account }: Attempt,
  { secretId, read, kept, keptFor }: SetToClaim,
  ports: Ports,
): Promise<ReadTokens | Failed | Deferred> {
  if (isClaimed({ read, kept, keptFor })) return read;
  await waitForReplaceTurns(ports);
  const from = read.version.versionId;
  const kept_by = kept.kind === 'free' ? kept.keeper : read.tokenSet.kept_by;
  const tokenSet = { ...read.tokenSet, kept_by, kept_for: keptFor };
  const text = serializeTokenSet(tokenSet);
  const versionId = versionNamed('claim', from, keptFor ?? '');
  const put = await ports.secrets.replace({ secretId, from, text, versionId }, CLAIM_TIMEOUT);
  if (put.kind === 'overtaken') return { kind: 'deferred', reason: 'leased_elsewhere' };
  if (put.kind === 'failed') {
    const detail = `The token secret can't be written (${put.failure.code}), so nothing was spent`;
    return { kind: 'failed', ...storeFailure(put.failure), detail };
  }
  ports.log.info('The token set is kept by this function from now on.', { accountId: account.accountId });
  const createdAt = secondsOf(ports.clock);
  return { ...read, tokenSet, version: { ...read.version, text, versionId, createdAt, isClaim: true } };
}
