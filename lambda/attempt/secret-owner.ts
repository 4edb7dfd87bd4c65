import type { SecretNote } from '../../adapters/aws/secret-notes.ts';
import type { ReadTokens } from '../../adapters/aws/token-secret.ts';
import type { Account, Lease } from '../../core/account/account.ts';
import { obtainedAtOf } from '../../core/account/decision.ts';
import type { Failed } from '../../core/account/outcome.ts';
import { namesSecret, tokenSecretIdOf } from '../../core/account/secret-id.ts';
import type { Ports } from './ports.ts';

/**
 * Whose a secret is: decided here, and nowhere else. One secret has one account, however it is named: the one whose
 * usual secret it is, else the first that claimed it. Whoever takes it over waits for the lease of the one before.
 */
export type Ownership =
  | {
      readonly kind: 'own';
      /** The secret's ARN, where its note is leased and has to be given back. */
      readonly leased?: string | undefined;
      /** When the newest set known of a former owner was obtained, seconds since the epoch. */
      readonly newest?: number | undefined;
      /** Until then somebody may be at work with it whose lease is gone: nothing is spent. Seconds since the epoch. */
      readonly spendFrom?: number | undefined;
      /** What `kept_for` has to be in the token set: the account that has another's usual secret. */
      readonly keptFor?: string | undefined;
    }
  | { readonly kind: 'busy' }
  | Failed;

interface OwnershipQuestion {
  readonly account: Account;
  /** What was read of the secret, under the account's lease. */
  readonly read: ReadTokens;
  /** The token set says that this table's function has kept it before. */
  readonly keptByUs: boolean;
  readonly prefix: string;
  readonly lease: Lease;
  /** Seconds since the epoch. */
  readonly now: number;
  /** Seconds after which any attempt that is under way now has ended, its lease included. */
  readonly longestLease: number;
}

/** Rejects with the SDK's error. */
export async function ownSecret(
  question: OwnershipQuestion,
  { table }: Pick<Ports, 'table'>,
): Promise<Ownership> {
  const { account, read, prefix, keptByUs, lease, now } = question;
  const { accountId } = account;
  const { name = tokenSecretIdOf(prefix, account), arn = name } = read.version;
  if (name === tokenSecretIdOf(prefix, { accountId })) return await ownUsual();
  if (name.startsWith(`${prefix}profiles/`)) return notTheAccounts(account, "it is a profile's");
  return await ownNamed();

  async function ownUsual(): Promise<Ownership> {
    if (isAsKnown(account, read)) return { kind: 'own' };
    const note = await table.secretNote(arn);
    if (note?.secretOwner !== undefined) return await claim(note, undefined, note.waitUntil);
    // The item knows of an older set than there is, and no run has died: it was restored, and with it a lease may have
    // been overwritten.
    if (!keptByUs || !isBehind(account, read)) return { kind: 'own' };
    return await claim(note, undefined, now + question.longestLease);
  }

  async function ownNamed(): Promise<Ownership> {
    const accounts = `${prefix}accounts/`;
    const usualOwner = name.startsWith(accounts) ? name.slice(accounts.length) : undefined;
    const item = usualOwner === undefined ? undefined : await table.get(usualOwner);
    if (usualOwner !== undefined && item !== undefined) {
      if (refersTo(item.tokenSecretId, name, arn))
        return notTheAccounts(account, `it is the account "${usualOwner}"'s`);
      // It names another now, and may be at work with this one still.
      if ((await table.lendSecret(usualOwner, accountId, now)) === 'conflict') return { kind: 'busy' };
    }
    const note = await table.secretNote(arn);
    const refused = await anothers(note);
    if (refused !== undefined) return refused;
    // The usual owner is gone, and has taken its lease with it.
    const gone = usualOwner !== undefined && item === undefined && note?.secretOwner === undefined;
    const waitUntil = note?.waitUntil ?? (gone && keptByUs ? now + question.longestLease : undefined);
    // Once the secret is the account's, the former owner's item tells of another.
    const first = note?.secretOwner !== accountId && typeof item?.lastRefreshedAt === 'number';
    const lastOfUsual = first ? Number(item.lastRefreshedAt) : undefined;
    const claimed = await claim(note, lastOfUsual, waitUntil);
    return claimed.kind === 'own' && usualOwner !== undefined ? { ...claimed, keptFor: accountId } : claimed;
  }

  async function claim(
    before: SecretNote | undefined,
    known: number | undefined,
    waitUntil: number | undefined,
  ): Promise<Ownership> {
    const newest = Math.max(known ?? 0, before?.obtainedAt ?? 0);
    const obtainedAt = newest === 0 ? undefined : newest;
    const claimed = await table.claimSecret(arn, { accountId, lease, before, now, waitUntil, obtainedAt });
    if (claimed === 'conflict') return (await anothers(await table.secretNote(arn))) ?? { kind: 'busy' };
    return { kind: 'own', leased: arn, newest: obtainedAt, spendFrom: waitUntil };
  }

  /** The failure, where the note says that it is the secret of another account, which still names it. */
  async function anothers(noted: SecretNote | undefined): Promise<Failed | undefined> {
    const owner = noted?.secretOwner;
    if (owner === undefined || owner === accountId) return undefined;
    // The one whose usual secret it is comes before all others.
    if (name === tokenSecretIdOf(prefix, { accountId })) return undefined;
    const other = await table.get(owner);
    return other !== undefined && refersTo(other.tokenSecretId, name, arn, `${prefix}accounts/${owner}`)
      ? notTheAccounts(account, `it is the account "${owner}"'s`)
      : undefined;
  }
}

/**
 * The ordinary case: nobody but the account has ever had its usual secret. That is known from the item and the set,
 * without a further call: the function has looked at it before, and the set is the one that it knows of.
 */
function isAsKnown(account: Account, { tokenSet, version }: ReadTokens): boolean {
  const { status, secretLentTo, tokenSecretId, lastRefreshedAt } = account;
  if (status === undefined || secretLentTo !== undefined || tokenSecretId !== undefined) return false;
  return tokenSet.kept_for === undefined && lastRefreshedAt === obtainedAtOf({ tokenSet, version });
}

function isBehind(
  { lastRefreshedAt, lease, escrow }: Account,
  { tokenSet: { obtained_at }, version }: ReadTokens,
): boolean {
  // An attempt that didn't come to know of its own store left its id as the version's.
  if ([lease?.owner, escrow?.attemptId].includes(version.versionId)) return false;
  return lastRefreshedAt !== undefined && obtained_at !== undefined && lastRefreshedAt < obtained_at;
}

/**
 * Whether an account's `tokenSecretId` names a secret: by name, or by an ARN with or without its random end.
 *
 * @param usual the account's usual secret, which is meant where the attribute is absent; by default this very one
 */
function refersTo(tokenSecretId: unknown, name: string, arn: string, usual = name): boolean {
  if (tokenSecretId === undefined) return usual === name;
  return namesSecret(String(tokenSecretId), { name, arn });
}

function notTheAccounts({ tokenSecretId, accountId }: Account, why: string): Failed {
  return {
    kind: 'failed',
    reason: 'secret_invalid',
    detail: `tokenSecretId "${tokenSecretId ?? accountId}" can't be this account's secret: ${why}. Give the account a secret of its own, or remove one of the two`,
  };
}
