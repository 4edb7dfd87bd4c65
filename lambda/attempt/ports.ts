import type { AccountsTable } from '../../adapters/aws/accounts-table.ts';
import type { EscrowVault } from '../../adapters/aws/escrow.ts';
import type { Events } from '../../adapters/aws/events.ts';
import type { Profiles } from '../../adapters/aws/profiles.ts';
import type { Secrets } from '../../adapters/aws/secrets.ts';
import type { TokenEndpoint } from '../../adapters/oauth/token-endpoint.ts';
import type { Trace } from '../../adapters/xray-trace.ts';
import type { Clock } from '../../core/clock.ts';
import type { ClockCheck } from '../../core/clock-check.ts';
import type { Limits } from './limits.ts';
import type { Log } from './log.ts';
import type { ProfileNotes } from './profile-notes.ts';

/** Everything outside the process that the steps for one account use. `lambda/invocation.ts` makes it, once a run. */
export interface Ports {
  readonly table: AccountsTable;
  readonly secrets: Secrets;
  readonly profiles: Profiles;
  readonly notes: ProfileNotes;
  readonly endpoint: TokenEndpoint;
  /** Undefined where no escrow key is set. */
  readonly vault: EscrowVault | undefined;
  readonly events: Events;
  readonly limits: Limits;
  /** Resolves when it is this run's turn for the writes of one more refresh to Secrets Manager. */
  readonly turn: () => Promise<void>;
  readonly clock: Clock;
  readonly clockCheck: ClockCheck;
  readonly trace: Trace;
  readonly log: Log;
  /** Counts what only a metric shows. */
  readonly count: (what: keyof RunCounters) => void;
}

/** What only a metric shows, counted during one run. Each needs a name among the metrics (`METRIC`). */
export interface RunCounters {
  storesThrottled?: number;
  /** Refresh tokens put into escrow. */
  escrowed?: number;
  /** 1 where the run found, when it began, that the escrow key can't be used. */
  escrowUnavailable?: number;
  /** Accounts found with a refresh token in escrow. */
  inEscrow?: number;
  /** Accounts found whose access token has expired while people have paused them. */
  expiredWhilePaused?: number;
  /** Events found that an earlier run could not put. */
  eventsOwed?: number;
  /** Profiles found failing, and those whose current version is refused while the one before works. */
  profilesFailing?: number;
  profilesAtRisk?: number;
  /** 1 where the responses of providers say that the function's clock is wrong. */
  clockInDoubt?: number;
}
