import { setTimeout as sleep } from 'node:timers/promises';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import type { Fleet } from './fleet.ts';

const MOST_TRIES = 10;
/** Milliseconds before the second try; doubled for each further one. */
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 10_000;

/**
 * Has each call of a fleet's clients repeated while it is throttled, for half a minute, beyond what the SDK does. It is the call
 * that is repeated and not the work around it, which may have had an effect: a deleted item, a person who has signed in.
 *
 * @param signal ends the wait for the function, which has not begun; a call within a piece of work is waited for
 */
export function repeatThrottled(fleet: Fleet, signal: AbortSignal): Fleet {
  const { table, secrets, lambda } = fleet;
  table.middlewareStack.add(repeating(sleep), WHERE);
  secrets.middlewareStack.add(repeating(sleep), WHERE);
  lambda.middlewareStack.add(
    repeating((milliseconds) => sleep(milliseconds, undefined, { signal })),
    WHERE,
  );
  return fleet;
}

const WHERE = {
  step: 'initialize',
  // Inside of what translates the request, which can be done once only.
  priority: 'low',
  name: 'repeatThrottled',
  override: true,
} as const;

type Pause = (milliseconds: number) => Promise<unknown>;

const repeating =
  (pause: Pause) =>
  <Request, Response>(next: (request: Request) => Promise<Response>) =>
  (request: Request) =>
    untilNotThrottled(() => next(request), pause);

/** Repeats what was throttled, which had no effect, up to ten times. Rejects with its error after that, and with any other. */
export async function untilNotThrottled<T>(call: () => Promise<T>, pause: Pause = sleep): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (awsFailure(error).kind !== 'throttled' || tries === MOST_TRIES) throw error;
      await pause(Math.min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE));
    }
  }
}
