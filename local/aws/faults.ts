import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { AwsError } from './protocol/aws-error.ts';
import { type AwsResponse, errorResponse } from './protocol/protocol.ts';

export type Service = 'dynamodb' | 'secretsmanager' | 'kms' | 'events' | 'lambda' | 'logs';

export interface FaultCall {
  readonly service: Service;
  readonly operation: string;
  /** The number of this call, counted from 1. */
  readonly sequence: number;
  /** The parsed body; undefined if it isn't JSON. */
  readonly input: unknown;
}

/** What goes wrong with one call. */
export type Fault =
  /** Nothing happens; the connection is reset. */
  | { readonly kind: 'fail_before' }
  /** It happens, but the connection is reset instead of a response. */
  | { readonly kind: 'drop_answer' }
  /** Nothing happens; the service's own throttling error. */
  | { readonly kind: 'throttle' }
  /** Nothing happens, and no response ever comes. */
  | { readonly kind: 'hang' }
  /** It happens after this time. */
  | { readonly kind: 'delay'; readonly milliseconds: number }
  /** A read of a secret returns the version before the current one, like a read that lags. */
  | { readonly kind: 'stale' }
  /** Nothing happens; this error. */
  | { readonly kind: 'error'; readonly status: number; readonly type: string; readonly message: string };

export type FaultRule = (call: FaultCall) => Fault | undefined;

/**
 * Performs a call with a fault.
 *
 * @param closing cancels calls that hang or are still delayed
 * @returns the response to send, or `reset` to reset the connection
 */
export async function performWith(
  fault: Fault | undefined,
  service: Service,
  perform: () => Promise<AwsResponse>,
  closing: AbortSignal,
): Promise<AwsResponse | 'reset'> {
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
      return errorResponse(throttled(service));
    case 'error':
      return errorResponse(new AwsError(fault.type, fault.message, fault.status));
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
