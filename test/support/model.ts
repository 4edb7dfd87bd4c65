import type { AccountsTable } from '../../adapters/aws/accounts-table.ts';
import type { AccountEvent } from '../../adapters/aws/events.ts';
import type { SecretNote } from '../../adapters/aws/secret-notes.ts';
import type { SecretVersion } from '../../adapters/aws/secrets.ts';
import type { Account, Changes } from '../../core/account/account.ts';
import { CLOCK_ERROR, decide, nextObtainedAt } from '../../core/account/decision.ts';
import type { ProfileNote } from '../../core/account/profile-note.ts';
import { createLimits } from '../../lambda/attempt/limits.ts';
import type { Ports } from '../../lambda/attempt/ports.ts';
import { createProfileNotes } from '../../lambda/attempt/profile-notes.ts';
import { refreshAccount } from '../../lambda/attempt/refresh-account.ts';
import { anAccount, aProfile, aTokenSet, NOW } from './builders.ts';

/**
 * A model of everything around the way of one account, in memory, in which each call waits for its turn twice: before
 * it takes effect, and before its answer is heard. Whoever hands out the turns decides the order of all I/O.
 */
export interface Model {
  /** A run over the account, as the function would do it. Resolves when it has ended; never if it dies. */
  run(participant: Participant): Promise<void>;
  /** A person signs in again: a new grant, stored as `authorize` stores it. */
  authorize(): void;
  /** Moves the clock on, seconds. */
  pass(seconds: number): void;
  readonly account: () => Account;
  readonly currentRefreshToken: () => unknown;
  readonly events: readonly AccountEvent[];
  readonly provider: ModelProvider;
  /** What must never happen and did, as sentences. */
  readonly broken: string[];
}

export interface ModelOptions {
  /** The token set does not say yet whose it is, so that it has to be claimed first. */
  readonly unclaimed?: boolean | undefined;
}

export interface Participant {
  readonly name: string;
  readonly force: boolean;
  /** It dies after so many turns; never where absent. */
  readonly diesAfter?: number | undefined;
  /** Seconds that pass with each of its turns. */
  readonly pace?: number | undefined;
  /** Seconds by which its clock is wrong. */
  readonly clockError?: number | undefined;
  /** Seconds for which it stands still in its first exchange, while the answer arrives; then it goes on. */
  readonly frozenFor?: number | undefined;
  /** Every store of this run fails. */
  readonly storeIsDown?: boolean | undefined;
  /** Of its reads of the secret, in turn: whether each may still give what stood there before the last store. */
  readonly lagging?: readonly boolean[] | undefined;
  readonly faults: readonly { readonly call: ModelCall; readonly outcome: ModelOutcome }[];
}

/** `odd answer`: of an exchange, a whole token set with status 400; of any other call, as good as an answer lost. */
export type ModelOutcome = 'fails' | 'answer lost' | 'odd answer';

