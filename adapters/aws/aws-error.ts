/** What an error of an AWS call means to us. */
export type AwsFailure =
  | { readonly kind: 'not_found'; readonly code: string }
  /** These credentials may not do this, or may not use the key that it takes. */
  | { readonly kind: 'denied'; readonly code: string }
  /** Asking again won't help: a limit, or a value that is refused. */
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'throttled'; readonly code: string }
  /** No response, or an error on the service's side. The call may have taken effect. */
  | { readonly kind: 'unavailable'; readonly code: string };

const throttling = /Throttl|TooManyRequests|RequestLimitExceeded|ProvisionedThroughputExceeded|SlowDown/i;
const denial =
  /^(AccessDenied|KMSAccessDenied|DecryptionFailure|EncryptionFailure|Disabled|KMSDisabled|KMSInvalidState|NotAuthorized|UnrecognizedClient|InvalidSignature|IncompleteSignature|ExpiredToken|MissingAuthenticationToken|InvalidClientTokenId|OptInRequired)/;

/**
 * Sorts an error thrown by an SDK client by its name and HTTP status. The message is left out on purpose: it can
 * quote what was sent.
 */
export function awsFailure(error: unknown): AwsFailure {
  const { name, code, status } = describe(error);
  if (throttling.test(name)) return { kind: 'throttled', code: name };
  if (name === 'ResourceNotFoundException') return { kind: 'not_found', code: name };
  if (denial.test(name)) return { kind: 'denied', code: name };
  if (status !== undefined && status >= 400 && status < 500 && name !== 'RequestTimeout')
    return { kind: 'refused', code: name };
  return { kind: 'unavailable', code: code ?? name };
}

function describe(error: unknown): { name: string; code: string | undefined; status: number | undefined } {
  if (!(error instanceof Error)) return { name: 'UnknownError', code: undefined, status: undefined };
  const { $metadata, code } = error as Error & { $metadata?: { httpStatusCode?: number }; code?: unknown };
  return {
    name: error.name,
    code: typeof code === 'string' ? code : undefined,
    status: $metadata?.httpStatusCode,
  };
}

/** Whether the same call can't succeed, whenever it is made again. */
export function isHopeless({ kind }: AwsFailure): boolean {
  return kind === 'not_found' || kind === 'denied' || kind === 'refused';
}

/** Makes a conditional write; `false` where its condition does not hold. Rejects with any other error. */
export async function ifConditionHolds(send: () => Promise<unknown>): Promise<boolean> {
  try {
    await send();
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === 'ConditionalCheckFailedException') return false;
    throw error;
  }
}
