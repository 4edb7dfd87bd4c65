import { CLAIM, type Lease } from '../../core/account/account.ts';
import type { TableItems } from './table-items.ts';

/** Whose a secret is that an account names (the item `#secret:<ARN>`), and who is using it. */
export interface SecretNote {
  readonly secretOwner?: string | undefined;
  readonly lease?: Lease | undefined;
  /** Until then somebody may be at work with it who knows nothing of this note, seconds since the epoch. */
  readonly waitUntil?: number | undefined;
  /** `obtained_at` of the newest token set that was stored in it. */
  readonly obtainedAt?: number | undefined;
}

interface SecretClaim {
  readonly accountId: string;
  readonly lease: Lease;
  /** What was read of the note. */
  readonly before: SecretNote | undefined;
  /** Seconds since the epoch. */
  readonly now: number;
  readonly waitUntil?: number | undefined;
  /** What its former owner's item says of the newest set; kept in the note, as that item goes on with another secret. */
  readonly obtainedAt?: number | undefined;
}

export interface SecretNotes {
  /** What is noted of a secret that is not its account's usual one; undefined where nothing is. */
  secretNote(arn: string): Promise<SecretNote | undefined>;
  /**
   * Writes down whose a secret is, and leases it, where nobody else holds it.
   *
   * @returns `conflict` where it is another's, or leased
   */
  claimSecret(arn: string, claim: SecretClaim): Promise<'claimed' | 'conflict'>;
  /** Gives the lease of a secret back, if it is still `owner`'s. `obtainedAt` is of the newest token set in it. */
  releaseSecret(arn: string, owner: string, obtainedAt: number | undefined): Promise<void>;
}

export function createSecretNotes({ read, update }: TableItems): SecretNotes {
  return {
    secretNote: async (arn) => (await read(`${CLAIM}${arn}`, 'note')) as SecretNote | undefined,
    claimSecret: async (arn, { accountId, lease, before, now, waitUntil, obtainedAt }) => {
      const owner = before?.secretOwner;
      const owned = owner === undefined ? 'attribute_not_exists(#secretOwner)' : '#secretOwner = :before';
      const set = { secretOwner: accountId, lease, waitUntil, obtainedAt };
      const written = await update(
        `${CLAIM}${arn}`,
        { set },
        {
          expression: `(${owned} OR #secretOwner = :secretOwner) AND (attribute_not_exists(#lease) OR #lease.#expiresAt <= :now OR #lease.#owner = :by)`,
          values: { ':now': now, ':by': lease.owner, ':before': owner },
        },
      );
      return written === 'recorded' ? 'claimed' : 'conflict';
    },
    releaseSecret: async (arn, owner, obtainedAt) => {
      const changes = { set: { obtainedAt }, remove: ['lease'] };
      await update(`${CLAIM}${arn}`, changes, {
        expression: '#lease.#owner = :by',
        values: { ':by': owner },
      });
    },
  };
}
