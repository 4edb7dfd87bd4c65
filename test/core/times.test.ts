import { describe, expect, test } from 'vitest';
import { accessLifetime, expIn, instant, refreshLifetime } from '../../core/times.ts';
import { aJwt, NOW } from '../support/builders.ts';

/** NOW is Friday, 15 January 2027, 08:00:00 UTC. */
describe('an instant', () => {
  const read = [
    { written: 'in seconds', value: NOW },
    { written: 'in seconds with a fraction', value: NOW + 0.9 },
    { written: 'in milliseconds', value: NOW * 1e3 },
    { written: 'in microseconds', value: NOW * 1e6 },
    { written: 'in nanoseconds', value: NOW * 1e9 },
    { written: 'in seconds, as text', value: ` ${NOW} ` },
    { written: 'in seconds with a fraction, as text', value: `${NOW}.5` },
    { written: 'in milliseconds, as text', value: `${NOW}000` },
    { written: 'in ISO 8601', value: '2027-01-15T08:00:00Z' },
    { written: 'in ISO 8601 with a fraction', value: '2027-01-15T08:00:00.123456Z' },
    { written: 'in ISO 8601 with an offset', value: '2027-01-15T10:00:00+02:00' },
    { written: 'in ISO 8601 with an offset without colon', value: '2027-01-15T03:00:00-0500' },
    { written: 'in ISO 8601 with an offset of hours', value: '2027-01-15T09:00:00+01' },
    { written: 'in ISO 8601 without a zone: UTC', value: '2027-01-15T08:00:00' },
    { written: 'in ISO 8601 without T and zone: UTC', value: '2027-01-15 08:00:00' },
    { written: 'in ISO 8601 without seconds', value: '2027-01-15T08:00Z' },
    { written: 'in the basic form of ISO 8601', value: '20270115T080000Z' },
    { written: 'as a program prints it', value: '2027-01-15 08:00:00 +0000 UTC' },
    { written: 'as a date and UTC', value: '2027-01-15 08:00:00 UTC' },
    { written: 'as an HTTP date', value: 'Fri, 15 Jan 2027 08:00:00 GMT' },
    { written: 'as an HTTP date of RFC 850', value: 'Friday, 15-Jan-27 08:00:00 GMT' },
    { written: 'as an HTTP date of asctime', value: 'Fri Jan 15 08:00:00 2027' },
    { written: "as a mail's date", value: 'Fri, 15 Jan 2027 09:00:00 +0100' },
  ];
  test.each(read)('is read $written', ({ value }) => {
    expect(instant(value)).toBe(NOW);
  });

  test('may be a day alone', () => {
    expect(instant('2027-01-15')).toBe(NOW - 8 * 3_600);
  });

  const absurd = [
    { what: 'zero', value: 0 },
    { what: 'negative', value: -NOW },
    { what: 'a lifetime', value: 3_600 },
    { what: 'of the year 58000', value: '58000-01-01T00:00:00Z' },
    { what: 'of the year 9999', value: '9999-12-31T23:59:59Z' },
    { what: 'of the year 9999 in seconds', value: 253_402_300_799 },
    { what: 'of the year 1', value: '0001-01-01T00:00:00Z' },
    { what: 'of 1970', value: '1970-01-01T00:00:00Z' },
    { what: 'of the 13th month', value: '2027-13-01T00:00:00Z' },
    { what: 'infinite', value: Number.POSITIVE_INFINITY },
    { what: 'not a number', value: Number.NaN },
    { what: 'words', value: 'soon' },
    { what: 'words with a number, which Date.parse takes for a year', value: 'in 3600' },
    { what: 'a day in the order of some country', value: '01/15/2027' },
    { what: 'blank', value: ' ' },
    { what: 'a truth', value: true },
    { what: 'an object', value: { seconds: NOW } },
    { what: 'a list', value: [NOW] },
    { what: 'null', value: null },
    { what: 'absent', value: undefined },
  ];
  test.each(absurd)('is not believed where it is $what', ({ value }) => {
    expect(instant(value)).toBeUndefined();
  });
});

