import type { Account, Lease } from './account.ts';
import type { SecretNote } from './accounts-table.ts';
import type { Edges } from './edges.ts';
import type { Trouble } from './outcome.ts';
import { type SecretVersion, tokenSecretIdOf } from './secrets.ts';

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
    }
  | { readonly kind: 'busy' }
  | Trouble;

export interface OwnershipQuestion {
  readonly account: Account;
  /** What was read of the secret, under the account's lease. */
  readonly version: SecretVersion;
  /** When the token set that was read was obtained, seconds since the epoch. */
  readonly obtainedAt: number | undefined;
  /** The token set says that this table's function has kept it before. */
  readonly keptByUs: boolean;
  readonly prefix: string;
  readonly lease: Lease;
  /** Seconds since the epoch. */
  readonly now: number;
  /** Seconds after which any visit that is under way now has ended, its lease included. */
  readonly longestLease: number;
}

/** Rejects with the SDK's error. */
export async function ownSecret(
  question: OwnershipQuestion,
  { table, secrets }: Pick<Edges, 'table' | 'secrets'>,
): Promise<Ownership> {
  const { account, version, prefix } = question;
  const { accountId, tokenSecretId } = account;
  const { name = tokenSecretIdOf(prefix, account), arn = name } = version;
  if (name === tokenSecretIdOf(prefix, { accountId })) {
    // In the ordinary case nobody else has ever had it: that is known from the item, without a further call. Where it
    // was restored from a backup, the set is another than the item knows.
    const known = account.status !== undefined && account.lastRefreshedAt === question.obtainedAt;
    if (known && account.secretLentTo === undefined && tokenSecretId === undefined) return { kind: 'own' };
    const note = await table.secretNote(arn);
    return note === undefined || note.secretOwner === undefined
      ? { kind: 'own' }
      : await claim(note, undefined, note.waitUntil);
  }
  if (name.startsWith(`${prefix}profiles/`)) return notTheAccounts(account, "it is a profile's");
  const usualOwner = name.startsWith(`${prefix}accounts/`)
    ? name.slice(`${prefix}accounts/`.length)
    : undefined;
  const item = usualOwner === undefined ? undefined : await table.get(usualOwner);
  if (usualOwner !== undefined && item !== undefined) {
    if (names(item.tokenSecretId, name, arn))
      return notTheAccounts(account, `it is the account "${usualOwner}"'s`);
    // It names another now, and may be at work with this one still.
    if ((await table.lendSecret(usualOwner, accountId, question.now)) === 'lost') return { kind: 'busy' };
  }
  const note = await table.secretNote(arn);
  const refused = await anothers(note);
  if (refused !== undefined) return refused;
  const gone = usualOwner !== undefined && item === undefined && note?.secretOwner === undefined;
  const waitUntil =
    note?.waitUntil ?? (gone && (await hasBeenKept()) ? question.now + question.longestLease : undefined);
  const lastOfUsual = typeof item?.lastRefreshedAt === 'number' ? item.lastRefreshedAt : undefined;
  const claimed = await claim(note, lastOfUsual, waitUntil);
  if (claimed.kind !== 'own' || waitUntil === undefined || waitUntil <= question.now) return claimed;
  await table.releaseSecret(arn, question.lease.owner, undefined);
  return { kind: 'busy' };

  /**
   * The usual owner is gone, and has taken its lease with it. Where it was kept fresh here, its last visit may still be
   * under way; a copy that a person has just made has one version and nobody at work with it.
   */
  async function hasBeenKept(): Promise<boolean> {
    if (!question.keptByUs) return false;
    const versions = await secrets.versionDates(name);
    return versions === undefined || versions.length > 1;
  }

  async function claim(
    before: SecretNote | undefined,
    known: number | undefined,
    waitUntil?: number,
  ): Promise<Ownership> {
    const { lease, now } = question;
    const answer = await table.claimSecret(arn, { accountId, lease, before, now, waitUntil });
    if (answer === 'lost') return (await anothers(await table.secretNote(arn))) ?? { kind: 'busy' };
    const newest = Math.max(known ?? 0, before?.obtainedAt ?? 0);
    return { kind: 'own', leased: arn, newest: newest === 0 ? undefined : newest };
  }

  /** The trouble, where the note says that it is the secret of another account, which still names it. */
  async function anothers(noted: SecretNote | undefined): Promise<Trouble | undefined> {
    const owner = noted?.secretOwner;
    if (owner === undefined || owner === accountId) return undefined;
    const usual = tokenSecretIdOf(prefix, { accountId });
    // The one whose usual secret it is comes before all others.
    if (name === usual) return undefined;
    const other = await table.get(owner);
    return other !== undefined && names(other.tokenSecretId, name, arn, `${prefix}accounts/${owner}`)
      ? notTheAccounts(account, `it is the account "${owner}"'s`)
      : undefined;
  }
}

/**
 * Whether an account's `tokenSecretId` names a secret: by name, or by an ARN with or without its random end.
 *
 * @param usual the account's usual secret, which is meant where the attribute is absent; by default this very one
 */
function names(tokenSecretId: unknown, name: string, arn: string, usual = name): boolean {
  if (tokenSecretId === undefined) return usual === name;
  return [name, arn, arn.replace(/-[A-Za-z0-9]{6}$/, '')].includes(String(tokenSecretId));
}

function notTheAccounts({ tokenSecretId, accountId }: Account, why: string): Trouble {
  return {
    kind: 'trouble',
    reason: 'secret_invalid',
    detail: `tokenSecretId "${tokenSecretId ?? accountId}" can't be this account's secret: ${why}. Give the account a secret of its own, or remove one of the two`,
  };
}
