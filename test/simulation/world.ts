import type { Candidate } from '../../cli/import/row/row.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import { BELIEVED_AFTER, CLOCK_ERROR, LEASE_MARGIN, STALE_READS_FOR, TIME_LIMIT } from './assumptions.ts';
import { SimulatedTable } from './dynamodb.ts';
import type { Item } from './expressions.ts';
import { lookInto, SimulatedKms } from './kms.ts';
import type { HistoryPlan } from './plan.ts';
import { type ProcessPlan, type Service, SimulatedProcess, serviceError } from './process.ts';
import { type Grant, type Holder, type Issued, type Oddity, SimulatedProvider } from './provider.ts';
import { SimulatedSecrets } from './secrets-manager.ts';
import { createShape } from './shape.ts';
import { VirtualTime } from './virtual-time.ts';

export const TABLE = 'accounts';
/** The table of another deployment over the same secrets. */
export const OTHER_TABLE = 'accounts-b';
export const PREFIX = 'oauth/';
/** When every history begins; milliseconds since the epoch. */
export const BEGIN = 1_800_000_000_000;

export type Services = Record<
  Service,
  (operation: string, input: Readonly<Record<string, unknown>>, caller: SimulatedProcess) => object
>;

/** An event as it came to the bus. */
export interface Told {
  readonly at: number;
  /** What it says of itself, seconds since the epoch. */
  readonly since: number;
  /** Of whose function it came. */
  readonly table: string;
  readonly type: string;
  readonly about: string;
  readonly reason: string;
  /** Its caller had given up by then. */
  readonly isLate: boolean;
}

/** What must never be so, and is: an invariant's name, and the case. */
export interface Broken {
  readonly invariant:
    | 'spent twice'
    | 'spent by another'
    | 'overwritten'
    | 'marked dead wrongly'
    | 'lost untold'
    | 'stuck'
    | 'delayed'
    | 'told wrongly';
  readonly what: string;
}

export interface TimelineEntry {
  readonly at: number;
  readonly who: string;
  readonly what: string;
}

/** What a table's function writes as `kept_by`. */
export const keeperOf = (table: string) => `123456789012/eu-central-1/${table}`;

export const secretOf = (accountId: string) => `${PREFIX}accounts/${accountId}`;

/** Everything outside the processes, and the truth about it, which no process knows. */
export class World {
  readonly plan: HistoryPlan;
  readonly time = new VirtualTime(BEGIN);
  readonly timeline: TimelineEntry[] = [];
  readonly bus: Told[] = [];
  readonly broken: Broken[] = [];
  readonly shape = createShape();
  readonly providers = new Map<string, SimulatedProvider>();
  readonly secrets: SimulatedSecrets;
  readonly tables = new Map<string, SimulatedTable>();
  readonly kms = new SimulatedKms();
  readonly processes: SimulatedProcess[] = [];
  /** In what a process is at work. */
  readonly holders = new Map<SimulatedProcess, Holder>();
  /** As what each account was imported before the history begins. */
  readonly candidates = new Map<string, Candidate>();
  /** The grant that each account is to have: the last that a person gave, once it stands in the secret. */
  readonly wanted = new Map<string, Grant>();
  /** Accounts to which a person did what no program can make good: what follows is that person's. */
  readonly tampered = new Set<string>();
  /** Accounts with a grant of which their person knows that there is something left to do. */
  readonly waiting = new Map<string, Grant>();
  /** The function's processes that work for `OTHER_TABLE`. */
  readonly others = new Set<SimulatedProcess>();
  /** The table was put back as it was, and with it what it knows of the events. */
  restored = false;
  readonly services: Services;
  /** Accounts in whose escrow there was an answer that nobody can read. */
  readonly answersKept = new Set<string>();
  /** A person is writing by hand just now. */
  byHand = false;
  readonly #tracing: boolean;
  readonly #requests = new Map<string, number>();

