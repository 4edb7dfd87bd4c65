import fc from 'fast-check';
import { CANARY, ENCODINGS } from '../support/canary.ts';
import type { ProviderFault } from '../support/strict-provider.ts';

/** One account with everything that belongs to it, some of which is hostile. Undefined: as it should be. */
export interface HostileInput {
  readonly item: Readonly<Record<string, unknown>>;
  readonly secret: string | undefined;
  readonly profile: string | undefined;
  readonly answer: ProviderFault | undefined;
  /** What the note of its profile holds. */
  readonly note: Readonly<Record<string, unknown>> | undefined;
  /** Its tokens, and its client's secret, are short and full of signs. */
  readonly short: boolean;
}

/** Stands in an item where the ciphertext of a real escrow is to stand. */
export const SEALED = 'sealed';

/** What a provider was sent, and may quote. */
export interface Sent {
  readonly refresh: string;
  readonly access: string;
  readonly client: string;
}

const encoding = fc.constantFrom(...Object.keys(ENCODINGS));
/** A mark stands where the answer quotes what was sent, in one encoding over another: `SENT-refresh-plain-url-`. */
const quote = fc
  .tuple(fc.constantFrom('refresh', 'access', 'client'), fc.oneof(fc.constant('plain'), encoding), encoding)
  .map(([what, inner, outer]) => `SENT-${what}-${inner}-${outer}-`);

/** The answer with all that it quotes, as JSON still JSON. */
export function quoting(answer: ProviderFault | undefined, sent: Sent): ProviderFault | undefined {
  if (answer?.kind !== 'answer') return answer;
  const filled = (text: string, written: (quoted: string) => string) =>
    text.replaceAll(
      /SENT-(refresh|access|client)-([a-z0-9]+)-([a-z0-9]+)-/g,
      (_, what: keyof Sent, inner: keyof typeof ENCODINGS, outer: keyof typeof ENCODINGS) =>
        written(ENCODINGS[outer](ENCODINGS[inner](sent[what]))),
    );
  const body = String(answer.body ?? '');
  const headers = Object.entries(answer.headers ?? {}).map(([name, text]) => [
    name,
    filled(text, ENCODINGS.plain),
  ]);
  return {
    ...answer,
    body: filled(body, body.startsWith('{') ? ENCODINGS.json : ENCODINGS.plain),
    headers: Object.fromEntries(headers),
  };
}

/** Secrets where others, or none, are expected. */
const confidential: fc.Arbitrary<unknown> = fc.constantFrom<unknown>(
  CANARY,
  `${CANARY}-and-more-of-it-0123456789`,
  `${CANARY}\n`,
  ` ${CANARY}`,
  [CANARY],
  { [CANARY]: CANARY },
  { kty: CANARY, d: CANARY },
  `-----BEGIN PRIVATE KEY-----\n${CANARY}\n-----END PRIVATE KEY-----`,
);
/** Fields that hold secrets or that nobody knows, of token sets and of profiles; the name of one looks like a value. */
const CONFIDENTIAL_TOKEN_FIELDS = [
  'access_token',
  'refresh_token',
  'id_token',
  'expires_at',
  'api_key',
  CANARY,
];
const CONFIDENTIAL_PROFILE_FIELDS = [
  ...['client_secret', 'private_key', 'tls_client_key'],
  ...['token_request_headers', 'token_request_parameters', 'clientSecret', 'password', CANARY],
];

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
  fc.constant(SEALED),
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

/**
 * An object some of whose fields are replaced or taken away.
 *
 * @param odd what stands there instead
 * @param secret the fields in which secrets stand
 */
const bent = (
  base: Record<string, unknown>,
  fields: readonly string[],
  odd: fc.Arbitrary<unknown> = value,
  secret: readonly string[] = [],
) => {
  const change = fc.tuple(fc.constantFrom(...fields), fc.option(odd, { nil: undefined }));
  const changes =
    secret.length === 0 ? change : fc.oneof(change, fc.tuple(fc.constantFrom(...secret), confidential));
  return fc
    .array(changes, { minLength: 1, maxLength: 4 })
    .map((made) => ({ ...base, ...Object.fromEntries(made) }));
};

const torn = (texts: fc.Arbitrary<string>) =>
  fc.tuple(texts, fc.nat(60)).map(([text, cut]) => text.slice(0, Math.max(1, text.length - cut)));
