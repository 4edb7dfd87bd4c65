import { Readable } from 'node:stream';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { readRawResponse } from '../../adapters/oauth/raw-response.ts';
import { decodeBody } from '../../adapters/oauth/response-body.ts';
import { openSource, type Source } from '../../cli/import/file/source.ts';
import { checkColumns } from '../../cli/import/row/columns.ts';
import { protectCell, unprotectCell } from '../../cli/import/row/csv-cells.ts';
import { readRow } from '../../cli/import/row/row.ts';
import {
  checkCredentialColumns,
  checkMessageColumns,
  serviceNowSource,
} from '../../cli/import/servicenow.ts';
import { fieldsFromInput } from '../../cli/profile/fields.ts';
import { CliError } from '../../cli/shared/cli-error.ts';
import { parseAccount } from '../../core/account/account.ts';
import { parseProfileNote } from '../../core/account/parse-profile-note.ts';
import { shownPath } from '../../core/field-name.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import { parseProfile } from '../../core/profile/parse-profile.ts';
import { fillPlaceholders, UnusableParameter } from '../../core/profile/placeholders.ts';
import { withoutKnownSecrets, withoutSecrets } from '../../core/redaction/redaction.ts';
import { readErrorResponse } from '../../core/response/error-response.ts';
import { interpretTokenResponse } from '../../core/response/token-response.ts';
import { accessLifetime, expIn, futureInstant, instant, refreshLifetime } from '../../core/times.ts';
import { parseTokenSet, storable } from '../../core/tokens/token-set.ts';
import { InvalidEvent, readEvent } from '../../lambda/event.ts';
import { wrapTo } from '../../terminal/display-text.ts';
import { printable } from '../../terminal/printable.ts';
import { anAccount, aProfile, aTokenSet, NOW } from '../support/builders.ts';
import { CANARY, SHORT_CANARY } from '../support/canary.ts';
import type { Kind } from './kind.ts';

/** Milliseconds of this process's time, so that a busy machine breaks nothing. */
const LONGEST = 1_000;
const KB = 1_024;
/** What reads a file tells rows one by one; of so many it must have told within the time. */
const ROWS = 2_000;

/** A large text in few words: `unit` over and over, with `close` as often behind it. */
interface HostileText {
  readonly head: string;
  readonly unit: string;
  readonly close: string;
  readonly tail: string;
  /** Of what can really come, how much: the exponent. */
  readonly size: number;
  /** What it stands in, and which of the reader's calls it is for; each by its number. */
  readonly frame: number;
  readonly call: number;
}

const pieces = [
  ...['"', "'", '\\', '\\"', '{', '}', '[', ']', '{}', '[]', '":', ',', ';', ':', '=', '&', '#', '|'],
  ...['%', '%22', '%5C', '&quot;', '&#34;', '&#x22', '&amp;', '\\u0022', '\\u00', 'u{', '+', '=3D', '\\x22'],
  ...['<', '>', '</', '/>', '<a>', '<!--', '<![CDATA[', ']]>', 'name="refresh_token"', 'value=', ' value="'],
  ...[
    ' ',
    '\t',
    '\n',
    '\r\n',
    '\r',
    '\u0000',
    '\ufeff',
    '\u00a0',
    '\u2028',
    '\ud800',
    'é',
    '😀',
    '\u200d',
    '…',
  ],
  ...[
    'access_token',
    'refresh_token',
    'id_token',
    'token',
    'accessToken',
    'refresh',
    'grant',
    'invalid',
    'error',
  ],
  ...[
    'eyJ',
    'PD94',
    'QUJD',
    '==',
    '-',
    '_',
    '.',
    '/',
    '*',
    '***',
    '~',
    '~1',
    '00',
    '22',
    '7b',
    'null',
    'true',
  ],
  ...[
    'https://',
    'http://a@',
    '//',
    '{a}',
    '{',
    '://',
    'a.',
    '2027-01-01',
    'T',
    '12:00',
    ' GMT',
    'Fri, ',
    'Z',
    's',
  ],
  ...[
    '1',
    '9',
    '0',
    'e9',
    '-1',
    '0.',
    'a',
    'A',
    'aA',
    'Aa',
    'a ',
    'a,',
    's:13:',
    '=>',
    'sep=;',
    '=1+1',
    '"",',
  ],
  ...[
    'HTTP/1.1 200 OK\r\n',
    '0\r\n',
    '1\r\na\r\n',
    'a:b\r\n',
    'transfer-encoding: chunked\r\n',
    '\u001f\u008b',
  ],
  ...['"refresh_token":"', '"a":', '{"a":', '[{"a":', 'refresh_token=', '<refresh_token>', 'access_token=a&'],
];
const some = (maxLength: number) =>
  fc.array(fc.constantFrom(...pieces), { maxLength }).map((chosen) => chosen.join(''));
