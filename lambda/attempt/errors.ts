import { awsFailure } from '../../adapters/aws/aws-error.ts';

/** The name alone: an AWS error's message can quote what was sent. */
export function errorNameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'UnknownError';
}

/** Without the accounts table there is no job to do; any other error of it is one account's. */
export function throwIfFatal(error: unknown): void {
  const { kind } = awsFailure(error);
  if (kind === 'denied' || kind === 'not_found') throw error;
}
