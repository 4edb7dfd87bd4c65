import type { SendHttpsRequest } from '../../adapters/oauth/https-request.ts';
import { RequestFailed } from '../../adapters/oauth/request-failed.ts';
import type { SimulatedProcess } from './process.ts';

/**
 * How a provider treats the refresh token that was sent.
 *
 * - `strict`: it is dead, and who sends it again ends the grant (RFC 9700, 4.14.2);
 * - `grace`: it is good for 30 s more, then the same;
 * - `long grace`: it is good for 300 s more;
 * - `static`: it stays;
 * - `daily`: it stays for a day, then as `strict`;
 * - `until used`: it is good until the new access token is used.
 */
export type Rotation = 'strict' | 'grace' | 'long grace' | 'static' | 'daily' | 'until used';

/** Seconds for which a token that was sent stays good. */
const GRACE: Partial<Record<Rotation, number>> = { grace: 30, 'long grace': 300 };

/**
 * How one request is answered, where that is not as it should be.
 *
 * - `void`: carried out, and the answer reaches nobody; `lost request`: neither;
 * - `unreadable`: carried out, answered with what nobody can read;
 * - `refused with tokens`: carried out, answered 400 with all tokens in it;
 * - `looks like a token`: not carried out, answered 400 with a text that is none;
 * - `called dead`: not carried out, answered `invalid_grant`;
 * - `out of order`, `too many`, `client refused`: 503, 429, `invalid_client`; not carried out.
 */
export type Oddity =
  | 'void'
  | 'lost request'
  | 'unreadable'
  | 'refused with tokens'
  | 'looks like a token'
  | 'called dead'
  | 'out of order'
  | 'too many'
  | 'client refused';

/** A person's consent, and all that was issued for it. */
export interface Grant {
  readonly accountId: string;
  /** Counts the consents to one account. */
  readonly number: number;
  revoked: boolean;
  /** What was issued first for the consent that ended this one. */
  endedBy: Issued | undefined;
}

/** A refresh token, and what became of it. */
export interface Issued {
  readonly token: string;
  readonly access: string;
  readonly grant: Grant;
  readonly at: number;
  /** Who was to get it; undefined where people have brought it. */
  readonly holder: Holder | undefined;
  readonly oddity: Oddity | undefined;
  /** The last that was issued for it. */
  successor: Issued | undefined;
  /** When it first came where it is kept: in the secret, or in escrow. */
  keptAt: number | undefined;
  heardAt: number | undefined;
  /** Who asked for it waits no more. */
  givenUp: boolean;
  /** When it was first called dead, wrongly or not. */
  refusedSince: number | undefined;
  /** It was refused though it was good. */
  refusedWrongly: boolean;
}

/** Who was to get a token: a process in one of its invocations, or a person at work. */
export interface Holder {
  readonly process: SimulatedProcess;
  /** When the process is gone; milliseconds. */
  readonly deadline: number;
  ended: boolean;
  /** A person at work was told that what they were to get is not kept. */
  knows?: boolean;
}

export interface ProviderPlan {
  readonly profile: string;
  readonly rotation: Rotation;
  /** Seconds that an access token lives. */
  readonly lifetime: number;
  /** Milliseconds that it takes to answer, at most. */
  readonly takes: number;
  /** A person who consents again ends what was granted before. */
  readonly endsEarlier?: boolean;
}

export class SimulatedProvider {
  readonly plan: ProviderPlan;
  readonly #byToken = new Map<string, Issued>();
  #issued = 0;

  constructor(plan: ProviderPlan) {
    this.plan = plan;
  }

  find(token: string | undefined): Issued | undefined {
    return token === undefined ? undefined : this.#byToken.get(token);
  }

  all(): Iterable<Issued> {
    return this.#byToken.values();
  }

  issue(grant: Grant, at: number, holder?: Holder, oddity?: Oddity): Issued {
    const number = `${this.plan.profile}-${++this.#issued}`;
    const issued: Issued = {
      token: `refresh-token-${number}-0123456789`,
      access: `access-token-${number}-0123456789`,
      grant,
      at,
      holder,
      oddity,
      successor: undefined,
      keptAt: undefined,
      heardAt: undefined,
      givenUp: false,
      refusedSince: undefined,
      refusedWrongly: false,
    };
    this.#byToken.set(issued.token, issued);
    return issued;
  }