const hostileText: fc.Arbitrary<HostileText> = fc.record({
  head: some(2),
  unit: fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 3 }).map((chosen) => chosen.join('')),
  close: fc.oneof({ weight: 3, arbitrary: fc.constant('') }, { weight: 1, arbitrary: some(1) }),
  tail: some(1),
  size: fc.oneof(fc.constant(1), fc.double({ min: 0.2, max: 1, noNaN: true })),
  frame: fc.nat(),
  call: fc.nat(),
});

type Frame = (text: string) => string;
const quoted: Frame = (text) => JSON.stringify(text);
const plain: Frame = (text) => text;
const field =
  (name: string): Frame =>
  (text) =>
    `{${quoted(name)}:${quoted(text)}}`;
const between =
  (before: string, after = ''): Frame =>
  (text) =>
    before + text + after;

/** What reads a stranger's text: it may not throw, nor take long. */
interface Reader {
  readonly name: string;
  /** The longest text that it can get, in characters. */
  readonly max: number;
  readonly frames: readonly Frame[];
  readonly calls: readonly ((text: string) => unknown)[];
}

const profile = aProfile({
  dead_grant_errors: ['a a', 'token'],
  transient_errors: ['error'],
  client_errors: ['invalid', 'http_400'],
  token_error_fields: { error: '/error/0/a', error_description: '/a/a' },
  token_response_fields: { access_token: '/a/0', expires_at: '/a/a' },
  placeholder_values: { b: ['x'] },
});
const asked = { profile, previous: aTokenSet(), sent: 'refresh-1', now: NOW };
const answered = (status: number, complete: boolean) => (body: string) =>
  interpretTokenResponse({ status, retryAfter: body.slice(0, 8 * KB), body, complete, head: body }, asked);
const SECRETS = ['refresh-1', CANARY, SHORT_CANARY];
const bytes = (text: string) => Buffer.from(text, 'latin1');
const object = (text: string): Record<string, unknown> => parseJsonObject(text) ?? { a: text };
/** The text as each of an object's attributes, and in each of its maps. */
const everywhere = (names: readonly string[]) => (text: string) =>
  Object.fromEntries(
    names.map((name) => [
      name,
      name === 'parameters' ? { [text]: text } : name.endsWith('s') ? [text] : text,
    ]),
  );
const but =
  (allowed: new (...args: never[]) => Error, read: (text: string) => unknown) => async (text: string) => {
    try {
      return await read(text);
    } catch (error) {
      if (error instanceof allowed) return undefined;
      throw error;
    }
  };

const answerFrames = [
  plain,
  field('error_description'),
  field('access_token'),
  field('expires_at'),
  (text: string) => `{"error":{"message":${quoted(text)},"code":${quoted(text)}}}`,
  between('{"access_token":"', '"}'),
  between('refresh_token='),
  between('<html>', '</html>'),
];
const itemFields = [
  ...[
    'name',
    'oauthProfile',
    'tokenSecretId',
    'parameters',
    'status',
    'failure',
    'lease',
    'escrow',
    'enabled',
  ],
];

const fileOf = async (text: string, check?: (header: readonly string[]) => string | undefined) =>
  await openSource('-', Readable.from([Buffer.from(text)]), 'utf-8', check);
const readRows = async (source: Source) => {
  let rows = 0;
  for await (const row of source.rows()) {
    readRow(row);
    if (++rows === ROWS) return;
  }
};

