import * as v from 'valibot';
import { isReason, type Reason } from '../reason.ts';
import { PROFILE_EVENTS, type ProfileNote } from './profile-note.ts';

/** What can't be read counts as absent, and stays in the table as it is: evidence is gathered anew. */
const orAbsent = <Value>(schema: v.GenericSchema<unknown, Value>) =>
  v.fallback(v.optional(schema), undefined);

const number = v.pipe(v.number(), v.finite());
const asked = v.object({ all: number, refused: number });
const failure = v.object({
  // A later version's reason says nothing to this one.
  reason: v.custom<Reason>(isReason),
  message: v.string(),
  count: number,
  since: number,
  at: number,
  accounts: number,
  retryAt: v.optional(number),
});

const noteSchema = v.object({
  lastGrantAt: orAbsent(number),
  failure: orAbsent(failure),
  atRisk: orAbsent(v.object({ since: number, at: number, madeAt: v.optional(number) })),
  streak: orAbsent(v.array(v.string())),
  asked: orAbsent(v.record(v.string(), asked)),
  wideRefusal: orAbsent(v.object({ since: number, countedSince: number, triedSince: number, tries: number })),
  wideRefusalEndedAt: orAbsent(number),
  refusedAt: orAbsent(number),
  waiting: orAbsent(v.record(v.string(), number)),
  eventOwed: orAbsent(v.picklist(PROFILE_EVENTS)),
  eventOwedAt: orAbsent(number),
  revision: orAbsent(number),
});

/** Reads a profile's note, which people and other versions can have written as well. Never throws. */
export function parseProfileNote(item: unknown): ProfileNote {
  const { success, output } = v.safeParse(noteSchema, item ?? {});
  return success ? output : {};
}