export const MODEL_CALLS = [
  'lease',
  're-read',
  'exchange',
  'store',
  'move label',
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
/** Milliseconds for which a read may give what stood there before the last store. */
const READS_LAG_FOR = 120_000;
/** Turns for which others go on while a process that was frozen has not noticed yet. */
const TURNS_WHILE_FROZEN = 8;
const TABLE = 'accounts';
const KEPT_BY = `123456789012/eu-central-1/${TABLE}`;
const SECRET = {
  name: `oauth/accounts/${ACCOUNT_ID}`,
  arn: `arn:aws:secretsmanager:eu-central-1:123456789012:secret:oauth/accounts/${ACCOUNT_ID}-AbCdEf`,
};
const never = new Promise<never>(() => undefined);

/** Long enough to be seen as a token wherever one stands. */
const tokenNumbered = (n: number) => `refresh-token-${String(n).padStart(4, '0')}`;
const numberOf = (token: unknown) => Number(String(token).slice(-4));

export function createModel(
  turn: (label: string) => Promise<unknown>,
  { unclaimed }: ModelOptions = {},
): Model {
  const broken: string[] = [];
  const events: AccountEvent[] = [];
  let now = NOW * 1000;
  let item = anAccount({ accountId: ACCOUNT_ID, accessTokenExpiresAt: NOW });
  let note: ProfileNote = {};
  const noted: ModelTable['noted'] = {};
  const firstSet = aTokenSet({
    refresh_token: tokenNumbered(0),
    ...(unclaimed ? {} : { kept_by: KEPT_BY }),
  });
  const first: SecretVersion = {
    text: JSON.stringify(firstSet),
    versionId: 'first',
    createdAt: NOW - 3_600,
    ...SECRET,
  };
  const versions: SecretVersion[] = [first];
  /** What `AWSCURRENT` was at, and since when, milliseconds. */
  const current: { readonly version: SecretVersion; readonly since: number }[] = [
    { version: first, since: 0 },
  ];
  const issued: Issued[] = [];
  let live = tokenNumbered(0);
  let revoked = false;
  let explained = false;

  /** A refresh token is kept once it stands in the secret or in escrow. */
  const keep = (refreshToken: unknown) => {
    for (const one of issued) if (one.token === refreshToken) one.kept = true;
  };
  const mayBeLost = ({ kept, heard, holder }: Issued) => !kept && (!heard || holder.dead);
  const heldNow = () => current.at(-1)?.version ?? first;
  const refreshTokenIn = ({ text }: SecretVersion) => JSON.parse(text ?? '{}').refresh_token;

  const makeCurrent = (name: string, version: SecretVersion) => {
    const [next, before] = [refreshTokenIn(version), refreshTokenIn(heldNow())];
    if (numberOf(next) < numberOf(before)) broken.push(`${name} stored ${next} over ${before}`);
    current.push({ version, since: now });
    keep(next);
  };
  const versionOf = (text: string, versionId: string): SecretVersion => ({
    text,
    versionId,
    createdAt: now / 1000,
    ...SECRET,
  });
  const issue = (holder: Holder) => {
    live = tokenNumbered(issued.length + 1);
    issued.push({ token: live, holder, heard: false, kept: false });
    return live;
  };

  const exchange = (holder: Holder, refreshToken: string, odd: boolean) => {
    if (revoked || refreshToken !== live) {
      const successor = issued[numberOf(refreshToken)];
      if (!revoked && successor !== undefined) {
        // What somebody keeps whose lease is over comes too late for a visit that has read the secret before.
        const tooLate = successor.holder.late && !holder.seen.has(successor.token);
        if (mayBeLost(successor) || tooLate) explained = true;
        else
          broken.push(`${holder.name} spent ${refreshToken} again, although ${successor.token} was not lost`);
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
  };

  const portsOf = (holder: Holder, participant: Participant): Ports => {
    const faults = [...participant.faults];
    const lagging = [...(participant.lagging ?? [])];
    let frozenFor = participant.frozenFor ?? 0;
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
    /** The process stands still: time passes, others go on, and nobody ends it. */
    const freeze = async () => {
      if (frozenFor === 0) return;
      now += frozenFor * 1000;
      holder.late = now >= holder.deadline;
      holder.deadline += frozenFor * 1000;
      frozenFor = 0;
      for (let i = 0; i < TURNS_WHILE_FROZEN; i++) await turn(`${holder.name}: is frozen`);
    };
    const call = async <Answer>(
      name: ModelCall,
      effect: (outcome: ModelOutcome | undefined) => Answer,
    ): Promise<Answer> => {
      const at = faults.findIndex((fault) => fault.call === name);
      const [fault] = at === -1 ? [] : faults.splice(at, 1);
      await wait(name);
      const down = participant.storeIsDown && (name === 'store' || name === 'move label');
      if (down || fault?.outcome === 'fails')
        throw Object.assign(new Error('out of order'), { name: 'Outage' });
      const answer = effect(fault?.outcome);
      if (name === 'exchange') await freeze();
      await wait(`${name} is answered`);
      const lost =
        fault?.outcome === 'answer lost' || (fault?.outcome === 'odd answer' && name !== 'exchange');
      if (lost) throw Object.assign(new Error('reset'), { name: 'Outage' });
      return answer;
    };
    const failed = (error: unknown) => ({
      kind: 'failed' as const,
      failure: { kind: 'unavailable' as const, code: (error as Error).name },
    });
    const clock = {
      now: () => now + (participant.clockError ?? 0) * 1000,
      sleep: async (milliseconds: number) => {
        await wait('sleeps');
        now += milliseconds;
      },
    };
    const log = {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: () => undefined,
    };
    return {
      table: modelTable({
        call,
        item: () => item,
        set: (next) => {
          item = next;
        },
        keep,
        noted,
      }),
      secrets: {
        read: async () => {
          const mayLag = lagging.shift() ?? false;
          try {
            const secret = await call('re-read', () => {
              const [before, last] = current.slice(-2);
              const lags = mayLag && last !== undefined && now - last.since < READS_LAG_FOR;
              return (lags ? before?.version : undefined) ?? heldNow();
            });
            holder.seen.add(refreshTokenIn(secret));
            return { kind: 'found', secret };
          } catch (error) {
            return failed(error);
          }
        },
        put: async (_, text, versionId) => {
          try {
            await call('store', () => {
              if (versions.some((version) => version.versionId === versionId)) return;
              const version = versionOf(text, versionId);
              versions.push(version);
              makeCurrent(holder.name, version);
            });
            return { kind: 'stored' };
          } catch (error) {
            return failed(error);
          }
        },
        replace: async ({ from, text, versionId }) => {
          try {
            const version = await call('store', () => {
              const known = versions.find((one) => one.versionId === versionId);
              if (known !== undefined) return known.text === text ? known : undefined;
              const made = versionOf(text, versionId);
              versions.push(made);
              return made;
            });
            if (version === undefined) return { kind: 'overtaken' };
            return await call('move label', () => {
              if (heldNow().versionId !== from) return { kind: 'overtaken' as const };
              makeCurrent(holder.name, version);
              return { kind: 'stored' as const };
            });
          } catch (error) {
            return failed(error);
          }
        },
        readVersion: async (_, versionId) => {
          const secret = versions.find((version) => version.versionId === versionId);
          return secret === undefined
            ? { kind: 'missing', awaitingDeletion: false }
            : { kind: 'found', secret };
        },
        relabel: async () => undefined,
        versionDates: async () => [],
      },
      profiles: {
        load: async () => ({ kind: 'profile', profile: aProfile() }),
        alternatives: async () => [],
        adopt: () => undefined,
        windows: () => new Map(),
      },
      notes: createProfileNotes({
        table: {
          profileNote: async () => note,
          putProfileNote: async (_, next, before) => {
            if (before.revision !== note.revision) return 'conflict';
            note = { ...next, revision: (before.revision ?? 0) + 1 };
            return 'recorded';
          },
        },
        events: { putOfProfile: async () => undefined },
        clock,
        log,
      }),
      endpoint: {
        refresh: async ({ refreshToken }) => {
          try {
            const answer = await call('exchange', (outcome) =>
              exchange(holder, refreshToken, outcome === 'odd answer'),
            );
            for (const one of issued) if (answer.body.includes(`"${one.token}"`)) one.heard = true;
            const heard = { ...answer, retryAfter: undefined, complete: true };
            return { kind: 'response', response: heard, secrets: [] };
          } catch {
            return { kind: 'no_response', detail: 'no answer' };
          }
        },
      },
      vault: {
        prepare: async () => 'ready',
        seal: (_, __, escrowed) => call('seal', () => JSON.stringify(escrowed)),
        open: (_, { ciphertext }) => call('open escrow', () => JSON.parse(ciphertext)),
      },
      events: {
        put: (event) =>
          call('tell', () => {
            events.push(event);
          }),
        putOfProfile: async () => undefined,
      },
      limits: createLimits(1),
      turn: async () => undefined,
      clock,
      log,
      count: () => undefined,
    };
  };

  return {
    run: async (participant) => {
      await turn(`${participant.name} starts`);
      const holder: Holder = {
        name: participant.name,
        dead: false,
        deadline: now + LAMBDA_TIMEOUT,
        seen: new Set(),
      };
      const ports = portsOf(holder, participant);
      const begun = ports.clock.now();
      const input = { now: Math.floor(begun / 1000), refreshWindow: 300, force: participant.force };
      const account = item;
      const { action, reason } = decide(account, input);
      if (action !== 'refresh') return;
      const visit = {
        account,
        reason,
        profile: aProfile(),
        input,
        secretNamePrefix: 'oauth/',
        tableName: TABLE,
        formerTables: [],
        begun,
        deadline: begun + LAMBDA_TIMEOUT,
        longestLease: 240,
      };
      // Only a lease that could not be asked for makes it reject; then nothing was spent.
      await refreshAccount(visit, ports).catch(() => undefined);
    },
    authorize: () => {
      // The command line waits for the lease of a visit like everybody else.
      if (item.lease !== undefined && item.lease.expiresAt > now / 1000 - 2 * CLOCK_ERROR) return;
      revoked = false;
      const refreshToken = issue({ name: 'a person', dead: false, deadline: 0, seen: new Set() });
      const read = { tokenSet: JSON.parse(heldNow().text ?? '{}'), version: heldNow() };
      const obtained_at = nextObtainedAt(Math.floor(now / 1000), read, item.lastRefreshedAt);
      const set = aTokenSet({
        refresh_token: refreshToken,
        kept_by: KEPT_BY,
        obtained_at,
        expires_at: obtained_at + 3_600,
      });
      const version = versionOf(JSON.stringify(set), `authorized-${refreshToken}`);
      versions.push(version);
      makeCurrent('a person', version);
      const {
        failure: _,
        lease: __,
        escrow: ___,
        nextAttemptAt: ____,
        accessTokenExpiresAt: _____,
        ...rest
      } = item;
      item = { ...rest, status: 'healthy', lastRefreshedAt: set.obtained_at };
    },
    pass: (seconds) => {
      now += seconds * 1000;
    },
    account: () => item,
    currentRefreshToken: () => refreshTokenIn(heldNow()),
    events,
    provider: {
      live: () => (revoked ? undefined : live),
      lossIsExplained: () => explained || issued.some(mayBeLost),
    },
    broken,
  };
}

interface Holder {
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

interface ModelTable {
  readonly call: <Answer>(name: ModelCall, effect: () => Answer) => Promise<Answer>;
  readonly item: () => Account;
  readonly set: (item: Account) => void;
  /** A refresh token is in escrow. */
  readonly keep: (refreshToken: unknown) => void;
  /** What is noted of the secret. */
  readonly noted: { note?: SecretNote };
}

/** The conditional writes of the accounts table, on one item. */
function modelTable({ call, item, set, keep, noted }: ModelTable): AccountsTable {
  const write = ({ set: changes, remove, leaveLease }: Changes) => {
    const defined = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    const next: Record<string, unknown> = { ...item(), ...defined, lease: leaveLease };
    for (const name of remove) delete next[name];
    set(next as unknown as Account);
  };
  const notInThisModel = () => {
    throw new Error('not in this model');
  };
  return {
    scan: notInThisModel,
    get: async () => undefined,
    lease: (account, lease, now) =>
      call('lease', () => {
        const { lease: held, failure: _f, escrow, ...is } = item();
        const { lease: known, failure: _g, escrow: knownEscrow, ...was } = account;
        const over = held === undefined || (held.owner === known?.owner && held.expiresAt <= now);
        const free = (over || held.owner === lease.owner) && escrow?.attemptId === knownEscrow?.attemptId;
        const unchanged = Object.keys({ ...is, ...was }).every(
          (name) => is[name as keyof typeof is] === was[name as keyof typeof was],
        );
        if (!free || !unchanged) return 'conflict';
        set({ ...item(), lease });
        return 'leased';
      }),
    release: (_, owner, changes) =>
      call('record', () => {
        if (item().lease?.owner !== owner) return 'conflict';
        write(changes);
        return 'recorded';
      }),
    note: notInThisModel,
    secretNote: async () => noted.note,
    claimSecret: async (_, { accountId, lease, before, now, waitUntil }) => {
      const { secretOwner, lease: held } = noted.note ?? {};
      const owned = secretOwner === before?.secretOwner || secretOwner === accountId;
      if (!owned || (held !== undefined && held.expiresAt > now && held.owner !== lease.owner))
        return 'conflict';
      noted.note = { ...noted.note, secretOwner: accountId, lease, ...(waitUntil && { waitUntil }) };
      return 'claimed';
    },
    releaseSecret: async (_, owner, obtainedAt) => {
      if (noted.note?.lease?.owner !== owner) return;
      const { lease: __, ...rest } = noted.note;
      noted.note = { ...rest, ...(obtainedAt && { obtainedAt }) };
    },
    lendSecret: notInThisModel,
    putEscrow: (_, owner, escrow) =>
      call('put escrow', () => {
        const { escrow: before, lease } = item();
        const mayPut =
          before === undefined || lease?.owner === owner || before.attemptId === escrow.attemptId;
        if (!mayPut) return 'conflict';
        set({ ...item(), escrow });
        keep(JSON.parse(escrow.ciphertext).refreshToken);
        return 'recorded';
      }),
    profileNote: notInThisModel,
    putProfileNote: notInThisModel,
  };
}
