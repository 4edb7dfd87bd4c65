import type { Profile } from '../profile/profile.ts';
import type { TokenSet } from '../tokens/token-set.ts';

/** What was asked of the token endpoint, and what we know beside its response. */
export interface RequestContext {
  readonly profile: Profile;
  /** The token set as it was stored before. */
  readonly previous: TokenSet;
  readonly sent: string;
  /** What else was sent and must stay secret. */
  readonly secrets?: readonly string[];
  /** Seconds since the epoch. */
  readonly now: number;
}
