import { parseJsonObject } from '../../core/json-object.ts';
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
export const PREFIX = 'oauth/';
/** When every history begins; milliseconds since the epoch. */
export const BEGIN = 1_800_000_000_000;
/** Seconds after its deadline for which a process's lease goes on. */
export const LEASE_MARGIN = 60;

/** Milliseconds for which a refusal is doubted at least. */
const BELIEVED_AFTER = 900_000;

export type Services = Record<
  Service,
  (operation: string, input: Readonly<Record<string, unknown>>, caller: SimulatedProcess) => object
>;

/** An event as it came to the bus. */
export interface Told {
  readonly at: number;
  readonly type: string;
  readonly about: string;
  readonly reason: string;
}

/** What must never be so, and is: an invariant's name, and the case. */
export interface Broken {
  readonly invariant:
    | 'spent twice'
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
  /** The grant that each account is to have. */
  readonly wanted = new Map<string, Grant>();
  /** Accounts whose refresh tokens a person has put back after they were spent: what follows is that person's. */
  readonly tampered = new Set<string>();
  readonly services: Services;
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
      events: (_, input) => this.#put(input),
      provider: () => {
        throw serviceError('NotHere', 500);
      },
    };
  }

  table(name = TABLE): SimulatedTable {
    const known = this.tables.get(name);
    if (known !== undefined) return known;
    const table = new SimulatedTable(name, (before, after) => this.#wrote(before, after));
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
    return this.provider(profile).issue({ accountId, number, revoked: false }, this.time.now, holder);
  }
  readonly #consents = new Map<string, number>();

  /** A refresh token comes to its provider. */
  present(profile: string, token: string, process: SimulatedProcess) {
    const provider = this.provider(profile);
    const issued = provider.find(token);
    const holder = this.holders.get(process);
    if (holder === undefined) throw new Error('nobody is at work');
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
    const single = this.plan.answers.find((one) => one.profile === profile && one.request === n);
    if (single !== undefined) return single.oddity;
    const at = this.seconds();
    return this.plan.moods.find(
      (mood) =>
        mood.profile === profile &&
        mood.from <= at &&
        at < mood.until &&
        (mood.accountId === undefined || mood.accountId === accountId),
    )?.oddity;
  }

  /** Invariant: never presented again after its successor is durable, or while a living process may hold it. */
  #judgeSpending(issued: Issued, successor: Issued, process: SimulatedProcess): void {
    const { accountId } = issued.grant;
    if (this.tampered.has(accountId)) return;
    // Whoever is told for so long that a token is dead may try the one before.
    if (successor.refusedSince !== undefined && this.time.now - successor.refusedSince >= BELIEVED_AFTER)
      return;
    const { holder } = successor;
    const again = `${short(issued.token)} of ${accountId} is sent again by ${process.name}, though ${short(successor.token)}`;
    if (holder?.process.outlived) return;
    if (successor.keptAt !== undefined) {
      this.break('spent twice', `${again} is kept`);
      return;
    }
    if (holder === undefined || holder.ended || holder.process.state === 'dead') return;
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
    if (this.byHand || next === old || old === undefined) return;
    if (next === undefined) {
      this.break('overwritten', `${name} lost ${short(old.token)}`);
      return;
    }
    if (this.tampered.has(next.grant.accountId)) return;
    const older =
      next.grant.accountId === old.grant.accountId &&
      (next.grant.number < old.grant.number || (next.grant === old.grant && descends(old, next)));
    if (older)
      this.break(
        'overwritten',
        `${name}: ${short(next.token)} was put over ${short(old.token)}, which is newer`,
      );
  }

  #wrote(before: Item | undefined, after: Item | undefined): void {
    const escrow = after?.escrow as { kind?: string; ciphertext: string; attemptId: string } | undefined;
    const known = before?.escrow as typeof escrow;
    const accountId = String(after?.accountId);
    if (escrow !== undefined && escrow.ciphertext !== known?.ciphertext) {
      const token = lookInto(accountId, escrow.kind ?? 'token', escrow.ciphertext);
      const issued = this.find(token);
      if (issued !== undefined) issued.keptAt ??= this.time.now;
      this.tell('escrow', `of ${accountId} holds ${short(token)}`);
    }
    if (after?.status === 'reauthorization_required' && before?.status !== after.status)
      this.#judgeDeath(after);
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

  #put({ Entries }: Readonly<Record<string, unknown>>): object {
    for (const { DetailType: type, Detail } of Entries as readonly { DetailType: string; Detail: string }[]) {
      const { accountId, oauthProfile, reason } = JSON.parse(Detail) as Record<string, string>;
      this.bus.push({
        at: this.time.now,
        type,
        about: accountId ?? oauthProfile ?? '',
        reason: reason ?? '',
      });
    }
    return { Entries: [{}] };
  }
}

export function refreshTokenIn(text: string | undefined): string | undefined {
  const token = parseJsonObject(text ?? '')?.refresh_token;
  return typeof token === 'string' ? token : undefined;
}

/** Whether the one was issued for the other, or for what was issued for it. */
function descends(one: Issued, other: Issued): boolean {
  for (let at = other.successor; at !== undefined; at = at.successor) if (at === one) return true;
  return false;
}

export function short(token: string | undefined): string {
  return token === undefined ? 'nothing' : token.replace(/^refresh-token-|-0123456789$/g, '');
}