  /** A person's consent: what is issued for it first. */
  consent(accountId: string, number: number, at: number, holder?: Holder): Issued {
    const grant: Grant = { accountId, number, revoked: false, endedBy: undefined };
    const issued = this.issue(grant, at, holder);
    if (this.plan.endsEarlier)
      for (const { grant: earlier } of this.all())
        if (earlier.accountId === accountId && earlier !== grant) {
          earlier.revoked = true;
          earlier.endedBy ??= issued;
        }
    return issued;
  }

  /** Whether a refresh token would be taken now. */
  accepts(token: string | undefined, at: number): boolean {
    const issued = this.find(token);
    if (issued === undefined || issued.grant.revoked) return false;
    const { successor } = issued;
    if (successor === undefined) return true;
    const { rotation } = this.plan;
    if (rotation === 'until used') return !this.used(successor);
    return at - successor.at <= (GRACE[rotation] ?? 0) * 1_000 && GRACE[rotation] !== undefined;
  }

  /** Readers use what is kept. */
  used({ keptAt, successor }: Issued): boolean {
    return keptAt !== undefined || (successor !== undefined && this.used(successor));
  }

  /** What a request for new tokens brings, as it takes effect. `undefined`: no answer. */
  answer(issued: Issued | undefined, holder: Holder, at: number, oddity: Oddity | undefined) {
    const refusal = { status: 400, body: '{"error":"invalid_grant"}' };
    if (oddity === 'out of order') return { status: 503, body: 'out of order' };
    if (oddity === 'too many') return { status: 429, body: '{"error":"slow_down"}' };
    if (oddity === 'client refused') return { status: 401, body: '{"error":"invalid_client"}' };
    if (oddity === 'lost request') return undefined;
    if (issued === undefined) return refusal;
    if (!this.accepts(issued.token, at)) {
      issued.refusedSince ??= at;
      // Sending it again shows that somebody has stolen it, or that is what the provider takes it for.
      if (this.plan.rotation !== 'until used') issued.grant.revoked = true;
      return refusal;
    }
    if (oddity === 'called dead' || oddity === 'looks like a token') {
      issued.refusedWrongly = true;
      issued.refusedSince ??= at;
      return oddity === 'called dead'
        ? refusal
        : {
            status: 400,
            body: '{"error":"invalid_request","refresh_token":"looks-like-a-token-0123456789"}',
          };
    }
    const { rotation, lifetime } = this.plan;
    const stays = rotation === 'static' || (rotation === 'daily' && at - issued.at < 86_400_000);
    const next = stays ? issued : this.issue(issued.grant, at, holder, oddity);
    if (!stays) issued.successor = next;
    const tokens = {
      access_token: stays ? `${issued.access}-${at}` : next.access,
      token_type: 'Bearer',
      expires_in: lifetime,
      ...(rotation !== 'static' && { refresh_token: next.token }),
    };
    if (oddity === 'void') return undefined;
    if (oddity === 'unreadable') return { status: 200, body: '\u0000\u0001 nobody can read this', next };
    if (oddity === 'refused with tokens')
      return { status: 400, body: JSON.stringify({ error: 'invalid_request', ...tokens }), next };
    return { status: 200, body: JSON.stringify(tokens), next };
  }
}

/** How the function's requests reach the provider of their profile. */
export function requestsOf(process: SimulatedProcess, world: Presentation): SendHttpsRequest {
  return async (_, { body = '', profile, signal }) => {
    const token = new URLSearchParams(body).get('refresh_token') ?? '';
    const timeout = (signal as { milliseconds?: number }).milliseconds ?? 30_000;
    const provider = world.provider(profile);
    const sentAt = process.time;
    try {
      const answer = await process.call({
        service: 'provider',
        operation: 'refresh at',
        about: profile,
        effect: () => world.present(profile, token, process),
        timeout,
        takes: process.random.below(provider.plan.takes),
      });
      if (answer === undefined) {
        await process.clock.sleep(Math.max(0, sentAt + timeout - process.time));
        throw new RequestFailed('maybe', 'TIMEOUT');
      }
      if (answer.next !== undefined) answer.next.heardAt ??= process.time;
      const { status, body } = answer;
      return { status, body, retryAfter: undefined, complete: true };
    } catch {
      const issued = provider.find(token)?.successor;
      if (issued?.holder?.process === process && issued.heardAt === undefined) issued.givenUp = true;
      throw new RequestFailed('maybe', 'TIMEOUT');
    }
  };
}

interface Presentation {
  provider(profile: string): SimulatedProvider;
  present(
    profile: string,
    token: string,
    process: SimulatedProcess,
  ): { readonly status: number; readonly body: string; readonly next?: Issued } | undefined;
}
