import type { Account } from '../core/account/account.ts';
import { stateToTell, type ToldState } from '../core/account/outcome.ts';
import type { Ports } from './attempt/ports.ts';
import { BEING_TOLD, tell } from './attempt/record.ts';

/** An event of an earlier run that may not have reached the bus. */
export interface OwedEvent extends ToldState {
  readonly account: Account;
}

/** The event that is still owed for an account that isn't due; undefined if there is none, or its writer may be putting it. */
export function owedEvent(account: Account, now: number): OwedEvent | undefined {
  const state = stateToTell(account);
  if (state === undefined || state.event !== account.eventOwed || now - state.at < BEING_TOLD)
    return undefined;
  return { account, ...state };
}

/** Puts owed events beside the run's work, a few at once. If the bus does not take one, the rest waits for a later run. */
export interface OwedEvents {
  add(owed: OwedEvent): void;
  /** Resolves when nothing is being put any more. */
  ended(): Promise<void>;
}

const AT_ONCE = 4;
/** Milliseconds before the end of the process after which none is begun. */
const LEAST_TIME = 20_000;

export function createOwedEvents(deadline: number, ports: Ports): OwedEvents {
  const waiting: OwedEvent[] = [];
  const busy = new Set<Promise<void>>();
  let isDown = false;
  const work = async () => {
    for (let owed = waiting.shift(); owed !== undefined; owed = waiting.shift()) {
      if (isDown || deadline - ports.clock.now() < LEAST_TIME) return;
      const { account, ...telling } = owed;
      const { failure } = account;
      if (!(await tell(account, { ...telling, failure }, ports))) isDown = true;
    }
  };
  return {
    add: (owed) => {
      if (isDown) return;
      waiting.push(owed);
      if (busy.size >= AT_ONCE) return;
      const one = work().finally(() => busy.delete(one));
      busy.add(one);
    },
    ended: async () => {
      await Promise.all(busy);
    },
  };
}
