import type { AccountEvent } from '../../../adapters/aws/events.ts';
import type { Account } from '../../../core/account/account.ts';
import { CLOCK_ERROR, decide, nextObtainedAt } from '../../../core/account/decision.ts';
import type { ProfileNote } from '../../../core/account/profile-note.ts';
import { createLimits } from '../../../lambda/attempt/limits.ts';
import type { Ports } from '../../../lambda/attempt/ports.ts';
import { createProfileNotes } from '../../../lambda/attempt/profile-notes.ts';
import { refreshAccount } from '../../../lambda/attempt/refresh-account.ts';
import { anAccount, aProfile, aTokenSet, NOW } from '../../support/builders.ts';
import { createModelProvider, type Holder, type ModelProvider } from './provider.ts';
import { ACCOUNT_ID, createModelSecret, KEPT_BY, refreshTokenIn, TABLE } from './secret.ts';
import { createModelTable } from './table.ts';

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

/** Makes one call with everything that may befall it. */
export type Call = <Answer>(
  name: ModelCall,
  effect: (outcome: ModelOutcome | undefined) => Answer,
) => Promise<Answer>;

const LAMBDA_TIMEOUT = 120_000;
/** Turns for which others go on while a process that was frozen has not noticed yet. */
const TURNS_WHILE_FROZEN = 8;
const never = new Promise<never>(() => undefined);

export function createModel(
  turn: (label: string) => Promise<unknown>,
  { unclaimed }: ModelOptions = {},
): Model {
  const broken: string[] = [];
  const events: AccountEvent[] = [];
  let now = NOW * 1000;
  let note: ProfileNote = {};
  const provider = createModelProvider(broken);
  const secret = createModelSecret({ now: () => now, keep: provider.keep, broken, unclaimed });
  const table = createModelTable(
    anAccount({ accountId: ACCOUNT_ID, accessTokenExpiresAt: NOW }),
    provider.keep,
  );

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
    const call: Call = async (name, effect) => {
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
    const nothing = () => undefined;
    const log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
    return {
      table: table.of(call),
      secrets: {
        read: async () => {
          const mayLag = lagging.shift() ?? false;
          try {
            const version = await call('re-read', () => secret.read(mayLag));
            holder.seen.add(refreshTokenIn(version));
            return { kind: 'found', secret: version };
          } catch (error) {
            return failed(error);
          }
        },
        put: async (_, text, versionId) => {
          try {
            await call('store', () => {
              if (secret.version(versionId) === undefined)
                secret.makeCurrent(holder.name, secret.add(text, versionId));
            });
            return { kind: 'stored' };
          } catch (error) {
            return failed(error);
          }
        },
        replace: async (_, from, text, versionId) => {
          try {
            const version = await call('store', () => {
              const known = secret.version(versionId) ?? secret.add(text, versionId);
              return known.text === text ? known : undefined;
            });
            if (version === undefined) return { kind: 'overtaken' };
            return await call('move label', () => {
              if (secret.current().versionId !== from) return { kind: 'overtaken' as const };
              secret.makeCurrent(holder.name, version);
              return { kind: 'stored' as const };
            });
          } catch (error) {
            return failed(error);
          }
        },
        readVersion: async (_, versionId) => {
          const version = secret.version(versionId);
          return version === undefined
            ? { kind: 'missing', awaitingDeletion: false }
            : { kind: 'found', secret: version };
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
              provider.exchange(holder, refreshToken, outcome === 'odd answer'),
            );
            provider.heard(answer.body);
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
      const account = table.item();
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
      const item = table.item();
      if (item.lease !== undefined && item.lease.expiresAt > now / 1000 - 2 * CLOCK_ERROR) return;
      const refreshToken = provider.authorize();
      const read = { tokenSet: JSON.parse(secret.current().text ?? '{}'), version: secret.current() };
      const obtained_at = nextObtainedAt(Math.floor(now / 1000), read, item.lastRefreshedAt);
      const set = aTokenSet({
        refresh_token: refreshToken,
        kept_by: KEPT_BY,
        obtained_at,
        expires_at: obtained_at + 3_600,
      });
      secret.makeCurrent('a person', secret.add(JSON.stringify(set), `authorized-${refreshToken}`));
      const {
        failure: _,
        lease: __,
        escrow: ___,
        nextAttemptAt: ____,
        accessTokenExpiresAt: _____,
        ...rest
      } = item;
      table.set({ ...rest, status: 'healthy', lastRefreshedAt: set.obtained_at });
    },
    pass: (seconds) => {
      now += seconds * 1000;
    },
    account: table.item,
    currentRefreshToken: () => refreshTokenIn(secret.current()),
    events,
    provider,
    broken,
  };
}
