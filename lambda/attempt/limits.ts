import type { Profile } from '../../core/profile/profile.ts';
import type { Reason } from '../../core/reason.ts';

/** Decides, within one run, whether a refresh token may be spent now. What it stops is left to a later run, unharmed. */
export interface Limits {
  /** Whether stores fail, so that nothing may be spent until one works. */
  circuitIsOpen(): boolean;
  /** Why no token request may be sent now; undefined if one may, and then it is counted as sent. */
  whyNotSend(name: string, profile: Profile, now: number): Reason | undefined;
  /** A response of a profile's provider took so many milliseconds. */
  responseTook(name: string, milliseconds: number): void;
  /** How long the slowest response of this run took, milliseconds; undefined before the first one. */
  slowestResponse(name: string): number | undefined;
  /** A put was throttled, got no response, or failed on the service's side. */
  storeFailed(secretId: string): void;
  storeWorked(): void;
}

/** If puts of so many different secrets fail, the store is failing, and not just one secret. */
const SECRETS_THAT_FAIL = 2;

/** @param shares how many runs share a profile's rate limit: the number of segments */
export function createLimits(shares: number): Limits {
  const failing = new Set<string>();
  /** When requests were sent, seconds since the epoch, within the last minute. */
  const sentAt = new Map<string, readonly number[]>();
  const slowest = new Map<string, number>();
  const circuitIsOpen = () => failing.size >= SECRETS_THAT_FAIL;
  return {
    circuitIsOpen,
    whyNotSend: (name, profile, now) => {
      if (circuitIsOpen()) return 'store_unavailable';
      if (profile.max_requests_per_minute === undefined) return undefined;
      const recent = (sentAt.get(name) ?? []).filter((at) => now - at < 60);
      sentAt.set(name, recent);
      if (recent.length >= Math.max(1, Math.floor(profile.max_requests_per_minute / shares)))
        return 'rate_limited';
      sentAt.set(name, [...recent, now]);
      return undefined;
    },
    responseTook: (name, milliseconds) => {
      slowest.set(name, Math.max(milliseconds, slowest.get(name) ?? 0));
    },
    slowestResponse: (name) => slowest.get(name),
    storeFailed: (secretId) => {
      failing.add(secretId);
    },
    storeWorked: () => {
      failing.clear();
    },
  };
}
