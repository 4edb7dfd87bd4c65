import type { Escrowed } from '../../adapters/aws/escrow.ts';
import type { SecretVersion } from '../../adapters/aws/secrets.ts';
import type { Account, Lease } from '../../core/account/account.ts';
import type { DecisionInput } from '../../core/account/decision.ts';
import type { Profile } from '../../core/profile/profile.ts';
import type { Reason } from '../../core/reason.ts';
import type { TokenSet } from '../../core/tokens/token-set.ts';

/** One due account, as a run hands it over. */
export interface DueAccount {
  readonly account: Account;
  /** Why the account is due. */
  readonly reason: Reason;
  readonly profile: Profile;
  readonly input: DecisionInput;
  readonly secretNamePrefix: string;
  /** The accounts table's name or ARN, and the tables whose functions have stopped. */
  readonly tableName: string;
  readonly formerTables: readonly string[];
  /** When the run began, and when this process may be gone, milliseconds since the epoch. */
  readonly begun: number;
  readonly deadline: number;
  /** Seconds after which any attempt that is under way now has ended, its lease included. */
  readonly longestLease: number;
}

/** An attempt at a due account: from its lease, which is in the item by now, to its release. */
export interface Attempt extends DueAccount {
  readonly id: string;
  readonly lease: Lease;
  /** Filled in by the last token request. */
  readonly request: TokenRequestFacts;
}

/** What the log says of an attempt's last token request, so that it can be found at the provider. */
export interface TokenRequestFacts {
  /** 0 where the response has none; absent where there was no response. */
  httpStatus?: number | undefined;
  /** The provider's own id of the request. */
  providerRequestId?: string | undefined;
  /** Milliseconds. */
  exchangeMs?: number | undefined;
}

/** What the account has, under the lease, when a refresh token is about to be spent. */
export interface CurrentGrant {
  readonly tokenSet: TokenSet;
  readonly version: SecretVersion;
  readonly secretId: string;
  /** The refresh token in the secret; absent where it has none. */
  readonly refreshToken: string | undefined;
  /** Since when a response for this refresh token may have been lost, seconds since the epoch. */
  readonly ambiguousSince: number | undefined;
  readonly escrow: EscrowState;
  /** When the newest token set known was obtained, seconds since the epoch. */
  readonly newest: number | undefined;
}

/**
 * What this attempt has to do with the account's escrow.
 *
 * - `empty`: nothing. Nothing is in it, or what was in it has been dealt with and can go;
 * - `try_first`: it holds a candidate, which is tried before the refresh token in the secret;
 * - `leave`: it holds a response that waits for a person, or something of another secret; undefined if it can't be opened.
 */
export type EscrowState =
  | { readonly kind: 'empty' }
  | { readonly kind: 'try_first'; readonly content: EscrowedToken }
  | { readonly kind: 'leave'; readonly content: Escrowed | undefined };

/** What was in escrow, where there is a refresh token in it. */
export type EscrowedToken = Escrowed & { readonly refreshToken: string };

/** What the outcome says about the escrow: it can go, or it stays. */
export function escrowResult({ kind }: EscrowState): 'done' | 'stays' {
  return kind === 'empty' ? 'done' : 'stays';
}
