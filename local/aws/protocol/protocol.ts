import type { IncomingHttpHeaders } from 'node:http';
import { AwsError } from './aws-error.ts';

export interface AwsRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A response that is not sent yet. */
export interface AwsResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The operations of one service by name. Each takes the request's parsed body, returns the response's, or throws `AwsError`. */
export type Operations = Readonly<Record<string, (input: unknown) => unknown>>;

/** Runs one operation of a service that speaks the AWS JSON protocol. */
export function runOperation(operations: Operations, name: string, request: AwsRequest): AwsResponse {
  const run = Object.hasOwn(operations, name) ? operations[name] : undefined;
  if (run === undefined) throw unknownOperation();
  const output = run(parseJson(request.body));
  return {
    status: 200,
    headers: { 'content-type': 'application/x-amz-json-1.1' },
    body: output === undefined ? '' : JSON.stringify(output),
  };
}

/** The body as JSON. @throws AwsError SerializationException */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new AwsError('SerializationException', 'The body is not valid JSON.');
  }
}

/** For an operation that doesn't exist, or not here. */
export function unknownOperation(): AwsError {
  return new AwsError('UnknownOperationException', 'The local endpoint does not implement this operation.');
}

/** The response for an error: in the body for the JSON protocols, in a header for REST-JSON. */
export function errorResponse(error: unknown): AwsResponse {
  const { type, message, status } =
    error instanceof AwsError
      ? error
      : new AwsError('InternalFailure', `The local endpoint failed: ${error}`, 500);
  return {
    status,
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-errortype': type },
    body: JSON.stringify({ __type: type, message }),
  };
}