  constructor(plan: HistoryPlan, tracing: boolean) {
    this.plan = plan;
    this.#tracing = tracing;
    this.secrets = new SimulatedSecrets((name, text, before) => this.#becameCurrent(name, text, before));
    for (const profile of plan.profiles) this.providers.set(profile.profile, new SimulatedProvider(profile));
    this.services = {
      dynamodb: (operation, input, caller) =>
        this.table(String(input.TableName)).carryOut(operation, input, caller),
      secretsmanager: (operation, input, caller) => this.secrets.carryOut(operation, input, caller),
      kms: (operation, input) => this.kms.carryOut(operation, input),
      events: (_, input, caller) => this.#put(input, caller),
      provider: () => {
        throw serviceError('NotHere', 500);
      },
    };
  }

  table(name = TABLE): SimulatedTable {
    const known = this.tables.get(name);
    if (known !== undefined) return known;
    const table = new SimulatedTable(name, (before, after) => this.#wrote(name, before, after));
    this.tables.set(name, table);
    return table;
  }

  process(plan: ProcessPlan): SimulatedProcess {
    const process = new SimulatedProcess(plan, {
      time: this.time,
      seed: this.plan.seed,
      outage: (service, operation, about) => this.#outage(service, operation, about),
      tell: (who, what) => this.tell(who, what),
      step: (who, what) => this.shape.step(who, what),
    });
    this.processes.push(process);
    return process;
  }

  tell(who: string, what: string): void {
    if (this.#tracing) this.timeline.push({ at: this.time.now, who, what });
  }

  break(invariant: Broken['invariant'], what: string): void {
    this.broken.push({ invariant, what });
    this.tell('!', `${invariant}: ${what}`);
  }

  /** Seconds since the history began. */
  seconds(): number {
    return (this.time.now - BEGIN) / 1_000;
  }

  provider(profile: string): SimulatedProvider {
    const provider = this.providers.get(profile);
    if (provider === undefined) throw new Error(`no provider ${profile}`);
    return provider;
  }

  find(token: string | undefined): Issued | undefined {
    for (const provider of this.providers.values()) {
      const issued = provider.find(token);
      if (issued !== undefined) return issued;
    }
    return undefined;
  }

  /** A person's consent: what the provider issues for it first. */
  consent(accountId: string, profile: string, holder?: Holder): Issued {
    const number = (this.#consents.get(accountId) ?? 0) + 1;
    this.#consents.set(accountId, number);
    return this.provider(profile).consent(accountId, number, this.time.now, holder);
  }
  readonly #consents = new Map<string, number>();

  /** A refresh token comes to its provider. */
  present(profile: string, token: string, process: SimulatedProcess) {
    const provider = this.provider(profile);
    const issued = provider.find(token);
    const holder = this.holders.get(process);
    if (holder === undefined) throw new Error('nobody is at work');
    this.#judgeKeeper(issued, process);
    if (issued?.successor !== undefined) this.#judgeSpending(issued, issued.successor, process);
    const n = (this.#requests.get(profile) ?? 0) + 1;
    this.#requests.set(profile, n);
    const oddity = this.#oddity(profile, issued?.grant.accountId ?? '', n);
    const answer = provider.answer(issued, holder, this.time.now, oddity);
    this.shape.step('provider', `${answer?.status} ${oddity ?? ''}`);
    const gave = answer !== undefined && 'next' in answer ? ` → ${short(answer.next?.token)}` : '';
    this.tell(
      profile,
      `is sent ${short(token)}: ${answer === undefined ? 'no answer' : answer.status}${gave}${oddity === undefined ? '' : ` (${oddity})`}`,
    );
    return answer;
  }

  #oddity(profile: string, accountId: string, n: number): Oddity | undefined {
    const at = this.seconds();
    if (at >= this.plan.calmFrom) return undefined;
    const single = this.plan.answers.find((one) => one.profile === profile && one.request === n);
    if (single !== undefined) return single.oddity;
    return this.plan.moods.find(
      (mood) =>
        mood.profile === profile &&
        mood.from <= at &&
        at < mood.until &&
        (mood.accountId === undefined || mood.accountId === accountId),
    )?.oddity;
  }

  /** Invariant: nobody spends what the function of another table keeps. */
  #judgeKeeper(issued: Issued | undefined, process: SimulatedProcess): void {
    if (issued === undefined || this.tampered.has(issued.grant.accountId)) return;
    const text = this.secrets.current(secretOf(issued.grant.accountId));
    const { refresh_token, kept_by } = parseJsonObject(text ?? '') ?? {};
    if (refresh_token !== issued.token || kept_by === undefined) return;
    if (kept_by === keeperOf(this.#tableOf(process))) return;
    this.break(
      'spent by another',
      `${short(issued.token)} is sent by ${process.name}, though kept by ${kept_by}`,
    );
  }

  #tableOf(process: SimulatedProcess): string {
    return this.others.has(process) ? OTHER_TABLE : TABLE;
  }

  /** Invariant: never presented again after its successor is durable, or while a living process may hold it. */
  #judgeSpending(issued: Issued, successor: Issued, process: SimulatedProcess): void {
    const { accountId } = issued.grant;
    if (this.tampered.has(accountId)) return;
    const isForgetful = (this.#forgetful.get(accountId) ?? 0) > this.time.now;
    if (isForgetful && (process.plan.lagging ?? 0) > 0) {
      this.tamper(accountId, 'its item has forgotten the last store, which a read does not show');
      return;
    }
    // Whoever is told for so long that a token is dead may try the one before. So may who has a candidate that is dead.
    if (
      successor.refusedSince !== undefined &&
      this.time.now - successor.refusedSince >= BELIEVED_AFTER * 1_000
    )
      return;
    if (successor.oddity === 'refused with tokens' && !this.#accepts(successor.token)) return;
    const { holder } = successor;
    const again = `${short(issued.token)} of ${accountId} is sent again by ${process.name}, though ${short(successor.token)}`;
    if (holder?.process.outlived) return;
    if (successor.keptAt !== undefined) {
      this.break('spent twice', `${again} is kept`);
      return;
    }
    if (holder === undefined || holder.ended || holder.process.state === 'dead') return;
    // What nobody waits for any more is in nobody's hands.
    if (successor.givenUp) return;
    // Nor is what its hearer can't read.
    if (successor.oddity === 'unreadable' && successor.heardAt !== undefined) return;
    const apart = process.clockError - holder.process.clockError;
    const leased = this.time.now + apart < holder.deadline + LEASE_MARGIN * 1_000;
    if (holder.process === process) {
      if (successor.heardAt !== undefined && successor.oddity !== 'unreadable')
        this.break('spent twice', `${again} has come to the same process`);
    } else if (leased) this.break('spent twice', `${again} may be in the hands of ${holder.process.name}`);
  }

  #outage(service: Service, operation: string, about: string) {
    const at = this.seconds();
    return this.plan.outages.find(
      (outage) =>
        outage.service === service &&
        outage.from <= at &&
        at < outage.until &&
        (outage.operation === undefined || operation.startsWith(outage.operation)) &&
        (outage.about === undefined || about.includes(outage.about)),
    )?.fault;
  }

  #becameCurrent(name: string, text: string, before: string | undefined): void {
    const next = this.find(refreshTokenIn(text));
    const old = this.find(refreshTokenIn(before));
    this.tell('secret', `${name} holds ${short(next?.token)}, before ${short(old?.token)}`);
    if (next !== undefined) next.keptAt ??= this.time.now;
    if (this.byHand || before === undefined) {
      this.#putByPeople(next);
      return;
    }
    if (next === old || old === undefined) return;
    if (next === undefined) {
      this.break('overwritten', `${name} lost ${short(old.token)}`);
      return;
    }
    if (this.tampered.has(next.grant.accountId)) return;
    const older =
      next.grant.accountId === old.grant.accountId &&
      (next.grant.number < old.grant.number || (next.grant === old.grant && descends(old, next)));
    // What was spent for a stale read, of a set that the item has forgotten, is stored a little later.
    const { accountId } = next.grant;
    if (older && (this.#forgetful.get(accountId) ?? 0) + TIME_LIMIT * 1_000 > this.time.now)
      this.tamper(accountId, 'its item has forgotten the last store, which a read does not show');
    // Who was told that nothing was kept signs in again.
    else if (older && !old.holder?.knows)
      this.break(
        'overwritten',
        `${name}: ${short(next.token)} was put over ${short(old.token)}, which is newer`,
      );
    const wanted = this.wanted.get(next.grant.accountId);
    if (wanted !== undefined && next.grant.number > wanted.number)
      this.wanted.set(next.grant.accountId, next.grant);
  }

  #accepts(token: string): boolean {
    return [...this.providers.values()].some((one) => one.accepts(token, this.time.now));
  }

  /** Only people make secrets, and put into them what they like; what is dead there is dead by their hands. */
  #putByPeople(next: Issued | undefined): void {
    if (next === undefined) return;
    const { accountId } = next.grant;
    if (!this.#accepts(next.token) || next.successor !== undefined)
      this.tamper(accountId, 'a token that was spent comes back');
    else this.wanted.set(accountId, next.grant);
  }

  /** From now on what becomes of the account is its person's. */
  tamper(accountId: string, why: string): void {
    if (this.tampered.has(accountId)) return;
    this.tampered.add(accountId);
    this.tell('!', `${accountId} is its person's from now on: ${why}`);
  }

  #wrote(table: string, before: Item | undefined, after: Item | undefined): void {
    if (table === TABLE) this.#judgePeople(before, after);
    const escrow = after?.escrow as { kind?: string; ciphertext: string; attemptId: string } | undefined;
    const known = before?.escrow as typeof escrow;
    const accountId = String(after?.accountId);
    if (escrow !== undefined && escrow.ciphertext !== known?.ciphertext && !this.byHand) {
      const { refreshToken: token, answer } = lookInto(accountId, escrow.kind ?? 'token', escrow.ciphertext);
      if (answer !== undefined) this.answersKept.add(accountId);
      const issued = this.find(token);
      if (issued !== undefined) issued.keptAt ??= this.time.now;
      this.tell('escrow', `of ${accountId} holds ${short(token)}`);
    }
    if (after?.status === 'reauthorization_required' && before?.status !== after.status)
      this.#judgeDeath(after);
  }

  /** What the guarantee does not cover (docs/guarantee.md): an item that people take away, or overwrite, in use. */
  #judgePeople(before: Item | undefined, after: Item | undefined): void {
    const id = String((before ?? after)?.accountId);
    const lease = before?.lease as { owner: string; expiresAt: number } | undefined;
    const inUse = lease !== undefined && lease.expiresAt * 1_000 > this.time.now && this.#isAtWork();
    if (after === undefined && inUse) this.tamper(id, 'its item is removed in the middle of a visit');
    this.#judgeMemory(id, before, after);
    if (!this.byHand || after === undefined) return;
    const kept = after.lease as typeof lease;
    const { obtained_at } = parseJsonObject(this.secrets.current(secretOf(id)) ?? '') ?? {};
    const { lastRefreshedAt } = after;
    const knowsOlder = Number(lastRefreshedAt ?? Number.POSITIVE_INFINITY) < Number(obtained_at);
    const isBehind = knowsOlder && lastRefreshedAt !== before?.lastRefreshedAt;
    if (inUse && kept?.owner !== lease.owner && !isBehind)
      this.tamper(id, 'its item is overwritten in the middle of a visit, and knows of no older set');
    const escrow = before?.escrow as { ciphertext: string } | undefined;
    if (escrow !== undefined && (after.escrow as typeof escrow)?.ciphertext !== escrow.ciphertext)
      this.tamper(id, 'its escrow is overwritten');
    const text = this.secrets.current(secretOf(id));
    if (before === undefined && text === undefined) this.tamper(id, 'its item comes back without its secret');
    const grant = this.find(refreshTokenIn(text))?.grant;
    if (after.status === 'reauthorization_required' && grant !== undefined) this.waiting.set(id, grant);
  }

  /** An item that forgets a store which reads of the secret may not show yet: only the item knows of that. */
  #judgeMemory(id: string, before: Item | undefined, after: Item | undefined): void {
    const { known, at } = this.#lastRefreshed.get(id) ?? { known: 0, at: 0 };
    const now = Number(after?.lastRefreshedAt ?? 0);
    if (now > known) this.#lastRefreshed.set(id, { known: now, at: this.time.now });
    const byPeople = this.byHand || now === 0;
    const isFresh = this.time.now - at < UNSEEN_FOR * 1_000;
    if (after !== undefined && now < known && byPeople && isFresh)
      this.#forgetful.set(id, at + UNSEEN_FOR * 1_000);
    // With the lease of a run that died, its store is forgotten.
    const lease = before?.lease as { owner: string } | undefined;
    const kept = after?.lease as typeof lease;
    if (lease !== undefined && lease.owner !== kept?.owner && this.byHand)
      this.#forgetful.set(id, this.time.now + UNSEEN_FOR * 1_000);
  }
  /** What each item knows, and since when. */
  readonly #lastRefreshed = new Map<string, { readonly known: number; readonly at: number }>();
  /** Accounts of which nobody can tell a stale read, and until when. */
  readonly #forgetful = new Map<string, number>();

  #isAtWork(): boolean {
    return [...this.holders.values()].some(
      ({ process, deadline, ended }) => !ended && process.state !== 'dead' && Number.isFinite(deadline),
    );
  }

