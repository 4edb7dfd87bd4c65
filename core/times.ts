import { DAY, MINUTE, WEEK } from './duration.ts';
import { type JsonObject, parseJsonObject } from './json-object.ts';

/**
 * Times as providers and people write them, read as whole seconds. A value that nobody can have meant is undefined; the caller
 * says what that means.
 */

/** No token lives longer: ten years. */
export const LONGEST_LIFETIME = 3_660 * DAY;

/** Believable instants are of this century. */
const EARLIEST_INSTANT = 946_684_800;
const LATEST_INSTANT = 4_102_444_800;

/** Seconds, milliseconds, microseconds and nanoseconds. */
const units = [1, 1e3, 1e6, 1e9];

/**
 * An instant in seconds since the epoch: written in seconds, milliseconds, microseconds or nanoseconds, as a number or
 * as text, in ISO 8601 (without a zone it is UTC), or as an HTTP date (RFC 9110 section 5.6.7).
 *
 * @returns undefined where it is none, or none of this century
 */
export function instant(value: unknown): number | undefined {
  const number = numberOf(value);
  // At most one of the units gives an instant of this century.
  const fromNumber =
    number === undefined ? undefined : units.map((unit) => number / unit).find(isOfThisCentury);
  const seconds = fromNumber ?? dateIn(value);
  return seconds === undefined || !isOfThisCentury(seconds) ? undefined : Math.floor(seconds);
}

function isOfThisCentury(seconds: number): boolean {
  return seconds >= EARLIEST_INSTANT && seconds <= LATEST_INSTANT;
}

/** An instant in the future and not too far: when something that was just granted can expire. */
export function futureInstant(value: unknown, now: number): number | undefined {
  const seconds = instant(value);
  return seconds !== undefined && seconds > now && seconds <= now + LONGEST_LIFETIME ? seconds : undefined;
}

/**
 * How long an access token lives, in seconds.
 *
 * Some providers send milliseconds, or a smaller unit, or an instant. Up to a week, a number is seconds. A larger one is seconds
 * only if it is a usual number of whole days (or up to a minute less, as in a countdown); otherwise the next smaller unit is
 * tried in the same way. So a doubtful number is read as the shorter time: that refreshes too often, while the longer one could
 * let an account die. Units smaller than a millisecond count only for whole seconds: 2147483647 is none.
 */
export function accessLifetime(value: unknown, now: number): number | undefined {
  const number = numberOf(value);
  if (number === undefined) return untilInstant(value, now);
  const seconds = units
    .filter((unit) => unit <= 1e3 || number % unit === 0)
    .map((unit) => number / unit)
    .find((lifetime) => lifetime <= WEEK || isUsual(lifetime));
  const until = untilInstant(value, now);
  // As milliseconds, an instant of these years would be about three weeks. It is that only if it comes to whole days.
  if (until !== undefined && !(seconds !== undefined && isUsual(number / 1e3))) return until;
  return seconds === undefined || seconds < 1 ? undefined : Math.floor(seconds);
}

/**
 * How long a refresh token lives, in seconds. A doubtful number is read as the longer time: giving up too early costs somebody a
 * sign-in, and an expired token is just refused.
 */
export function refreshLifetime(value: unknown, now: number): number | undefined {
  const number = numberOf(value);
  if (number === undefined) return untilInstant(value, now);
  if (number < 1) return undefined;
  if (number <= LONGEST_LIFETIME) return Math.floor(number);
  const milliseconds = number / 1e3;
  return isWholeDays(milliseconds) && milliseconds <= LONGEST_LIFETIME
    ? Math.floor(milliseconds)
    : untilInstant(value, now);
}

function untilInstant(value: unknown, now: number): number | undefined {
  const seconds = futureInstant(value, now);
  return seconds === undefined ? undefined : seconds - now;
}

const daysThatProvidersGrant = [90, 100, 120, 180, 182, 183, 184, 364, 365, 366];

function isUsual(lifetime: number): boolean {
  const days = Math.ceil((lifetime - 1) / DAY);
  return isWholeDays(lifetime) && (days <= 62 || daysThatProvidersGrant.includes(days));
}

function isWholeDays(lifetime: number): boolean {
  const days = Math.ceil((lifetime - 1) / DAY);
  return days > 0 && days * DAY - lifetime < MINUTE;
}

function numberOf(value: unknown): number | undefined {
  const number =
    typeof value === 'string' && /^\s*[+-]?[\d.]+(?:e[+-]?\d+)?\s*s?\s*$/i.test(value)
      ? Number(value.trim().replace(/s$/i, ''))
      : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

const iso =
  /^(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?)? ?(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?(?: ?(?:UTC|GMT))?$/i;
const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
/** RFC 9110's preferred form, RFC 850's, and a mail's, which names its zone in digits. */
const httpDate =
  /^(?:[a-z]+, )?(\d{1,2})[ -]([a-z]{3})[ -](\d{2}|\d{4}) (\d\d):(\d\d)(?::(\d\d))? ?(Z|UTC|GMT|[+-]\d\d:?\d\d)?$/i;
const asctime = /^[a-z]{3} ([a-z]{3}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) (\d{4})$/i;

/** A date as text. `Date.parse` would find one in nearly any words, and in this machine's time zone. */
function dateIn(value: unknown): number | undefined {
  if (typeof value !== 'string' || value.length > 64) return undefined;
  const text = value.trim();
  const found = iso.exec(text);
  if (found !== null) {
    const [, year, month, day, hour, minute, second, zone] = found;
    return secondsOf([year, month, day, hour, minute, second], zone);
  }
  const http = httpDate.exec(text);
  if (http !== null) {
    const [, day, month, year = '', hour, minute, second, zone] = http;
    const full = year.length === 2 ? `20${year}` : year;
    return secondsOf([full, monthOf(month), day, hour, minute, second], zone);
  }
  const [, month, ...rest] = asctime.exec(text) ?? [];
  const [day, hour, minute, second, year] = rest;
  return year === undefined
    ? undefined
    : secondsOf([year, monthOf(month), day, hour, minute, second], undefined);
}

function monthOf(name: string | undefined): string {
  return String(months.indexOf(name?.toLowerCase() ?? '') + 1);
}

function secondsOf(parts: readonly (string | undefined)[], zone: string | undefined): number | undefined {
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts.map((part) =>
    part === undefined ? undefined : Number(part),
  );
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60)
    return undefined;
  const [, sign, hours = '0', minutes = '0'] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone ?? '') ?? [];
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -60 : 60);
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - offset;
}

/** The `exp` of a token that is a JWT (RFC 7519 section 4.1.4). Its signature is not checked. */
export function expIn(token: string | undefined): unknown {
  const [header, payload, signature, more] = token?.split('.') ?? [];
  if (header === undefined || payload === undefined || signature === undefined || more !== undefined)
    return undefined;
  const claims = jsonOf(payload);
  return typeof jsonOf(header)?.alg === 'string' ? claims?.exp : undefined;
}

function jsonOf(part: string): JsonObject | undefined {
  return parseJsonObject(Buffer.from(part, 'base64url').toString('utf8'));
}
