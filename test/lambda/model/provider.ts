/** A run, as long as it has what it read and was answered. */
export interface Holder {
  readonly name: string;
  deadline: number;
  dead: boolean;
  /** It stood still until its lease was over. */
  late?: boolean;
  /** The refresh tokens that it has read in the secret. */
  readonly seen: Set<unknown>;
}

interface Issued {
  readonly token: string;
  readonly holder: Holder;
  heard: boolean;
  kept: boolean;
}

/** Long enough to be seen as a token wherever one stands. */
const tokenNumbered = (n: number) => `refresh-token-${String(n).padStart(4, '0')}`;
export const numberOf = (token: unknown) => Number(String(token).slice(-4));
export const FIRST_TOKEN = tokenNumbered(0);

export type ModelProvider = ReturnType<typeof createModelProvider>;

/**
 * A strict provider: each use spends a refresh token, and presenting a spent one revokes the grant.
 *
 * @param broken gets a sentence where a refresh token is spent again that was not lost
 */
export function createModelProvider(broken: string[]) {
  const issued: Issued[] = [];
  let live = FIRST_TOKEN;
  let revoked = false;
  let explained = false;

  const mayBeLost = ({ kept, heard, holder }: Issued) => !kept && (!heard || holder.dead);
  const issue = (holder: Holder) => {
    live = tokenNumbered(issued.length + 1);
    issued.push({ token: live, holder, heard: false, kept: false });
    return live;
  };

  return {
    live: () => (revoked ? undefined : live),
    /** Whether an issued refresh token may have been lost by no fault of the protocol. */
    lossIsExplained: () => explained || issued.some(mayBeLost),
    /** A person signs in again. */
    authorize: () => {
      revoked = false;
      return issue({ name: 'a person', dead: false, deadline: 0, seen: new Set() });
    },
    exchange: (holder: Holder, refreshToken: string, odd: boolean) => {
      if (revoked || refreshToken !== live) {
        const successor = issued[numberOf(refreshToken)];
        if (!revoked && successor !== undefined) {
          // What somebody keeps whose lease is over comes too late for a visit that has read the secret before.
          const tooLate = successor.holder.late && !holder.seen.has(successor.token);
          if (mayBeLost(successor) || tooLate) explained = true;
          else
            broken.push(
              `${holder.name} spent ${refreshToken} again, although ${successor.token} was not lost`,
            );
        }
        revoked = true;
        return { status: 400, body: JSON.stringify({ error: 'invalid_grant' }) };
      }
      const body = {
        access_token: `access-token-${issued.length + 1}`,
        token_type: 'Bearer',
        expires_in: 3_600,
        refresh_token: issue(holder),
      };
      return odd
        ? { status: 400, body: JSON.stringify({ error: 'invalid_request', ...body }) }
        : { status: 200, body: JSON.stringify(body) };
    },
    /** This has arrived. */
    heard: (body: string) => {
      for (const one of issued) if (body.includes(`"${one.token}"`)) one.heard = true;
    },
    /** This stands in the secret or in escrow. */
    keep: (refreshToken: unknown) => {
      for (const one of issued) if (one.token === refreshToken) one.kept = true;
    },
  };
}