describe('the lifetime of an access token', () => {
  const rows: readonly { value: unknown; seconds: number | undefined; is: string }[] = [
    { is: 'an hour', value: 3_600, seconds: 3_600 },
    { is: 'an hour as text', value: '3600', seconds: 3_600 },
    { is: 'an hour with its unit', value: '3600s', seconds: 3_600 },
    { is: 'an hour in milliseconds', value: 3_600_000, seconds: 3_600 },
    { is: 'an hour in microseconds', value: 3_600_000_000, seconds: 3_600 },
    { is: 'an hour in nanoseconds', value: 3_600_000_000_000, seconds: 3_600 },
    { is: '60 days', value: 5_184_000, seconds: 5_184_000 },
    { is: '60 days in milliseconds', value: 5_184_000_000, seconds: 5_184_000 },
    {
      is: '21 days in milliseconds, though that could be an instant',
      value: 1_814_400_000,
      seconds: 1_814_400,
    },
    { is: 'until an instant', value: NOW + 90, seconds: 90 },
    { is: 'until an instant in milliseconds', value: (NOW + 90) * 1e3, seconds: 90 },
    { is: 'until a date', value: '2027-01-15T08:01:30Z', seconds: 90 },
    { is: 'not believed where it is zero', value: 0, seconds: undefined },
    { is: 'not believed where it is negative', value: -3_600, seconds: undefined },
    { is: 'not believed below a second', value: 0.5, seconds: undefined },
    { is: 'not believed where it is the largest integer', value: 2_147_483_647, seconds: undefined },
    { is: 'not believed where it is 31 years', value: 999_999_999, seconds: undefined },
    { is: 'not believed where it is beyond all bounds', value: Number.MAX_SAFE_INTEGER, seconds: undefined },
    { is: 'not believed where it is words', value: 'an hour', seconds: undefined },
    { is: 'not believed where its instant has passed', value: '2027-01-15T07:00:00Z', seconds: undefined },
    { is: 'not believed where its instant is too far', value: '2087-01-15T07:00:00Z', seconds: undefined },
  ];
  test.each(rows)('is $is', ({ value, seconds }) => {
    expect(accessLifetime(value, NOW)).toBe(seconds);
  });
});

describe('the lifetime of a refresh token', () => {
  const rows: readonly { value: unknown; seconds: number | undefined; is: string }[] = [
    { is: '60 days', value: 5_184_000, seconds: 5_184_000 },
    { is: 'an odd number of seconds', value: 8_726_399, seconds: 8_726_399 },
    { is: '5 years', value: 157_680_000, seconds: 157_680_000 },
    { is: '60 days in milliseconds', value: 5_184_000_000, seconds: 5_184_000 },
    { is: 'until an instant', value: NOW + 86_400, seconds: 86_400 },
    { is: 'not known where it is the largest integer', value: 2_147_483_647, seconds: undefined },
    { is: 'not known where it is 31 years', value: 999_999_999, seconds: undefined },
    { is: 'not known where it is negative', value: -1, seconds: undefined },
    { is: 'not known where it is words', value: 'never', seconds: undefined },
  ];
  test.each(rows)('is $is', ({ value, seconds }) => {
    expect(refreshLifetime(value, NOW)).toBe(seconds);
  });
});

describe('the exp of a token', () => {
  const rows: readonly { is: string; token: string | undefined; exp: unknown }[] = [
    { is: 'read from a JWT', token: aJwt({ exp: NOW }), exp: NOW },
    { is: 'absent from a JWT without one', token: aJwt({}), exp: undefined },
    { is: 'absent from an opaque token', token: 'opaque', exp: undefined },
    { is: 'absent from an opaque token with dots', token: 'a.b.c', exp: undefined },
    { is: 'absent from an encrypted JWT', token: `${aJwt({ exp: NOW })}.d.e`, exp: undefined },
    { is: 'absent where there is no token', token: undefined, exp: undefined },
  ];
  test.each(rows)('is $is', ({ token, exp }) => {
    expect(expIn(token)).toBe(exp);
  });
});
