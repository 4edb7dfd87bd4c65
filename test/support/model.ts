import type { Account, Escrow } from '../../lambda/account.ts';
import type { AccountsTable, Changes } from '../../lambda/accounts-table.ts';
import { decide } from '../../lambda/decision.ts';
import type { Edges } from '../../lambda/edges.ts';
import type { AccountEvent } from '../../lambda/events.ts';
import { refreshAccount } from '../../lambda/refresh-account.ts';
import type { SecretVersion } from '../../lambda/secrets.ts';
import { createSpending } from '../../lambda/spending.ts';
import { anAccount, aProfile, aTokenSet, NOW } from './builders.ts';

/**
 * A model of everything around the way of one account, in memory, in which each call waits for its turn twice: before
 * it takes effect, and before its answer is heard. Whoever hands out the turns decides the order of all I/O.
 */
export interface Model {
  /** A run over the account, as the function would do it. Resolves when it has ended; never if it dies. */
  run(participant: Participant): Promise<void>;
  /** Moves the clock on, seconds. */
  pass(seconds: number): void;
  readonly account: () => Account;
  readonly currentRefreshToken: () => unknown;
  readonly events: readonly AccountEvent[];
  readonly provider: ModelProvider;
  /** What must never happen and did, as sentences. */
  readonly broken: string[];
}

export interface Participant {
  readonly name: string;
  readonly force: boolean;
  /** It dies after so many turns; never where absent. */
  readonly diesAfter?: number | undefined;
  /** Seconds that pass with each of its turns. */
  readonly pace?: number | undefined;
  /** Every store of this run fails. */
  readonly storeIsDown?: boolean | undefined;
  readonly faults: readonly { readonly call: ModelCall; readonly outcome: 'fails' | 'answer lost' }[];
}

export const MODEL_CALLS = [
  'lease',
  're-read',
  'exchange',
  'store',
  'seal',
  'put escrow',
  'open escrow',
  'tell',
  'record',
] as const;
export type ModelCall = (typeof MODEL_CALLS)[number];

/** A strict provider: each use spends a refresh token, and presenting a spent one revokes the grant. */
export interface ModelProvider {
  readonly live: () => string | undefined;
  /** Whether an issued refresh token may have been lost by no fault of the protocol. */
  readonly lossIsExplained: () => boolean;
}

const ACCOUNT_ID = 'acme';
const LAMBDA_TIMEOUT = 120_000;
const never = new Promise<never>(() => undefined);

