import type { IncomingHttpHeaders } from 'node:http';
import * as v from 'valibot';
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

/** An operation whose input has this schema. Use strict objects: a member nobody implemented must not go unnoticed. */
export function operation<Schema extends v.GenericSchema>(
  schema: Schema,
  run: (input: v.InferOutput<Schema>) => unknown,
): (input: unknown) => unknown {
  return (input) => {
    const result = v.safeParse(schema, input, { abortEarly: true });
    if (result.success) return run(result.output);
    throw refusal(result.issues[0]);
  };
}

/** A constraint that is violated, in the words of AWS. Values are left out, for one may be a secret. */
function refusal(issue: v.BaseIssue<unknown>): AwsError {
  const member = v.getDotPath(issue) ?? 'input';
  const invalid = (constraint: string) =>
    new AwsError(
      'ValidationException',
      `1 validation error detected: Value at '${member}' failed to satisfy constraint: ${constraint}`,
    );
  if (issue.kind === 'validation') return invalid(issue.message);
  if (issue.received === 'undefined') return invalid('Member must not be null');
  if (issue.expected === 'never') return invalid('Member is not implemented by the local endpoint');
  return new AwsError('SerializationException', `The value at '${member}' has the wrong type.`);
}

/** Constraints on members, with the words of AWS. */
export const lengthBetween = (least: number, most: number) =>
  [
    v.minLength<string, number, string>(least, `Member must have length greater than or equal to ${least}`),
    v.maxLength<string, number, string>(most, `Member must have length less than or equal to ${most}`),
  ] as const;

export const integerBetween = (least: number, most: number) =>
  v.pipe(
    v.number(),
    v.integer('Member must be an integer'),
    v.minValue(least, `Member must have value greater than or equal to ${least}`),
    v.maxValue(most, `Member must have value less than or equal to ${most}`),
  );

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
