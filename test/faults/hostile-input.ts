import fc from 'fast-check';
import type { ProviderFault } from '../support/strict-provider.ts';

/** One account with everything that belongs to it, some of which is hostile. Undefined: as it should be. */
export interface HostileInput {
  readonly item: Readonly<Record<string, unknown>>;
  readonly secret: string | undefined;
  readonly profile: string | undefined;
  readonly answer: ProviderFault | undefined;
  /** What the note of its profile holds. */
  readonly note: Readonly<Record<string, unknown>> | undefined;
}

const TOKEN_FIELDS = [
  'access_token',
  'refresh_token',
  'token_type',
  'expires_in',
  'expires_at',
  'obtained_at',
  'kept_by',
  'refresh_token_expires_at',
  'refresh_token_expires_in',
  'scope',
  'id_token',
  'error',
  'error_description',
  'ok',
  '__proto__',
];
const ITEM_FIELDS = [
  'name',
  'authenticationType',
  'oauthProfile',
  'tokenSecretId',
  'enabled',
  'parameters',
  'formatVersion',
  'accessTokenExpiresAt',
  'doesNotExpire',
  'refreshTokenExpiresAt',
  'status',
  'failure',
  'nextAttemptAt',
  'lastRefreshedAt',
  'lease',
  'escrow',
  'secretLentTo',
  'authorizedAt',
  'eventOwed',
];
/** Of a profile's note. */
const NOTE_FIELDS = [
  'lastGrantAt',
  'failure',
  'streak',
  'asked',
  'wideRefusal',
  'wideRefusalEndedAt',
  'refusedAt',
  'waiting',
  'eventOwed',
  'revision',
];

/** Values that have broken programs before. Numbers stay within what DynamoDB can hold. */
const value: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    '',
    ' ',
    '0',
    'null',
    'NaN',
    '\u0000',
    '\uFEFF',
    '%s%n',
    '../..',
    '{x}',
    'constructor',
  ),
  fc.constantFrom<unknown>(0, -1, 1.5, 1e15, -1e15, 2 ** 53 - 1, 4_102_444_800, true, false, null),
  fc.constantFrom<unknown>([], {}, [[]], { '': '' }, 'x'.repeat(5_000), { expiresAt: 'soon' }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.jsonValue({ maxDepth: 3, noUnicodeString: false }).map(withoutOddNumbers),
);

/** Times as people and providers write them, and as nobody should. */
const time: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(0, -1, 0.5, 1e12, 1_800_000_000_000, 1.8e15, 4_102_444_800, 253_402_300_800),
  fc.constantFrom<unknown>('1800000000', '1800000000000', '2027-01-15T08:00:00Z', '2027-02-30', 'tomorrow'),
  fc.constantFrom<unknown>('Fri, 15 Jan 2027 08:00:00 GMT', '9'.repeat(400), '-0', '0x10', '1e3'),
  value,
);

const base64 = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('base64'));
/** Some are of the form that the function makes, and say nothing that it could open. */
const ciphertext: fc.Arbitrary<unknown> = fc.oneof(
  fc
    .record({ v: fc.constantFrom<unknown>(1, 2, 3, '2'), key: base64, iv: base64, tag: base64, data: base64 })
    .map((envelope) => JSON.stringify(envelope)),
  fc.record({ key: base64, iv: base64, tag: base64, data: base64 }).map((old) => JSON.stringify(old)),
  value,
);
const escrow = fc.record(
  {
    kind: fc.constantFrom<unknown>('token', 'candidate', 'answer', 'of a later version', 5, null),
    ciphertext,
    attemptId: fc.oneof(fc.constantFrom('an attempt', ''), value),
    at: time,
    secretId: fc.oneof(fc.constantFrom('no-such-secret', '../..'), value),
  },
  { requiredKeys: ['ciphertext', 'attemptId', 'at'] },
);
const reason = fc.constantFrom(
  'grant_revoked',
  'grant_possibly_lost',
  'provider_wide_refusal',
  'client_rejected',
  'rate_limited',
  'reason_of_a_later_version',
  'constructor',
  '__proto__',
);
const failure = fc.record(
  { reason, message: value, count: time, since: time, at: time, ambiguousSince: time, untold: value },
  { requiredKeys: ['reason', 'message', 'count', 'since', 'at'] },
);
/** What the function itself writes, and what only looks like it. */
const ownFields = fc.record(
  {
    escrow,
    failure,
    lease: fc.record({ owner: fc.oneof(fc.constant('o'), value), expiresAt: time }),
    status: fc.constantFrom('healthy', 'failing', 'reauthorization_required', 'of a later version'),
    formatVersion: fc.constantFrom<unknown>(0, 1, 2, 99, '2', -1),
    nextAttemptAt: time,
    accessTokenExpiresAt: time,
    refreshTokenExpiresAt: time,
    lastRefreshedAt: time,
    doesNotExpire: fc.oneof(fc.boolean(), value),
  },
  { requiredKeys: [] },
);

/** An object some of whose fields are replaced or taken away. */
const bent = (base: Record<string, unknown>, fields: readonly string[]) =>
  fc
    .array(fc.tuple(fc.constantFrom(...fields), fc.option(value, { nil: undefined })), {
      minLength: 1,
      maxLength: 4,
    })
    .map((changes) => ({ ...base, ...Object.fromEntries(changes) }));