export function createModel(turn: (label: string) => Promise<unknown>): Model {
  const broken: string[] = [];
  const events: AccountEvent[] = [];
  let now = NOW * 1000;
  let item = anAccount({ accountId: ACCOUNT_ID, accessTokenExpiresAt: NOW });
  const versions: SecretVersion[] = [
    { text: JSON.stringify(aTokenSet({ refresh_token: 'r0' })), versionId: 'first', createdAt: NOW - 3_600 },
  ];
  const issued: Issued[] = [];
  let live = 'r0';
  let revoked = false;

  /** A refresh token is kept once it stands in the secret or in escrow. */
  const keep = (refreshToken: unknown) => {
    for (const one of issued) if (one.token === refreshToken) one.kept = true;
  };
  const mayBeLost = ({ kept, heard, holder }: Issued) => !kept && (!heard || holder.dead);

  const exchange = (holder: Holder, refreshToken: string) => {
    if (revoked || refreshToken !== live) {
      const successor = issued[Number(refreshToken.slice(1))];
      if (successor !== undefined && !mayBeLost(successor))
        broken.push(`${holder.name} spent ${refreshToken} again, although ${successor.token} was not lost`);
      revoked = true;
      return { status: 400, body: JSON.stringify({ error: 'invalid_grant' }) };
    }
    live = `r${issued.length + 1}`;
    issued.push({ token: live, holder, heard: false, kept: false });
    const body = { access_token: 'a', token_type: 'Bearer', expires_in: 3_600, refresh_token: live };
    return { status: 200, body: JSON.stringify(body) };
  };

  const edgesOf = (holder: Holder, participant: Participant): Edges => {
    const faults = [...participant.faults];
    let turns = 0;
    const wait = async (label: string) => {
      await turn(`${holder.name}: ${label}`);
      turns++;
      now += (participant.pace ?? 0) * 1000;
      // Lambda ends what runs past its time.
      if (turns > (participant.diesAfter ?? Number.POSITIVE_INFINITY) || now >= holder.deadline) {
        holder.dead = true;
        await never;
      }
    };
    const call = async <Answer>(name: ModelCall, effect: () => Answer): Promise<Answer> => {
      const at = faults.findIndex((fault) => fault.call === name);
      const [fault] = at === -1 ? [] : faults.splice(at, 1);
      await wait(name);
      const down = participant.storeIsDown && name === 'store';
      if (down || fault?.outcome === 'fails')
        throw Object.assign(new Error('out of order'), { name: 'Outage' });
      const answer = effect();
      await wait(`${name} is answered`);
      if (fault?.outcome === 'answer lost') throw Object.assign(new Error('reset'), { name: 'Outage' });
      return answer;
    };
    const failed = (error: unknown) => ({
      kind: 'failed' as const,
      failure: { kind: 'unavailable' as const, code: (error as Error).name },
    });
    return {
      table: modelTable(
        call,
        () => item,
        (next) => {
          item = next;
        },
        (escrow) => keep(JSON.parse(escrow.ciphertext).refreshToken),
      ),
      secrets: {
        read: async () => {
          try {
            const secret = await call('re-read', () => versions.at(-1) as SecretVersion);
            return { kind: 'found', secret };
          } catch (error) {
            return failed(error);
          }
        },
        put: async (_, text, versionId) => {
          try {
            await call('store', () => {
              if (versions.some((version) => version.versionId === versionId)) return;
              const { refresh_token } = JSON.parse(text);
              const before = JSON.parse(versions.at(-1)?.text ?? '{}').refresh_token;
              if (Number(refresh_token.slice(1)) < Number(before.slice(1)))
                broken.push(`${holder.name} stored ${refresh_token} over ${before}`);
              versions.push({ text, versionId, createdAt: now / 1000 });
              keep(refresh_token);
            });
            return { kind: 'stored' };
          } catch (error) {
            return failed(error);
          }
        },
        versionDates: async () => [],
      },
      profiles: {
        load: async () => ({ kind: 'profile', profile: aProfile() }),
        alternatives: async () => [],
        adopt: () => undefined,
        windows: () => new Map(),
      },
      endpoint: {
        refresh: async ({ refreshToken }) => {
          try {
            const answer = await call('exchange', () => exchange(holder, refreshToken));
            for (const one of issued) if (answer.body.includes(`"${one.token}"`)) one.heard = true;
            return { kind: 'answered', answer: { ...answer, retryAfter: undefined, complete: true } };
          } catch {
            return { kind: 'unanswered', detail: 'no answer' };
          }
        },
      },
      vault: {
        seal: (_, escrowed) => call('seal', () => JSON.stringify(escrowed)),
        open: (_, ciphertext) => call('open escrow', () => JSON.parse(ciphertext)),
      },
      events: {
        put: (event) =>
          call('tell', () => {
            events.push(event);
          }),
      },
      spending: createSpending(1),
      clock: {
        now: () => now,
        sleep: async (milliseconds) => {
          await wait('sleeps');
          now += milliseconds;
        },
      },
      log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
      count: () => undefined,
    };
  };

  return {
    run: async (participant) => {
      await turn(`${participant.name} starts`);
      const holder = { name: participant.name, dead: false, deadline: now + LAMBDA_TIMEOUT };
      const input = { now: Math.floor(now / 1000), refreshWindow: 300, force: participant.force };
      const account = item;
      const { action, reason } = decide(account, input);
      if (action !== 'refresh') return;
      const { deadline } = holder;
      const visit = { account, reason, profile: aProfile(), input, secretNamePrefix: 'oauth/', deadline };
      // Only a lease that could not be asked for makes it reject; then nothing was spent.
      await refreshAccount(visit, edgesOf(holder, participant)).catch(() => undefined);
    },
    pass: (seconds) => {
      now += seconds * 1000;
    },
    account: () => item,
    currentRefreshToken: () => JSON.parse(versions.at(-1)?.text ?? '{}').refresh_token,
    events,
    provider: {
      live: () => (revoked ? undefined : live),
      lossIsExplained: () => issued.some(mayBeLost),
    },
    broken,
  };
}

interface Holder {
  readonly name: string;
  readonly deadline: number;
  dead: boolean;
}

interface Issued {
  readonly token: string;
  readonly holder: Holder;
  heard: boolean;
  kept: boolean;
}

/** The conditional writes of the accounts table, on one item. */
function modelTable(
  call: <Answer>(name: ModelCall, effect: () => Answer) => Promise<Answer>,
  item: () => Account,
  set: (item: Account) => void,
  escrowed: (escrow: Escrow) => void,
): AccountsTable {
  const write = ({ set: changes, remove, leaveLease }: Changes) => {
    const next: Record<string, unknown> = { ...item(), ...changes, lease: leaveLease };
    for (const name of remove) delete next[name];
    set(next as unknown as Account);
  };
  return {
    scan: () => {
      throw new Error('not in this model');
    },
    get: async () => undefined,
    lease: (account, owner, now, expiresAt) =>
      call('lease', () => {
        const { lease: held, failure: _f, escrow, ...is } = item();
        const { lease: known, failure: _g, escrow: knownEscrow, ...was } = account;
        const over = held === undefined || (held.owner === known?.owner && held.expiresAt <= now);
        const free = (over || held.owner === owner) && escrow?.attemptId === knownEscrow?.attemptId;
        const unchanged = Object.keys({ ...is, ...was }).every(
          (name) => is[name as keyof typeof is] === was[name as keyof typeof was],
        );
        if (!free || !unchanged) return 'lost';
        set({ ...item(), lease: { owner, expiresAt } });
        return 'leased';
      }),
    record: (_, owner, changes) =>
      call('record', () => {
        if (item().lease?.owner !== owner) return 'lost';
        write(changes);
        return 'recorded';
      }),
    note: async () => 'recorded',
    claimSecret: async () => 'claimed',
    putEscrow: (_, escrow) =>
      call('put escrow', () => {
        set({ ...item(), escrow });
        escrowed(escrow);
      }),
  };
}
