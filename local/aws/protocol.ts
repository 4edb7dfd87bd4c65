import type { IncomingHttpHeaders } from 'node:http';
import { AwsError } from './aws-error.ts';

/** A request whose body has arrived whole. */
export interface AwsRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** An answer that has not been sent yet. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The operations of one service by name. Each takes the parsed body, returns the answer's, throws `AwsError`. */
export type Operations = Readonly<Record<string, (input: unknown) => unknown>>;

/** Runs one operation of a service that speaks the AWS JSON protocol. */
export function runOperation(operations: Operations, name: string, request: AwsRequest): Answer {
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

/** The answer to a target that is not, or not here, an operation. */
export function unknownOperation(): AwsError {
  return new AwsError('UnknownOperationException', 'The local endpoint does not implement this operation.');
}

/** The answer for an error: in the body for the JSON protocols, and in the header for REST-JSON. */
export function errorAnswer(error: unknown): Answer {
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