const readers: readonly Reader[] = [
  {
    name: 'interpretTokenResponse',
    max: 256 * KB,
    frames: answerFrames,
    calls: [answered(200, true), answered(200, false), answered(400, true), answered(503, true)],
  },
  {
    name: 'errorOf and what is told of it',
    max: 256 * KB,
    frames: answerFrames,
    calls: [
      (text) =>
        readErrorResponse({ status: 400, retryAfter: text, body: text, complete: true }, object(text), {
          profile,
          secrets: [text.slice(0, 64 * KB), ...SECRETS],
          now: NOW,
        }),
    ],
  },
  {
    name: 'redaction',
    max: 256 * KB,
    frames: [plain],
    calls: [
      (text) => withoutSecrets(text, SECRETS),
      (text) => withoutKnownSecrets(text, SECRETS),
      (text) => withoutSecrets(`a ${CANARY} ${text}`, [...SECRETS, text.slice(0, 64 * KB), text.slice(-9)]),
      (text) => shownPath([text, text]),
    ],
  },
  {
    name: 'decodeBody',
    max: 256 * KB,
    frames: [plain],
    calls: [
      (text) => decodeBody(bytes(text)),
      (text) => decodeBody(Buffer.from(text, 'utf16le')),
      (text) => decodeBody(gzipSync(text)),
      (text) => decodeBody(gzipSync(text).subarray(0, -9)),
      (text) => decodeBody(gzipSync(gzipSync(text.repeat(4))), 'deflate'),
      (text) => decodeBody(Buffer.concat([deflateSync(bytes(text)).subarray(0, -9), bytes(text)]), 'br'),
      (text) => decodeBody(brotliCompressSync(bytes(text.slice(0, 64 * KB))).subarray(0, -3)),
    ],
  },
  {
    name: 'readRawResponse',
    max: 384 * KB,
    frames: [
      plain,
      between('HTTP/1.1 200 OK\r\n'),
      between('HTTP/1.1 100 OK\r\n\r\n'),
      between('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'),
    ],
    calls: [(text) => readRawResponse(bytes(text))],
  },
  {
    name: 'parseTokenSet',
    max: 64 * KB,
    frames: [
      plain,
      ...['access_token', 'refresh_token', 'expires_at', 'a'].map(field),
      between('{"a":', '}'),
    ],
    calls: [
      parseTokenSet,
      (text) => {
        const parsed = parseTokenSet(text);
        return parsed.kind === 'token_set' ? storable(parsed.tokenSet, parsed.tokenSet, ['a']) : parsed;
      },
    ],
  },
  {
    name: 'parseProfile',
    max: 64 * KB,
    frames: [
      plain,
      ...['client_id', 'token_endpoint', 'scope', 'private_key', 'provider', 'client_secret'].map(field),
      between('{"token_request_headers":{', '}}'),
      (text) => `{"token_request_headers":{${quoted(text)}:${quoted(text)}}}`,
      (text) => `{"token_response_fields":{"scope":${quoted(text)}}}`,
      (text) => `{"dead_grant_errors":[${`${quoted(text.slice(0, 9))},`.repeat(text.length / 40)}""]}`,
      (text) =>
        `{"token_request_headers":{${Array.from({ length: text.length / 9 }, (_, i) => `"h${i}":""`).join()}}}`,
    ],
    calls: [parseProfile, but(CliError, fieldsFromInput)],
  },
  {
    name: 'parseAccount',
    max: 400 * KB,
    frames: [plain, between('{"parameters":{', '}}'), between('{"failure":', '}')],
    calls: [
      (text) => parseAccount(object(text)),
      (text) => parseAccount({ accountId: text, ...everywhere(itemFields)(text) }),
      (text) =>
        parseAccount({
          ...anAccount(),
          parameters: Object.fromEntries([...text].map((sign, i) => [i, sign])),
        }),
    ],
  },
  {
    name: 'parseProfileNote',
    max: 400 * KB,
    frames: [plain, between('{"streak":[', ']}'), between('{"waiting":{', '}}')],
    calls: [
      (text) => parseProfileNote(object(text)),
      (text) => parseProfileNote({ streak: [...text], asked: { [text]: text }, failure: text }),
    ],
  },
  {
    name: 'readEvent',
    max: 1_024 * KB,
    frames: [plain, between('{"accountIds":[', ']}'), field('detail-type')],
    calls: [
      but(InvalidEvent, (text) => readEvent(object(text))),
      but(InvalidEvent, readEvent),
      but(InvalidEvent, (text) => readEvent({ accountIds: [...text] })),
    ],
  },
  {
    name: 'times',
    max: 256 * KB,
    frames: [plain, between('2027-01-01'), between('Fri, '), between('1')],
    calls: [
      instant,
      expIn,
      (text) => expIn(`${text}.${Buffer.from(text).toString('base64')}.${text}`),
      (text) => [futureInstant(text, NOW), accessLifetime(text, NOW), refreshLifetime(text, NOW)],
    ],
  },
  {
    name: 'fillPlaceholders',
    max: 64 * KB,
    frames: [plain, between('https://'), between('https://{a}')],
    calls: ['token_endpoint', 'token_request_parameters'].map((name) =>
      but(UnusableParameter, (text) =>
        fillPlaceholders(text, name, anAccount({ parameters: { a: 'x', b: 'x', c: text } }), profile),
      ),
    ),
  },
  {
    name: 'an import file',
    max: 3 * KB * KB,
    frames: [
      plain,
      between('accountId,oauthProfile,refresh_token\n'),
      between('accountId;tokens\na;"'),
      between('{"accountId":"a"}\n'),
      between('{"accountId":"a","tokens":'),
      between('['),
      between('{\n'),
      between('sep=;\naccountId;name\n'),
    ],
    calls: [
      but(CliError, async (text) => await readRows(await fileOf(text, checkColumns))),
      but(CliError, async (text) => {
        const messages = await fileOf(
          `sys_id,name,authentication_type\na,b,oauth2\n${text}`,
          checkMessageColumns,
        );
        const credentials = await fileOf(text, checkCredentialColumns);
        await readRows(serviceNowSource(messages, credentials, { profiles: new Map(), tokensIn: 'token' }));
      }),
    ],
  },
  {
    name: 'a row of an import file',
    max: 1_024 * KB,
    frames: [plain, between('{"parameters":{', '}}'), between('{"tokens":', '}'), field('tokens')],
    calls: [
      (text) => readRow({ values: object(text), cells: 'json' }),
      (text) =>
        readRow({ values: { accountId: text, [text]: text, tokens: text, parameters: text }, cells: 'csv' }),
      (text) =>
        readRow({ values: { refresh_token: text, expires_at: text, tokenSecretId: text }, cells: 'csv' }),
      (text) => unprotectCell(protectCell(text)),
      (text) => checkColumns(text.slice(0, 64 * KB).split(',')),
    ],
  },
  {
    name: 'words for a terminal',
    max: 400 * KB,
    frames: [plain],
    calls: [printable, (text) => wrapTo(printable(text), 80)],
  },
];

