import type { AccountsTable } from './accounts-table.ts';
import type { Clock } from './clock.ts';
import type { EscrowVault } from './escrow.ts';
import type { Events } from './events.ts';
import type { Log } from './log.ts';
import type { ProfileNotes } from './profile-notes.ts';
import type { Profiles } from './profiles.ts';
import type { Secrets } from './secrets.ts';
import type { Spending } from './spending.ts';
import type { TokenEndpoint } from './token-endpoint.ts';

/** Everything outside the process that the way of an account touches. Only the handler makes these. */
export interface Edges {
  readonly table: AccountsTable;
  readonly secrets: Secrets;
  readonly profiles: Profiles;
  readonly notes: ProfileNotes;
  readonly endpoint: TokenEndpoint;
  /** Undefined where no escrow key is set. */
  readonly vault: EscrowVault | undefined;
  readonly events: Events;
  readonly spending: Spending;
  /** Resolves when it is this run's turn for the writes of one more refresh to Secrets Manager. */
  readonly turn: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  /** Counts what only a metric shows. */
  readonly count: (what: 'storesThrottled' | 'escrowed' | 'inEscrow' | 'escrowUnavailable') => void;
}
