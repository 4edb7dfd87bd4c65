/** Names under which providers send the id of a request, by which their support finds it; the more specific first. */
const NAMES = [
  'x-request-id',
  'request-id',
  'x-ms-request-id',
  'x-amzn-requestid',
  'x-amz-request-id',
  'x-github-request-id',
  'x-slack-req-id',
  'x-hubspot-correlation-id',
  'intuit_tid',
  'x-correlation-id',
  'correlation-id',
  'x-trace-id',
  'cf-ray',
] as const;

/** An id is short and has no blanks. Anything else may be anything, a token too. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._:=/+-]{3,63}$/;

/**
 * The provider's own id of a request, for its support and its logs.
 *
 * @param header a response header by its name in lower case
 * @returns undefined where there is none that looks like one
 */
export function requestIdOf(header: (name: string) => string | undefined): string | undefined {
  return NAMES.map(header).find((value) => value !== undefined && ID.test(value));
}