/** The text, no longer than the reader can get. */
function textFor({ head, unit, close, tail, size, frame }: HostileText, { max, frames }: Reader): string {
  const enclose = frames[frame % frames.length] ?? plain;
  const wanted = Math.floor(max ** size);
  let times = Math.ceil(wanted / (unit.length + close.length));
  for (;;) {
    const text = enclose(head + unit.repeat(times) + close.repeat(times) + tail);
    if (text.length <= max || times === 1) return text;
    times = Math.max(1, Math.floor((0.99 * times * max) / text.length));
  }
}

function kindOf(reader: Reader): Kind<HostileText> {
  let slowest = { milliseconds: 0, length: 0, told: '' };
  return {
    name: reader.name,
    weight: 1,
    inputs: hostileText,
    check: async (batch) => {
      const broken: string[] = [];
      for (const input of batch) {
        const frame = input.frame % reader.frames.length;
        const call = input.call % reader.calls.length;
        const told = JSON.stringify({ ...input, frame, call });
        const text = textFor(input, reader);
        const before = process.cpuUsage();
        try {
          await reader.calls[call]?.(text);
        } catch (error) {
          broken.push(`${reader.name} threw ${error instanceof Error ? error.stack : error}: ${told}`);
        }
        const { user, system } = process.cpuUsage(before);
        const milliseconds = Math.round((user + system) / 1_000);
        if (milliseconds >= slowest.milliseconds) slowest = { milliseconds, length: text.length, told };
        if (milliseconds > LONGEST) broken.push(`${reader.name} took ${milliseconds} ms for ${told}`);
      }
      return broken;
    },
    remarks: () => [
      `${String(slowest.milliseconds).padStart(6)} ms  ${reader.name}, ${slowest.length} characters: ${slowest.told}`,
    ],
  };
}

/** Everything pure that a stranger's text reaches. */
export const textKinds: readonly Kind<HostileText>[] = readers.map(kindOf);
