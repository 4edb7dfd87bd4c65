import * as v from 'valibot';
import { AwsError } from './aws-error.ts';

/** An operation whose input has this schema. Use strict objects, so that a member that is not implemented is an error. */
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

/** A violated constraint in AWS's words, without the value, which may be secret. */
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
  if (issue.type === 'literal' || issue.type === 'picklist')
    return invalid(`Member must be ${issue.expected} at the local endpoint`);
  return new AwsError('SerializationException', `The value at '${member}' has the wrong type.`);
}

const noShorter = (least: number) => `Member must have length greater than or equal to ${least}`;
const noLonger = (most: number) => `Member must have length less than or equal to ${most}`;

export const text = (least: number, most: number) =>
  v.pipe(v.string(), v.minLength(least, noShorter(least)), v.maxLength(most, noLonger(most)));

export const list = <Item extends v.GenericSchema>(item: Item, least: number, most: number) =>
  v.pipe(v.array(item), v.minLength(least, noShorter(least)), v.maxLength(most, noLonger(most)));

/** Text with this many bytes in UTF-8. */
export const utf8 = (least: number, most: number) =>
  v.pipe(v.string(), v.minBytes(least, noShorter(least)), v.maxBytes(most, noLonger(most)));

/** A blob with this many bytes, sent as Base64. */
export const blob = (least: number, most: number) =>
  v.pipe(
    v.string(),
    v.transform((base64) => Buffer.from(base64, 'base64')),
    v.check(({ length }) => length >= least, noShorter(least)),
    v.check(({ length }) => length <= most, noLonger(most)),
  );

export const integer = (least: number, most: number) =>
  v.pipe(
    v.number(),
    v.integer('Member must be an integer'),
    v.minValue(least, `Member must have value greater than or equal to ${least}`),
    v.maxValue(most, `Member must have value less than or equal to ${most}`),
  );

/** Turns a position in a list into an opaque token for the next page. */
export const pageToken = (place: number) => Buffer.from(`page:${place}`).toString('base64url');

/** The position in a token; 0 without one. @throws AwsError of the given type */
export function pagePlace(token: string | undefined, errorType: string): number {
  if (token === undefined) return 0;
  const place = /^page:(\d+)$/.exec(Buffer.from(token, 'base64url').toString())?.[1];
  if (place === undefined) throw new AwsError(errorType, 'The token for the next page is invalid.');
  return Number(place);
}
