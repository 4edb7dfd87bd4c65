import { arn } from '../protocol/arn.ts';
import { AwsError } from '../protocol/aws-error.ts';
import type { AwsRequest, AwsResponse } from '../protocol/protocol.ts';

/** Runs the function once. If the function fails, it returns that instead of throwing. */
export type Invoke = (payload: unknown) => Promise<Invocation>;

export interface Invocation {
  /** What the function returned, or `{ errorType, errorMessage }`. */
  readonly payload: unknown;
  readonly functionError?: 'Unhandled';
  /** The end of this invocation's log. */
  readonly logTail?: string;
}

/** The one function that there is, if any. */
interface LocalFunction {
  readonly functionName: string | undefined;
  readonly invoke: Invoke | undefined;
  /** What its configuration shows of its environment: settings, no credentials. */
  readonly environment: Readonly<Record<string, string>> | undefined;
}

const PATH = /^\/2015-03-31\/functions\/([^/]+)\/(invocations|configuration)$/;
const OPERATIONS = { 'POST invocations': 'Invoke', 'GET configuration': 'GetFunctionConfiguration' } as const;
/** A name, a partial or a full ARN. We have no versions or aliases. */
const NAME = /^(?:(?:arn:aws:lambda:[a-z0-9-]+:)?\d{12}:function:)?([a-zA-Z0-9-_]+)(?::\$LATEST)?$/;
const LOG_TAIL_BYTES = 4096;
/** How long the local function may run. */
export const FUNCTION_TIMEOUT_SECONDS = 120;

/** The Lambda operation that a request asks for; undefined if it is for another service. */
export function lambdaOperation({ method, url }: Pick<AwsRequest, 'method' | 'url'>) {
  const name = `${method} ${PATH.exec(parsed(url)?.pathname ?? '')?.[2]}`;
  return Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name as keyof typeof OPERATIONS] : undefined;
}

/** The log group that Lambda uses by default. */
export function functionLogGroup(functionName: string): string {
  return `/aws/lambda/${functionName}`;
}

/** undefined if the client sent something that isn't an address. */
const parsed = (url: string) => URL.parse(url, 'http://localhost') ?? undefined;

/**
 * Lambda's Invoke and GetFunctionConfiguration for the one local function.
 * @see https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
 * @see https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html
 * @throws AwsError
 */
export async function performLambda(
  request: AwsRequest,
  { functionName, invoke, environment = {} }: LocalFunction,
): Promise<AwsResponse> {
  const { pathname = '', searchParams } = parsed(request.url) ?? {};
  const named = decodeURIComponent(PATH.exec(pathname)?.[1] ?? '');
  const name =
    (searchParams?.get('Qualifier') ?? '$LATEST') === '$LATEST' ? NAME.exec(named)?.[1] : undefined;
  if (invoke === undefined || name === undefined || name !== functionName)
    throw new AwsError(
      'ResourceNotFoundException',
      `Function not found: ${named.startsWith('arn:') ? named : arn('lambda', `function:${named}`)}`,
      404,
    );
  if (request.method === 'GET') return configuration(name, environment);
  const payload = parsePayload(request.body);
  switch (request.headers['x-amz-invocation-type'] ?? 'RequestResponse') {
    case 'DryRun':
      return { status: 204, headers: {}, body: '' };
    case 'Event':
      invoke(payload).catch(() => {}); // nobody waits for the result
      return { status: 202, headers: {}, body: '' };
    case 'RequestResponse':
      return answer(await invoke(payload), request.headers['x-amz-log-type'] === 'Tail');
    default:
      throw new AwsError('InvalidParameterValueException', 'Lambda has no such invocation type.');
  }
}

function configuration(name: string, environment: Readonly<Record<string, string>>): AwsResponse {
  const body = {
    FunctionName: name,
    FunctionArn: arn('lambda', `function:${name}`),
    Handler: 'handler.handler',
    State: 'Active',
    Timeout: FUNCTION_TIMEOUT_SECONDS,
    MemorySize: 512,
    LastUpdateStatus: 'Successful',
    Environment: { Variables: environment },
    LoggingConfig: { LogFormat: 'JSON', LogGroup: functionLogGroup(name) },
  };
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

function answer({ payload, functionError, logTail = '' }: Invocation, withLog: boolean): AwsResponse {
  const tail = Buffer.from(logTail).subarray(-LOG_TAIL_BYTES).toString('base64');
  return {
    status: 200,
    headers: {
      'content-type': 'application/json',
      'x-amz-executed-version': '$LATEST',
      ...(functionError !== undefined && { 'x-amz-function-error': functionError }),
      ...(withLog && { 'x-amz-log-result': tail }),
    },
    body: JSON.stringify(payload ?? null),
  };
}

/** No payload means an empty event. */
function parsePayload(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new AwsError('InvalidRequestContentException', 'Could not parse request body into json.');
  }
}
