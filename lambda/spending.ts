import type { Profile } from './profile.ts';
import type { Reason } from './reason.ts';

/**
 * Decides, within one run, whether refresh tokens may still be spent: at all, and at one profile. What it stops is
 * left to a later run, unharmed.
 */
export interface Spending {
  /** Why nothing may be spent at this profile now, or undefined. */
  refusal(name: string, now: number): Reason | undefined;
  /** Asks for the right to send one token request, and counts it; the reason where it is refused. */
  request(name: string, profile: Profile, now: number): Reason | undefined;
  /** Tells how the request went: `undefined` for a grant. */
  answered(name: string, reason: Reason | undefined, retryAfter: number | undefined, now: number): void;
  /** A token set could not be stored: nothing is spent in this run any more, unless a store works after all. */
  storeFailed(): void;
  storeWorks(): void;
}

/** So many failures in a row, and a provider counts as down for the rest of the run. */
const FAILURES_IN_A_ROW = 3;

interface ProfileState {
  blocked?: { readonly reason: Reason; readonly until: number } | undefined;
  failuresInARow: number;
  /** When requests were sent, seconds since the epoch, within the last minute. */
  sentAt: number[];
}

/** @param shares how many runs share a profile's rate limit: the number of segments */
export function createSpending(shares: number): Spending {
  const profiles = new Map<string, ProfileState>();
  let storesFail = false;
  const stateOf = (name: string) => {
    const state = profiles.get(name) ?? { failuresInARow: 0, sentAt: [] };
    profiles.set(name, state);
    return state;
  };
  const refusal = (name: string, now: number) => {
    if (storesFail) return 'store_unavailable';
    const { blocked } = stateOf(name);
    return blocked !== undefined && now < blocked.until ? blocked.reason : undefined;
  };
  return {
    refusal,
    request: (name, profile, now) => {
      const refused = refusal(name, now);
      if (refused !== undefined) return refused;
      const state = stateOf(name);
      if (profile.max_requests_per_minute === undefined) return undefined;
      state.sentAt = state.sentAt.filter((at) => now - at < 60);
      if (state.sentAt.length >= Math.max(1, Math.floor(profile.max_requests_per_minute / shares)))
        return 'rate_limited';
      state.sentAt.push(now);
      return undefined;
    },
    answered: (name, reason, retryAfter, now) => {
      const state = stateOf(name);
      const providerTrouble = reason === 'provider_unavailable' || reason === 'rate_limited';
      state.failuresInARow = providerTrouble ? state.failuresInARow + 1 : 0;
      if (reason === 'client_rejected') state.blocked = { reason, until: Number.POSITIVE_INFINITY };
      else if (providerTrouble && retryAfter !== undefined)
        state.blocked = { reason, until: now + retryAfter };
      else if (providerTrouble && state.failuresInARow >= FAILURES_IN_A_ROW)
        state.blocked = { reason, until: Number.POSITIVE_INFINITY };
    },
    storeFailed: () => {
      storesFail = true;
    },
    storeWorks: () => {
      storesFail = false;
    },
  };
}
