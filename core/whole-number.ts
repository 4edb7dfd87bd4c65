import * as v from 'valibot';

/** The schema of a whole number within limits. @param or what else is allowed there, for the message */
export function wholeNumber(min: number, max: number, or = '') {
  const message = `must be a whole number from ${min} to ${max}${or}`;
  return v.pipe(v.number(message), v.integer(message), v.minValue(min, message), v.maxValue(max, message));
}
