import type { Clock } from '../../core/clock.ts';
import { LATE_WRITES_FOR } from './assumptions.ts';
import { createRandom, type Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

export type Service = 'dynamodb' | 'secretsmanager' | 'kms' | 'events' | 'provider';

/**
 * What can go wrong with one call.
 *
 * - `fails`: it is answered with an error, and had no effect;
 * - `throttled`: the same, with the service's word for "too many";
 * - `answer lost`: it takes effect, and its caller hears nothing;
 * - `late`: its caller gives up, and it takes effect after that;
 * - `hangs`: no effect, and no answer;
 * - `killed before`, `killed after`: the process dies before the call is sent, or when it has taken effect;
 * - `frozen`: the process stands still when it has taken effect, and goes on later.
 */
export type Fault =
  | 'fails'
  | 'throttled'
  | 'answer lost'
  | 'late'
  | 'hangs'
  | 'killed before'
  | 'killed after'
  | 'frozen';

/** One call of a process to the world outside. */
export interface Call<Answer> {
  readonly service: Service;
  readonly operation: string;
  /** What it is about, for the timeline: an account's id, or a secret's name. */
  readonly about: string;
  /** What it does, when it arrives. What it throws is the answer too. */
  readonly effect: () => Answer;
  /** Milliseconds after which the caller gives up. */
  readonly timeout: number;
  /** Milliseconds that the service takes beside the way there and back. */
  readonly takes?: number;
}

/** What a process is told beforehand. */
export interface ProcessPlan {
  readonly name: string;
  /** Seconds by which its clock is wrong. */
  readonly clockError?: number;
  /** By the number of the call. */
  readonly faults?: Readonly<Record<number, Fault>>;
  /** Milliseconds of a call, at most. */
  readonly latency?: number;
  /** Seconds for which it is frozen. */
  readonly frozenFor?: number;
  /** Of its reads of secrets, how many lag behind. */
  readonly lagging?: number;
}

/** What was called, for the judgement of what was lost. */
export interface PastCall {
  readonly at: number;
  readonly operation: string;
  readonly about: string;
  readonly worked: boolean;
  /** The name of the error that it was answered with. */
  readonly error?: string | undefined;
}

export interface Surroundings {
  readonly time: VirtualTime;
  readonly seed: number;
  /** What is wrong with a service just now. */
  readonly outage: (service: Service, operation: string, about: string) => Fault | undefined;
  readonly tell: (who: string, what: string) => void;
  /** Is told of each step of the history, without times and ids. */
  readonly step: (who: string, what: string) => void;
}

export const TIME_IS_UP = 'its time is up';

/**
 * A process: what runs in it hears nothing any more once it is dead, and nothing for as long as it is frozen. Whatever it
 * sent before goes on its way.
 */
export class SimulatedProcess {
  /** What is carried out right now lands after its caller gave up. */
  isLate = false;
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly plan: ProcessPlan;
  readonly past: PastCall[] = [];
  state: 'running' | 'frozen' | 'dead' = 'running';
  /** When something last went wrong with one of its calls; milliseconds. */
  lastTrouble = 0;
  /** It died because its time was up. */
  hadItsTime = false;
  /** It stood still until somebody else may have its lease. */
  outlived = false;
  readonly #around: Surroundings;
  readonly #waiting: { readonly kind: 'timer' | 'answer'; readonly wake: () => void }[] = [];
  #calls = 0;

  constructor(plan: ProcessPlan, around: Surroundings) {
    this.plan = plan;
    this.name = plan.name;
    this.#around = around;
    this.random = createRandom(around.seed, plan.name);
    const { time } = around;
    const error = this.clockError;
    const sleep = (milliseconds: number) =>
      new Promise<void>((resolve) => {
        time.at(time.now + milliseconds, () => this.#hear('timer', resolve));
      });
    this.clock = {
      now: () => time.now + error,
      sleep,
      every: (milliseconds, action) => {
        let ended = false;
        const again = () => {
          if (ended || this.state === 'dead') return;
          action();
          time.at(time.now + milliseconds, () => this.#hear('timer', again));
        };
        time.at(time.now + milliseconds, () => this.#hear('timer', again));
        return () => {
          ended = true;
        };
      },
    };
  }

  /** Milliseconds. */
  get clockError(): number {
    return (this.plan.clockError ?? 0) * 1_000;
  }

  get time(): number {
    return this.#around.time.now;
  }

  /** @param why `time is up`: it had all the time that there is */
  kill(why: string): void {
    if (this.state === 'dead') return;
    this.hadItsTime = why === TIME_IS_UP;
    this.state = 'dead';
    this.#waiting.length = 0;
    this.#around.tell(this.name, `dies: ${why}`);
    this.#around.step(this.name, 'dies');
  }

  /** Lambda does this with what is left running when a handler has returned. */
  freeze(): void {
    if (this.state === 'running') this.state = 'frozen';
  }

  /** Timers come first, then what has arrived meanwhile: so does Node. */
  thaw(): void {
    if (this.state !== 'frozen') return;
    this.state = 'running';
    const waiting = this.#waiting.splice(0);
    const { time } = this.#around;
    for (const kind of ['timer', 'answer'] as const)
      for (const one of waiting)
        if (one.kind === kind) time.at(time.now, () => this.#hear(one.kind, one.wake));
  }

  /** Rejects with what the service answers, or as the SDK does where it hears nothing. */
  call<Answer>(call: Call<Answer>): Promise<Answer> {
    const { time, tell, step, outage } = this.#around;
    const { service, operation, about, effect, timeout, takes = 0 } = call;
    const number = ++this.#calls;
    const fault = this.plan.faults?.[number];
    const what = `${operation} ${about}`;
    if (fault === 'killed before') {
      this.kill(`before call ${number}, ${what}`);
      return new Promise(() => undefined);
    }
    return new Promise<Answer>((resolve, reject) => {
      const latency = this.plan.latency ?? 20;
      const there = 1 + this.random.below(latency);
      const back = 1 + this.random.below(latency);
      const sentAt = time.now;
      const note = (worked: boolean, why: Fault | undefined, error?: string) => {
        tell(this.name, `${number} ${what}${error === undefined ? '' : `: ${error}`}${said(why)}`);
        step(this.name, `${operation} ${error ?? worked} ${why ?? ''}`);
        const isHeard = why !== 'answer lost' && why !== 'late';
        this.past.push({
          at: isHeard ? time.now : sentAt,
          operation,
          about,
          worked: worked && isHeard,
          error,
        });
      };
      const carryOut = (why: Fault | undefined) => {
        let answer: Answer;
        try {
          answer = effect();
        } catch (error) {
          note(false, why, (error as Error).name);
          return () => reject(error);
        }
        note(true, why);
        return () => resolve(answer);
      };
      const fail = (error: Error, after: number, why: Fault) => {
        note(false, why, error.name);
        time.at(time.now + after, () => this.#hear('answer', () => reject(error)));
      };
      const giveUp = () => {
        time.at(sentAt + timeout, () => this.#hear('timer', () => reject(noAnswer())));
      };
      time.at(sentAt + there, () => {
        const found = fault ?? outage(service, operation, about);
        // Who carries a token request out does so while it is waited for.
        const wrong = found === 'late' && service === 'provider' ? 'answer lost' : found;
        if (wrong !== undefined) this.lastTrouble = time.now;
        if (wrong === 'fails') return fail(serviceError('InternalServiceError', 500), back, wrong);
        if (wrong === 'throttled') return fail(serviceError('ThrottlingException', 400), back, wrong);
        if (wrong === 'hangs') {
          note(false, wrong);
          return giveUp();
        }
        if (wrong === 'late') {
          const at = sentAt + timeout + this.random.below(LATE_WRITES_FOR * 1_000 - timeout);
          time.at(at, () => {
            this.isLate = true;
            carryOut(wrong);
            this.isLate = false;
          });
          return giveUp();
        }
        const answer = carryOut(wrong);
        if (wrong === 'answer lost') return giveUp();
        const heardAt = time.now + back + takes;
        if (heardAt - sentAt > timeout && wrong !== 'frozen') return giveUp();
        time.at(heardAt, () => {
          if (wrong === 'killed after') return this.kill(`after call ${number}, ${what}`);
          if (wrong === 'frozen') this.#standStill();
          this.#hear('answer', answer);
        });
      });
    });
  }

  #standStill(): void {
    const { time, tell } = this.#around;
    const seconds = this.plan.frozenFor ?? 90;
    tell(this.name, `stands still for ${seconds} s`);
    this.freeze();
    time.at(time.now + seconds * 1_000, () => {
      if (this.state === 'frozen') tell(this.name, 'goes on');
      this.thaw();
    });
  }

  #hear(kind: 'timer' | 'answer', wake: () => void): void {
    if (this.state === 'dead') return;
    if (this.state === 'frozen') this.#waiting.push({ kind, wake });
    else wake();
  }
}

function said(fault: Fault | undefined): string {
  return fault === undefined ? '' : ` (${fault})`;
}

/** As the SDK's clients throw them. */
export function serviceError(name: string, httpStatusCode: number): Error {
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });
}

function noAnswer(): Error {
  return Object.assign(new Error('no answer'), { name: 'TimeoutError' });
}
