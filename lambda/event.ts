import * as v from 'valibot';
import { problemOf } from '../core/problem.ts';
import { wholeNumber } from '../core/whole-number.ts';

/** What a run is asked to do. */
export interface RunRequest {
  /** Looks at these alone, in place of a scan. */
  readonly accountIds?: readonly string[] | undefined;
  /** Refreshes what is not due, or waits for a person. */
  readonly force: boolean;
  /** Decides and reports, and changes nothing. */
  readonly dryRun: boolean;
  /** The share of the table to scan. */
  readonly share?: { readonly segment: number; readonly totalSegments: number } | undefined;
}

/** The event asks for something that the function does not know. */
export class InvalidEvent extends Error {
  override readonly name = 'InvalidEvent';
  readonly code = 'INVALID_EVENT';
}

const flag = v.optional(v.boolean('must be true or false'), false);

const requestSchema = v.strictObject({
  accountIds: v.optional(
    v.pipe(
      v.array(
        v.pipe(v.string('must be a string'), v.nonEmpty('must not be empty')),
        'must be an array of account ids',
      ),
      v.minLength(1, 'must name at least one account'),
      v.maxLength(1000, 'must name at most 1000 accounts'),
    ),
  ),
  force: flag,
  dryRun: flag,
  segment: v.optional(wholeNumber(0, 999_999)),
  totalSegments: v.optional(wholeNumber(1, 1_000_000)),
});

/**
 * Reads the event: a scheduled event of EventBridge, `{}`, nothing, or a request by hand.
 *
 * @throws InvalidEvent naming the field
 */
export function readEvent(event: unknown): RunRequest {
  if (event === undefined || event === null || isScheduled(event)) return { force: false, dryRun: false };
  if (typeof event !== 'object' || Array.isArray(event))
    throw invalid('it must be a JSON object, such as {} or {"dryRun": true}');
  const result = v.safeParse(requestSchema, event, { abortEarly: true });
  if (!result.success) throw invalid(problemOf(result.issues[0], Object.keys(requestSchema.entries)));
  const { segment, totalSegments, accountIds, force, dryRun } = result.output;
  if (accountIds !== undefined) {
    if (segment !== undefined || totalSegments !== undefined)
      throw invalid('accountIds: must not stand beside segment and totalSegments');
    return { accountIds: [...new Set(accountIds)], force, dryRun };
  }
  if (segment === undefined && totalSegments === undefined) return { force, dryRun };
  if (segment === undefined) throw invalid('segment: is missing beside totalSegments');
  if (totalSegments === undefined) throw invalid('totalSegments: is missing beside segment');
  if (segment >= totalSegments) throw invalid('segment: must be less than totalSegments; the first is 0');
  return { force, dryRun, share: { segment, totalSegments } };
}

/** EventBridge's own envelope; whatever fields it has or gets, the schedule must go on. */
function isScheduled(event: unknown): boolean {
  return typeof event === 'object' && event !== null && 'detail-type' in event && 'source' in event;
}

function invalid(problem: string): InvalidEvent {
  return new InvalidEvent(`The event can't be understood: ${problem}.`);
}