const nested = fc.integer({ min: 1, max: 3_000 }).map((depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`);
const anyText = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 });

const hostileBody = (fields: Record<string, unknown>): fc.Arbitrary<string> => {
  // What is told of long words is cut, perhaps in the midst of a secret.
  const long = fc.integer({ min: 700, max: 1_100 }).map((length) => 'so '.repeat(length / 3));
  const words = fc.tuple(fc.oneof(anyText, anyText, long), quote, anyText).map((parts) => parts.join(' '));
  const told = fc.oneof(
    value,
    quote,
    words,
    fc.record({ message: words, code: quote }, { noNullPrototype: true }),
    fc.tuple(words),
  );
  const said = fc.record(
    {
      error: fc.oneof(fc.constantFrom('invalid_grant', 'server_error', 'odd_one'), quote),
      error_description: words,
    },
    { noNullPrototype: true },
  );
  // A scope and a type are the grant's own, which "accounts show" is there to show.
  const quotable = TOKEN_FIELDS.filter((field) => field !== 'scope' && field !== 'token_type');
  const object = fc.oneof(bent(fields, TOKEN_FIELDS), bent(fields, quotable, told), said);
  const json = object.map((one) => JSON.stringify(one));
  const form = object.map((object) =>
    new URLSearchParams(
      Object.entries(object).map(([name, one]): [string, string] => [name, String(one)]),
    ).toString(),
  );
  const html = words.map((text) => `<html>${text}</html>`);
  return fc.oneof(
    json,
    json,
    json,
    json,
    torn(json),
    form,
    torn(form),
    html,
    nested,
    anyText,
    words,
    fc.constant(''),
  );
};

const answer: fc.Arbitrary<ProviderFault> = fc
  .record({
    status: fc.constantFrom(200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503),
    body: hostileBody({
      access_token: `${CANARY}-granted-0123456789`,
      token_type: 'Bearer',
      expires_in: 3_600,
    }),
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
        location: fc.constantFrom('http://169.254.169.254/', '::', '/', '/?t=SENT-refresh-plain-url-'),
        'set-cookie': fc.constantFrom('refresh_token=SENT-refresh-plain-base64-', 'a=SENT-client-url-url-'),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ status, body, headers }) => ({
    kind: 'answer',
    status,
    headers,
    body: status === 204 ? '' : body,
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
    bent(tokens, TOKEN_FIELDS, value, CONFIDENTIAL_TOKEN_FIELDS).map((object) => JSON.stringify(object)),
    torn(fc.constant(JSON.stringify(tokens))),
    nested,
    anyText.map((text) => text + CANARY),
  );
  const profileText = hostileProfile(profile, profileFields);
  const sound = {
    item: {},
    secret: undefined,
    profile: undefined,
    answer: undefined,
    note: undefined,
    short: false,
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
  const short = fc.boolean();
  const everything = fc.record({ item, secret, profile: profileText, answer, note, short });
  // Mostly one thing alone: the first that is wrong hides what is behind it.
  return fc.oneof(
    { weight: 3, arbitrary: item.map((one) => ({ ...sound, item: one })) },
    { weight: 2, arbitrary: secret.map((one) => ({ ...sound, secret: one })) },
    { weight: 2, arbitrary: profileText.map((one) => ({ ...sound, profile: one })) },
    {
      weight: 5,
      arbitrary: fc.tuple(answer, short).map(([one, two]) => ({ ...sound, answer: one, short: two })),
    },
    // A note is written to with the next answer, whatever it is.
    { weight: 1, arbitrary: note.map((one) => ({ ...sound, note: one })) },
    {
      weight: 1,
      arbitrary: fc.tuple(note, answer).map(([one, two]) => ({ ...sound, note: one, answer: two })),
    },
    { weight: 1, arbitrary: everything },
  );
}

/** The text of a profile's secret. @param profile a sound one, to start from */
export function hostileProfile(
  profile: Record<string, unknown>,
  profileFields: readonly string[],
): fc.Arbitrary<string> {
  const fields = bent(profile, profileFields, value, CONFIDENTIAL_PROFILE_FIELDS);
  const withPassword = bent(
    { ...profile, token_endpoint: `https://user:${encodeURIComponent(CANARY)}@127.0.0.1:9/token` },
    profileFields,
  );
  const json = fc.oneof(fields, fields, withPassword).map((object) => JSON.stringify(object));
  return fc.oneof(
    json,
    json,
    torn(json),
    anyText.map((text) => text + CANARY),
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
