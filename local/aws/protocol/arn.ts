/** The AWS account of every local ARN. */
export const accountId = '000000000000';

/** The ARN of a local resource, e.g. `arn('kms', 'alias/escrow')`. */
export function arn(service: string, resource: string): string {
  return `arn:aws:${service}:us-east-1:${accountId}:${resource}`;
}