const torn = (texts: fc.Arbitrary<string>) =>
  fc.tuple(texts, fc.nat(60)).map(([text, cut]) => text.slice(0, Math.max(1, text.length - cut)));
const nested = fc.integer({ min: 1, max: 3_000 }).map((depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`);
const anyText = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 });

const hostileBody = (fields: Record<string, unknown>): fc.Arbitrary<string> => {
  const json = bent(fields, TOKEN_FIELDS).map((object) => JSON.stringify(object));
  const form = bent(fields, TOKEN_FIELDS).map((object) =>
    new URLSearchParams(
      Object.entries(object).map(([name, one]): [string, string] => [name, String(one)]),
    ).toString(),
  );
  const html = anyText.map((text) => `<html>${text}</html>`);
  return fc.oneof(json, json, torn(json), form, torn(form), html, nested, anyText, fc.constant(''));
};

const answer: fc.Arbitrary<ProviderFault> = fc
  .record({
    status: fc.constantFrom(200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503),
    body: hostileBody({ access_token: 'a', token_type: 'Bearer', expires_in: 3_600 }),
    headers: fc.record(
      {
        'content-type': fc.constantFrom(
          'application/json',
          'text/html',
          'application/x-www-form-urlencoded',
          ';',
        ),
        'content-encoding': fc.constantFrom('gzip', 'br', 'identity', 'unknown'),
        'retry-after': fc.constantFrom('-1', '1e9', 'soon', 'Wed, 21 Oct 2099 07:28:00 GMT', '99999999999'),
        location: fc.constantFrom('http://169.254.169.254/', '::', '/'),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ status, body, headers }) => ({
    kind: 'answer',
    status,
    headers,
    body: status === 204 ? '' : Buffer.from(body),
  }));

/** @param tokens a sound token set, @param profile a sound profile, for what is bent to start from */
export function hostileInput(
  tokens: Record<string, unknown>,
  profile: Record<string, unknown>,
  profileFields: readonly string[],
): fc.Arbitrary<HostileInput> {
  const oddlyKept = fc
    .record(
      {
        kept_by: fc.oneof(fc.constantFrom('another/table', '//', '123456789012/eu-central-1/other'), value),
        expires_at: time,
        obtained_at: time,
        refresh_token_expires_at: time,
      },
      { requiredKeys: [] },
    )
    .map((odd) => JSON.stringify({ ...tokens, ...odd }));
  const secret = fc.oneof(
    oddlyKept,
    bent(tokens, TOKEN_FIELDS).map((object) => JSON.stringify(object)),
    torn(fc.constant(JSON.stringify(tokens))),
    nested,
    anyText,
  );
  const profileText = fc.oneof(
    bent(profile, profileFields).map((object) => JSON.stringify(object)),
    bent(profile, profileFields).map((object) => JSON.stringify(object)),
    anyText,
  );
  const sound = {
    item: {},
    secret: undefined,
    profile: undefined,
    answer: undefined,
    note: undefined,
  };
  const item = fc.oneof(bent({}, ITEM_FIELDS), ownFields);
  const note = fc.oneof(
    bent({}, NOTE_FIELDS),
    fc.record(
      {
        failure: fc.record(
          { reason, message: value, count: time, since: time, at: time, accounts: time, retryAt: time },
          { requiredKeys: ['reason'] },
        ),
        lastGrantAt: time,
        streak: fc.oneof(fc.array(value, { maxLength: 3 }), value),
        asked: fc.oneof(fc.dictionary(fc.constantFrom('0', '30000000', 'x'), value), value),
        wideRefusal: fc.record({ since: time, countedSince: time, triedSince: time, tries: time }),
        wideRefusalEndedAt: time,
        waiting: fc.oneof(fc.dictionary(fc.constantFrom('0/1', 'x'), time), value),
        eventOwed: fc.constantFrom('OAuth Profile Failing', 'Event Of A Later Version'),
        revision: fc.oneof(fc.nat(), value),
      },
      { requiredKeys: [] },
    ),
  );
  const everything = fc.record({ item, secret, profile: profileText, answer, note });
  // Mostly one thing alone: the first that is wrong hides what is behind it.
  return fc.oneof(
    { weight: 3, arbitrary: item.map((one) => ({ ...sound, item: one })) },
    { weight: 2, arbitrary: secret.map((one) => ({ ...sound, secret: one })) },
    { weight: 2, arbitrary: profileText.map((one) => ({ ...sound, profile: one })) },
    { weight: 5, arbitrary: answer.map((one) => ({ ...sound, answer: one })) },
    // A note is written to with the next answer, whatever it is.
    { weight: 1, arbitrary: note.map((one) => ({ ...sound, note: one })) },
    {
      weight: 1,
      arbitrary: fc.tuple(note, answer).map(([one, two]) => ({ ...sound, note: one, answer: two })),
    },
    { weight: 1, arbitrary: everything },
  );
}

/** Events as a person might mistype them. */
export const hostileEvent = fc.oneof(
  value,
  bent({ dryRun: true }, [
    'accountIds',
    'force',
    'dryRun',
    'segment',
    'totalSegments',
    'dryrun',
    '__proto__',
  ]),
);

function withoutOddNumbers(json: unknown): unknown {
  return JSON.parse(JSON.stringify(json), (_, one) =>
    typeof one === 'number' ? Math.trunc(one % 1e15) : one,
  );
}