  /** Invariant: no healthy grant is marked dead. */
  #judgeDeath({ accountId, oauthProfile, failure }: Item): void {
    const id = String(accountId);
    const { reason } = failure as { reason: string };
    if (this.tampered.has(id) || this.byHand) return;
    const text = this.secrets.current(secretOf(id));
    const provider = this.providers.get(String(oauthProfile));
    if (provider?.accepts(refreshTokenIn(text), this.time.now))
      this.break('marked dead wrongly', `${id} (${reason}), though its refresh token is good`);
  }

  #put({ Entries }: Readonly<Record<string, unknown>>, caller: SimulatedProcess): object {
    const table = this.#tableOf(caller);
    for (const { DetailType: type, Detail } of Entries as readonly { DetailType: string; Detail: string }[]) {
      const detail = JSON.parse(Detail) as Record<string, string> & { at: number };
      const { accountId, oauthProfile, reason, at: since } = detail;
      this.bus.push({
        at: this.time.now,
        since,
        table,
        type,
        about: accountId ?? oauthProfile ?? '',
        reason: reason ?? '',
        isLate: caller.isLate,
      });
    }
    return { Entries: [{}] };
  }
}

export function refreshTokenIn(text: string | undefined): string | undefined {
  const token = parseJsonObject(text ?? '')?.refresh_token;
  return typeof token === 'string' ? token : undefined;
}

/** Seconds for which reads may not show a store, by clocks that differ. */
const UNSEEN_FOR = STALE_READS_FOR + 2 * CLOCK_ERROR;

/** Whether the one was issued for the other, or for what was issued for it. */
function descends(one: Issued, other: Issued): boolean {
  for (let at = other.successor; at !== undefined; at = at.successor) if (at === one) return true;
  return false;
}

export function short(token: string | undefined): string {
  return token === undefined ? 'nothing' : token.replace(/^refresh-token-|-0123456789$/g, '');
}
