import { describe, expect, test } from 'vitest';
import { neverExpires, parseTokenSet, type TokenSet } from '../../../core/tokens/token-set.ts';
import { aJwt, aProfile, aTokenSet, NOW } from '../../support/builders.ts';

function read(fields: Record<string, unknown> | string): TokenSet {
  const parsed = parseTokenSet(typeof fields === 'string' ? fields : JSON.stringify(fields));
  if (parsed.kind === 'invalid') throw new Error(parsed.problem);
  return parsed.tokenSet;
}

function problemIn(fields: Record<string, unknown>): string {
  const parsed = parseTokenSet(JSON.stringify(fields));
  return parsed.kind === 'invalid' ? parsed.problem : 'none';
}

const tokens = { access_token: 'a', refresh_token: 'r' };

describe('a time in a token secret', () => {
  const rows = [
    { written: 'in seconds', value: NOW },
    { written: 'in milliseconds', value: NOW * 1e3 },
    { written: 'in microseconds', value: NOW * 1e6 },
    { written: 'in milliseconds, as text', value: String(NOW * 1e3) },
    { written: 'in ISO 8601', value: '2027-01-15T08:00:00Z' },
    { written: 'as an HTTP date', value: 'Fri, 15 Jan 2027 08:00:00 GMT' },
  ];
  test.each(rows)('is read $written', ({ value }) => {
    const times = { obtained_at: value, expires_at: value, refresh_token_expires_at: value };
    expect(read({ ...tokens, ...times })).toMatchObject({
      obtained_at: NOW,
      expires_at: NOW,
      refresh_token_expires_at: NOW,
    });
  });

  const absurd = [
    { what: 'zero', value: 0 },
    { what: 'negative', value: -1 },
    { what: 'of the year 58000', value: '58000-01-01T00:00:00Z' },
    { what: 'a lifetime', value: 3_600 },
    { what: 'words', value: 'tomorrow' },
    { what: 'an object', value: {} },
  ];
  test.each(absurd)('that is $what makes the token set due, and nothing else of it wrong', ({ value }) => {
    const times = { obtained_at: value, expires_at: value, refresh_token_expires_at: value };
    const set = read({ ...tokens, ...times });
    expect(set).toMatchObject(tokens);
    expect(set.expires_at).toBe(0);
    expect(set.obtained_at).toBeUndefined();
    expect(set.refresh_token_expires_at).toBeUndefined();
    expect(neverExpires(set, aProfile({ default_expires_in: 'never' }))).toBe(false);
  });

  test.each(absurd)('that is $what is asked for where there is no refresh token', ({ value }) => {
    expect(problemIn({ access_token: 'a', expires_at: value })).toBe(
      'expires_at: must be a time (seconds since the epoch); leave it out where the access token does not expire',
    );
  });

  test('is the access token’s own where there is no refresh token and nothing else is known', () => {
    const access_token = aJwt({ exp: NOW + 60 });
    expect(read({ access_token }).expires_at).toBe(NOW + 60);
    expect(read({ access_token, expires_at: -1 }).expires_at).toBe(NOW + 60);
  });

  test('may be absent or null', () => {
    expect(read({ ...tokens, expires_at: null, obtained_at: null }).expires_at).toBeUndefined();
    expect(read(tokens).expires_at).toBeUndefined();
  });
});

describe('a token in a token secret', () => {
  const wrong = [
    { what: 'ends in a line break', value: 'tok\n', says: 'must not hold control characters' },
    { what: 'begins with a tab', value: '\ttok', says: 'must not hold control characters' },
    { what: 'has a line break in it', value: 'to\r\nken', says: 'must not hold control characters' },
    { what: 'ends in a mark that nobody sees', value: 'tok\u200b', says: 'must not hold control characters' },
    { what: 'ends in a space', value: 'tok ', says: 'must not begin or end with a space' },
    { what: 'begins with a no-break space', value: '\u00a0tok', says: 'must not begin or end with a space' },
  ];
  test.each(wrong)('that $what is refused by name, without its value', ({ value, says }) => {
    for (const field of ['access_token', 'refresh_token']) {
      const problem = problemIn({ ...tokens, [field]: value });
      expect(problem).toContain(`${field}: ${says}`);
      expect(problem).not.toContain('tok\u200b');
    }
  });

  test.each(['', ' ', '\n', null])('that is %j counts as absent', (value) => {
    const set = read({ access_token: value, refresh_token: value });
    expect(set.access_token).toBeUndefined();
    expect(set.refresh_token).toBeUndefined();
  });

  test('may end oddly where the function stored it: the provider gave it so', () => {
    const kept_by = '123456789012/eu-central-1/oauth-accounts';
    for (const refresh_token of ['tok ', 'tok\u200b'])
      expect(read({ ...tokens, refresh_token, kept_by }).refresh_token).toBe(refresh_token);
    expect(problemIn({ ...tokens, refresh_token: 'tok\n', kept_by })).toContain(
      'refresh_token: must not hold',
    );
  });
});

test('A byte order mark before a token secret is passed over', () => {
  expect(read(`\uFEFF${JSON.stringify(tokens)}`)).toMatchObject(tokens);
});

describe('kept_by', () => {
  test('is read', () => {
    expect(read({ ...tokens, kept_by: '1/r/t' }).kept_by).toBe('1/r/t');
    expect(read(tokens).kept_by).toBeUndefined();
  });

  test.each([7, null, true, {}])('that is %j is refused by name', (kept_by) => {
    expect(problemIn({ ...tokens, kept_by })).toBe('kept_by: must be a string');
  });
});

describe('an access token', () => {
  const rows: readonly { set: Partial<TokenSet>; never?: true; endless: boolean; that: string }[] = [
    {
      that: 'without expiry and refresh token never expires',
      set: { refresh_token: undefined, expires_at: undefined },
      endless: true,
    },
    { that: 'with an expiry does', set: { refresh_token: undefined }, endless: false },
    { that: 'without expiry, beside a refresh token, does', set: { expires_at: undefined }, endless: false },
    {
      that: 'whose profile says so never expires',
      set: { expires_at: undefined },
      never: true,
      endless: true,
    },
    { that: 'with an expiry does, whatever its profile says', set: {}, never: true, endless: false },
    {
      that: 'that is not there is not endless',
      set: { access_token: undefined, refresh_token: undefined, expires_at: undefined },
      never: true,
      endless: false,
    },
  ];
  test.each(rows)('$that', ({ set, never, endless }) => {
    expect(neverExpires(aTokenSet(set), aProfile(never && { default_expires_in: 'never' }))).toBe(endless);
  });
});
