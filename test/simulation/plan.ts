import type { Fault, Service } from './process.ts';
import type { Oddity, ProviderPlan } from './provider.ts';

/** An account whose own provider, secret and item are always well. */
export const BYSTANDER = 'safe';

/** One invocation of the function. */
export interface RunPlan {
  /** Seconds after the beginning. */
  readonly at: number;
  /** The execution environment; the same one may be used again. */
  readonly environment: string;
  readonly table?: string;
  readonly request: {
    readonly accountIds?: readonly string[];
    readonly force?: boolean;
    readonly segment?: number;
    readonly totalSegments?: number;
  };
  readonly clockError?: number;
  readonly faults?: Readonly<Record<number, Fault>>;
  readonly latency?: number;
  readonly frozenFor?: number;
  readonly lagging?: number;
}

/** What a person does. */
export interface PersonPlan {
  readonly at: number;
  readonly does:
    | 'authorize'
    | 'import again'
    | 'remove'
    | 'remove and import again'
    | 'put the set before back'
    | 'write the set anew'
    | 'copy the item'
    | 'restore the table'
    | 'another deployment';
  readonly accountId: string;
  readonly clockError?: number;
  readonly faults?: Readonly<Record<number, Fault>>;
  readonly latency?: number;
  readonly frozenFor?: number;
  readonly lagging?: number;
}

export interface AccountPlan {
  readonly accountId: string;
  readonly profile: string;
  /** Seconds until its access token ends. */
  readonly expiresIn: number;
  /** Its set doesn't say yet whose it is. */
  readonly unclaimed?: boolean;
  /** It was never looked at. */
  readonly untouched?: boolean;
  /** Versions of the last day that its secret has already. */
  readonly versions?: number;
}

/** A whole history, before it happens. All times in seconds after the beginning. */
export interface HistoryPlan {
  readonly seed: number;
  readonly profiles: readonly ProviderPlan[];
  readonly accounts: readonly AccountPlan[];
  readonly runs: readonly RunPlan[];
  readonly people: readonly PersonPlan[];
  readonly outages: readonly {
    readonly service: Service;
    readonly fault: Fault;
    readonly operation?: string;
    readonly about?: string;
    readonly from: number;
    readonly until: number;
  }[];
  /** Single answers of a provider, by the number of the request. */
  readonly answers: readonly {
    readonly profile: string;
    readonly request: number;
    readonly oddity: Oddity;
  }[];
  /** How a provider answers for a while. */
  readonly moods: readonly {
    readonly profile: string;
    readonly accountId?: string;
    readonly oddity: Oddity;
    readonly from: number;
    readonly until: number;
  }[];
  /** When nothing goes wrong any more. */
  readonly calmFrom: number;
}
