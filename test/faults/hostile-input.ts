import fc from 'fast-check';
import type { ProviderFault } from '../support/strict-provider.ts';

/** One account with everything that belongs to it, some of which is hostile. Undefined: as it should be. */
export interface HostileInput {
  readonly item: Readonly<Record<string, unknown>>;
  readonly secret: string | undefined;
  readonly profile: string | undefined;
  readonly answer: ProviderFault | undefined;
}

const TOKEN_FIELDS = [
  'access_token',
  'refresh_token',
  'token_type',
  'expires_in',
  'expires_at',
  'obtained_at',
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
  'accessTokenExpiresAt',
  'refreshTokenExpiresAt',
  'status',
  'failure',
  'nextAttemptAt',
  'lastRefreshedAt',
  'lease',
  'escrow',
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
  const secret = fc.oneof(
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
  const sound = { item: {}, secret: undefined, profile: undefined, answer: undefined };
  const item = bent({}, ITEM_FIELDS);
  const everything = fc.record({ item, secret, profile: profileText, answer });
  // Mostly one thing alone: the first that is wrong hides what is behind it.
  return fc.oneof(
    { weight: 2, arbitrary: item.map((one) => ({ ...sound, item: one })) },
    { weight: 2, arbitrary: secret.map((one) => ({ ...sound, secret: one })) },
    { weight: 2, arbitrary: profileText.map((one) => ({ ...sound, profile: one })) },
    { weight: 5, arbitrary: answer.map((one) => ({ ...sound, answer: one })) },
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
