import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { AwsError } from './aws-error.ts';
import { type Answer, errorAnswer } from './protocol.ts';

export type Service = 'dynamodb' | 'secretsmanager' | 'kms' | 'events' | 'lambda' | 'logs';

/** A call as a rule sees it. */
export interface FaultCall {
  readonly service: Service;
  readonly operation: string;
  /** Counts all calls to this endpoint, from 1. */
  readonly sequence: number;
  /** The parsed body; undefined where it is not JSON. */
  readonly input: unknown;
}

/** What goes wrong with one call. */
export type Fault =
  /** The connection is reset and nothing happened. */
  | { readonly kind: 'fail_before' }
  /** It happens, and the connection is reset instead of an answer. */
  | { readonly kind: 'drop_answer' }
  /** Nothing happens; the service's own throttling error. */
  | { readonly kind: 'throttle' }
  /** Nothing happens and nothing is ever answered. */
  | { readonly kind: 'hang' }
  /** It happens, that much later. */
  | { readonly kind: 'delay'; readonly milliseconds: number }
  /** A read of a secret gives the version before the current one, as one that lags does. */
  | { readonly kind: 'stale' }
  /** Nothing happens; this error. */
  | { readonly kind: 'error'; readonly status: number; readonly type: string; readonly message: string };

export type FaultRule = (call: FaultCall) => Fault | undefined;

/**
 * Performs a call with a fault: the answer to send, or to reset the connection.
 * `closing` ends what hangs or is still delayed, without it happening.
 */
export async function performWith(
  fault: Fault | undefined,
  service: Service,
  perform: () => Promise<Answer>,
  closing: AbortSignal,
): Promise<Answer | 'reset'> {
  switch (fault?.kind) {
    case undefined:
    case 'stale':
      return perform();
    case 'fail_before':
      return 'reset';
    case 'drop_answer':
      await perform();
      return 'reset';
    case 'throttle':
      return errorAnswer(throttled(service));
    case 'error':
      return errorAnswer(new AwsError(fault.type, fault.message, fault.status));
    case 'hang':
      if (!closing.aborted) await once(closing, 'abort');
      return 'reset';
    case 'delay':
      await sleep(fault.milliseconds, undefined, { signal: closing }).catch(() => undefined);
      return closing.aborted ? 'reset' : perform();
  }
}

function throttled(service: Service): AwsError {
  if (service === 'lambda') return new AwsError('TooManyRequestsException', 'Rate Exceeded.', 429);
  if (service !== 'dynamodb') return new AwsError('ThrottlingException', 'Rate exceeded');
  return new AwsError(
    'ProvisionedThroughputExceededException',
    'The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.',
  );
}
