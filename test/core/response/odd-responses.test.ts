import * as zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHttpsClient } from '../../../adapters/oauth/https-request.ts';
import { interpretTokenResponse } from '../../../core/response/token-response.ts';
import { aProfile, NOW } from '../../support/builders.ts';
import { type RawProvider, type Sent, startRawProvider } from './raw-provider.ts';

/**
 * What a strict provider answers after it has rotated, byte for byte, and what of it is kept. Each row is asked once:
 * what is not kept from it is lost for good.
 */
type Kept =
  /** Both tokens. */
  | 'granted'
  /** The access token; the provider named no new refresh token. */
  | 'access only'
  /** The refresh token, beside the old one, until it has worked. */
  | 'candidate'
  /** What came, in escrow, for a person or a later version. */
  | 'unread'
  /** Nothing: it counts as no response, and is asked once more at once. */
  | 'cut'
  /** Nothing: the provider said what is wrong. */
  | 'error';
type Made<What> = (access: string, refresh: string) => What;
/** All but the name is a sound response, of which both tokens are kept, where a row says nothing else. */
interface Row {
  readonly name: string;
  readonly kept?: Kept;
  readonly body?: Made<string | Buffer>;
  readonly headers?: readonly string[];
  readonly status?: string;
  /** A head of one's own, and how its lines end. */
  readonly head?: readonly string[];
  readonly lineEnd?: string;
  /** What is sent, where that is not a head and a body at once. */
  readonly sends?: Made<readonly Sent[]>;
}

let provider: RawProvider;
const client = createHttpsClient({ allowHttpLoopback: true });
beforeAll(async () => {
  provider = await startRawProvider();
});
afterAll(() => {
  client.close();
  provider.close();
});

async function ask(make: Made<readonly Sent[]>, milliseconds = 4_000) {
  const sent = provider.liveRefreshToken;
  const previous = { access_token: provider.liveAccessToken, refresh_token: sent };
  provider.answerWith(make);
  const response = await client.send(provider.url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: sent }).toString(),
    profile: 'crm',
    signal: AbortSignal.timeout(milliseconds),
  });
  return interpretTokenResponse(response, { profile: aProfile(), previous, sent, now: NOW });
}

function keptOf(made: Awaited<ReturnType<typeof ask>>): Kept {
  if (made.kind === 'granted') {
    expect(made.tokens.accessToken).toBe(provider.liveAccessToken);
    if (made.tokens.refreshToken === undefined) return 'access only';
    expect(made.tokens.refreshToken).toBe(provider.liveRefreshToken);
    return 'granted';
  }
  if (made.candidate !== undefined) {
    expect(made.candidate).toBe(provider.liveRefreshToken);
    return 'candidate';
  }
  if (made.cut) return 'cut';
  return made.unread === undefined ? 'error' : 'unread';
}

const json = (access: string, refresh: string) =>
  JSON.stringify({ access_token: access, token_type: 'Bearer', expires_in: 3600, refresh_token: refresh });

/** A well-formed response. */
function http(body: string | Buffer, headers: readonly string[] = [], status = '200 OK'): Buffer {
  const length = `content-length: ${Buffer.byteLength(body)}`;
  const head = [`HTTP/1.1 ${status}`, length, 'connection: close', ...headers].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), Buffer.from(body)]);
}

/** The same with a head of one's own. */
const bytes = (head: readonly string[], body: string | Buffer, lineEnd = '\r\n') =>
  Buffer.concat([Buffer.from(head.join(lineEnd) + lineEnd + lineEnd), Buffer.from(body)]);

const ok = 'HTTP/1.1 200 OK';
const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16();
const utf32 = (text: string) => Buffer.from(Uint32Array.from(text, (c) => c.codePointAt(0) ?? 0).buffer);
const cutOff = (whole: Buffer, last: number) => whole.subarray(0, whole.length - last);
const chunk = (text: string, size = text.length.toString(16)) => `${size}\r\n${text}\r\n`;

const encodings: readonly Row[] = [
  { name: 'gzip is claimed, the body is plain (B1)', headers: ['content-encoding: gzip'] },
  { name: 'br is claimed, the body is plain', headers: ['content-encoding: br'] },
  { name: 'deflate is claimed, the body is plain', headers: ['content-encoding: deflate'] },
  { name: 'zstd is claimed, the body is plain', headers: ['content-encoding: zstd'] },
  { name: 'something unknown is claimed', headers: ['content-encoding: rot13'] },
  { name: 'gzip without a header (B2)', body: (a, r) => zlib.gzipSync(json(a, r)) },
  { name: 'zlib without a header', body: (a, r) => zlib.deflateSync(json(a, r)) },
  { name: 'raw deflate without a header', body: (a, r) => zlib.deflateRawSync(json(a, r)) },
  { name: 'brotli without a header', body: (a, r) => zlib.brotliCompressSync(json(a, r)) },
  { name: 'zstd without a header', body: (a, r) => zlib.zstdCompressSync(json(a, r)) },
  { name: 'gzip in gzip', body: (a, r) => zlib.gzipSync(zlib.gzipSync(json(a, r))) },
  {
    name: 'gzip is claimed, it is brotli',
    body: (a, r) => zlib.brotliCompressSync(json(a, r)),
    headers: ['content-encoding: gzip'],
  },
  {
    name: 'br is claimed, it is gzip',
    body: (a, r) => zlib.gzipSync(json(a, r)),
    headers: ['content-encoding: br'],
  },
  {
    name: 'deflate is claimed, it is raw',
    body: (a, r) => zlib.deflateRawSync(json(a, r)),
    headers: ['content-encoding: deflate'],
  },
  { name: 'gzip without its checksum', body: (a, r) => cutOff(zlib.gzipSync(json(a, r)), 8) },
  {
    name: 'gzip with a wrong checksum',
    body: (a, r) => {
      const zipped = zlib.gzipSync(json(a, r));
      zipped[zipped.length - 6] = (zipped[zipped.length - 6] ?? 0) ^ 0xff;
      return zipped;
    },
  },
  {
    name: 'gzip with something behind it',
    body: (a, r) => Buffer.concat([zlib.gzipSync(json(a, r)), Buffer.from('\n\n')]),
  },
];

const charsets: readonly Row[] = [
  { name: 'a byte order mark', body: (a, r) => `\uFEFF${json(a, r)}` },
  { name: 'UTF-16 LE with its mark', body: (a, r) => Buffer.from(`\uFEFF${json(a, r)}`, 'utf16le') },
  { name: 'UTF-16 BE with its mark', body: (a, r) => utf16be(`\uFEFF${json(a, r)}`) },
  { name: 'UTF-16 LE without a mark', body: (a, r) => Buffer.from(json(a, r), 'utf16le') },
  { name: 'UTF-16 BE without a mark', body: (a, r) => utf16be(json(a, r)) },
  { name: 'UTF-32 LE with its mark', body: (a, r) => utf32(`\uFEFF${json(a, r)}`) },
  { name: 'Latin-1', body: (a, r) => Buffer.from(`{"name":"Zo\xeb",${json(a, r).slice(1)}`, 'latin1') },
  { name: 'gzip of UTF-16', body: (a, r) => zlib.gzipSync(Buffer.from(`\uFEFF${json(a, r)}`, 'utf16le')) },
];

const heads: readonly Row[] = [
  { name: '20 KB of headers (B3)', headers: [`x-padding: ${'p'.repeat(20_000)}`] },
  { name: '60 KB of headers', headers: [`x-padding: ${'p'.repeat(60_000)}`] },
  { name: '100 KB of headers', headers: [`x-padding: ${'p'.repeat(100_000)}`] },
  { name: '3,000 headers', headers: Array.from({ length: 3_000 }, (_, n) => `x-${n}: v`) },
  { name: 'a header without a colon', headers: ['this is no header'] },
  { name: 'a header with a blank in its name', headers: ['x header: v'] },
  { name: 'a header with a zero byte', headers: ['x-zero: a\u0000b'] },
  { name: 'a header without a name', headers: [': v'] },
  { name: 'a header that is folded', headers: ['x-long: a', ' b'] },
  {
    name: 'the body in a packet of its own after a broken header',
    sends: (a, r) => [bytes([ok, 'this is no header', 'connection: close'], ''), 150, json(a, r)],
  },
  {
    name: 'the body in pieces after a broken header',
    sends: (a, r) => [
      bytes([ok, 'x y: z', 'connection: close'], ''),
      ...[...json(a, r)].flatMap((character, at): Sent[] => (at % 20 === 0 ? [5, character] : [character])),
    ],
  },
  {
    name: 'a broken header, and a connection that stays open',
    sends: (a, r) => [bytes([ok, 'no header', `content-length: ${json(a, r).length}`], json(a, r)), 'OPEN'],
  },
  { name: 'lines that end in LF', head: [ok, 'connection: close'], lineEnd: '\n' },
  { name: 'lines that end in CR', head: [ok, 'connection: close'], lineEnd: '\r' },
  { name: 'no blank line before the body', sends: (a, r) => [`${ok}\r\nconnection: close\r\n${json(a, r)}`] },
  { name: 'no reason phrase', head: ['HTTP/1.1 200', 'connection: close'] },
  { name: 'no version', head: ['HTTP 200 OK', 'connection: close'] },
  { name: 'HTTP/3.7', head: ['HTTP/3.7 200 OK', 'connection: close'] },
  { name: 'another protocol’s name', head: ['ICY 200 OK', 'connection: close'] },
  { name: 'no status', kept: 'candidate', head: ['HTTP/1.1 OK', 'connection: close'] },
  { name: 'no head at all', kept: 'candidate', sends: (a, r) => [json(a, r)] },
  { name: 'blank lines before the head', sends: (a, r) => ['\r\n\r\n', http(json(a, r))] },
  {
    name: 'an interim response before it',
    sends: (a, r) => ['HTTP/1.1 100 Continue\r\n\r\n', http(json(a, r))],
  },
  {
    name: 'early hints before it',
    sends: (a, r) => ['HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n', 20, http(json(a, r))],
  },
  {
    name: 'a switch of protocols before it',
    sends: (a, r) => [
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n',
      http(json(a, r)),
    ],
  },
  { name: 'two lengths that differ', headers: ['content-length: 5'] },
  { name: 'a length that is no number', head: [ok, 'content-length: many'] },
  { name: 'a negative length', head: [ok, 'content-length: -1'] },
  { name: 'a length that is too small', head: [ok, 'content-length: 10'] },
  {
    name: 'a length that is too small, and packets',
    sends: (a, r) => [bytes([ok, 'content-length: 10'], json(a, r).slice(0, 10)), 50, json(a, r).slice(10)],
  },
  {
    name: 'a length in characters',
    sends: (a, r) => {
      const text = `{"name":"Zoë Müller-Lüdenscheidt","refresh_token":"${r}","access_token":"${a}"}`;
      return [bytes([ok, `content-length: ${text.length}`], text)];
    },
  },
  { name: 'a length that is too large', head: [ok, 'content-length: 999'] },
  {
    name: 'a length that is too large, and no end',
    sends: (a, r) => [bytes([ok, 'content-length: 999'], json(a, r)), 'OPEN'],
  },
  { name: 'no length and no end', sends: (a, r) => [bytes([ok], json(a, r)), 'OPEN'] },
  { name: '204 with a body', status: '204 No Content' },
  { name: '205 with a body', status: '205 Reset Content' },
];

const chunks: readonly Row[] = [
  {
    name: 'chunks',
    head: [ok, 'transfer-encoding: chunked'],
    body: (a, r) => [...json(a, r)].map((c) => chunk(c)).join('') + chunk(''),
  },
  { name: 'chunks are claimed, the body is plain', head: [ok, 'transfer-encoding: chunked'] },
  {
    name: 'chunks without the last one',
    head: [ok, 'transfer-encoding: chunked'],
    body: (a, r) => chunk(json(a, r)),
  },
  {
    name: 'a chunk that is larger than it says',
    head: [ok, 'transfer-encoding: chunked'],
    body: (a, r) => chunk(json(a, r), '7') + chunk(''),
  },
  {
    name: 'a chunk that is smaller than it says',
    head: [ok, 'transfer-encoding: chunked'],
    body: (a, r) => chunk(json(a, r), 'fff') + chunk(''),
  },
  {
    name: 'a size that is no number',
    head: [ok, 'transfer-encoding: chunked'],
    body: (a, r) => chunk(json(a, r).slice(0, 9)) + chunk(json(a, r).slice(9), 'zz'),
  },
  {
    name: 'chunks and a length',
    head: [ok, 'transfer-encoding: chunked', 'content-length: 3'],
    body: (a, r) => chunk(json(a, r)) + chunk(''),
  },
  {
    name: 'gzip in chunks that are not claimed',
    sends: (a, r) => [
      ok,
      '\r\ntransfer-encoding: gzip, chunked\r\n\r\n',
      `${zlib.gzipSync(json(a, r)).length.toString(16)}\r\n`,
      zlib.gzipSync(json(a, r)),
      '\r\n0\r\n\r\n',
    ],
  },
];

const endings: readonly Row[] = [
  { name: 'a reset with the last byte', sends: (a, r) => [http(json(a, r)), 'RESET'] },
  {
    name: 'a reset with the last byte of gzip (G5)',
    sends: (a, r) => [http(zlib.gzipSync(json(a, r)), ['content-encoding: gzip']), 'RESET'],
  },
  { name: 'a reset with the last byte, and no length', sends: (a, r) => [bytes([ok], json(a, r)), 'RESET'] },
  { name: 'cut behind both tokens', sends: (a, r) => [cutOff(http(json(a, r)), 1), 'RESET'] },
  {
    name: 'cut behind both tokens, in gzip',
    sends: (a, r) => [cutOff(http(zlib.gzipSync(json(a, r))), 9), 'RESET'],
  },
  ...[
    { form: 'JSON', make: json },
    { form: 'JSON in JSON', make: (a: string, r: string) => JSON.stringify({ body: json(a, r) }) },
    { form: 'JSON as a text', make: (a: string, r: string) => JSON.stringify(json(a, r)) },
    { form: 'JSON behind a guard', make: (a: string, r: string) => `)]}',\n${json(a, r)}` },
    {
      form: 'JSON in a list',
      make: (a: string, r: string) => `[{"access_token":"${a}"},{"refresh_token":"${r}"}]`,
    },
    { form: 'JSONP', make: (a: string, r: string) => `callback(${json(a, r)})` },
    {
      form: 'JSON behind a warning',
      make: (a: string, r: string) => `<br />\n<b>Notice</b>: odd\n${json(a, r)}`,
    },
    {
      form: 'XML',
      make: (a: string, r: string) =>
        `<?xml version="1.0"?><o><access_token>${a}</access_token><refresh_token>${r}</refresh_token></o>`,
    },
    {
      form: 'a form',
      make: (a: string, r: string) => `access_token=${a}&expires_in=3600&refresh_token=${r}`,
    },
    { form: 'lines', make: (a: string, r: string) => `access_token: ${a}\nrefresh_token: ${r}\n` },
  ].flatMap(({ form, make }): Row[] => {
    const beforeRefreshToken = (a: string, r: string) => {
      const text = make(a, r);
      return text.slice(0, text.search(/refresh_token/) + 4);
    };
    const framed: Row = {
      name: `${form} that is cut, and a length that fits`,
      kept: 'cut',
      body: (a, r) => beforeRefreshToken(a, r),
    };
    return [
      { name: `${form} that ends with the connection`, head: [ok], body: (a, r) => make(a, r) },
      {
        name: `${form} that ends with the connection before its refresh token`,
        kept: 'cut',
        head: [ok],
        body: (a, r) => beforeRefreshToken(a, r),
      },
      ...(form === 'a form' || form === 'lines' ? [] : [framed]),
    ];
  }),
  { name: 'nothing before the connection ends', kept: 'cut', head: [ok], body: () => '' },
  {
    name: 'lines that end with the connection in their first value',
    kept: 'cut',
    head: [ok],
    body: (a) => `access_token: ${a.slice(0, 5)}`,
  },
  {
    name: 'a form that ends with the connection in its first name',
    kept: 'cut',
    head: [ok],
    body: () => 'access_tok',
  },
  {
    name: 'XML that ends with the connection between two elements',
    kept: 'cut',
    head: [ok],
    body: (a) => `<o><access_token>${a}</access_token>`,
  },
  {
    name: 'JSON that ends with the connection, and names no refresh token',
    kept: 'access only',
    head: [ok],
    body: (a) => `{"access_token":"${a}","note":"} {["}`,
  },
  { name: 'cut before the refresh token', kept: 'cut', sends: (a, r) => [cutOff(http(json(a, r)), 40)] },
  {
    name: 'cut within the refresh token',
    kept: 'cut',
    sends: (a, r) => [cutOff(http(json(a, r)), 4), 'RESET'],
  },
  {
    name: 'cut within the refresh token, and never ended',
    kept: 'cut',
    sends: (a, r) => [cutOff(http(json(a, r)), 4), 'OPEN'],
  },
  { name: 'cut within the head', kept: 'cut', sends: () => [`${ok}\r\ncontent-le`] },
  {
    name: 'cut before the access token',
    kept: 'candidate',
    sends: (a, r) => [cutOff(http(`{"refresh_token":"${r}","access_token":"${a}"}`), 4)],
  },
];

const statuses: readonly Row[] = [
  ...[
    '301 Moved Permanently',
    '302 Found',
    '304 Not Modified',
    '400 Bad Request',
    '401 Unauthorized',
    '403 Forbidden',
    '404 Not Found',
    '409 Conflict',
    '429 Too Many Requests',
    '500 Internal Server Error',
    '502 Bad Gateway',
    '503 Service Unavailable',
    '504 Gateway Timeout',
    '599 Odd',
    '999 Odd',
  ].map((status): Row => ({ name: `a whole token set under ${status} (B4)`, kept: 'candidate', status })),
  { name: 'a token set under 201', status: '201 Created' },
  {
    name: 'gzip under 500',
    kept: 'candidate',
    body: (a, r) => zlib.gzipSync(json(a, r)),
    status: '500 Oops',
  },
  {
    name: 'a redirect with the tokens in its address',
    kept: 'candidate',
    sends: (a, r) => [
      http(
        '',
        [`location: https://app.example/cb#access_token=${a}&refresh_token=${r}&state=x`],
        '302 Found',
      ),
    ],
  },
  {
    name: 'a cookie',
    kept: 'candidate',
    sends: (_, r) => [http('', [`set-cookie: refresh_token=${r}; HttpOnly; Secure`])],
  },
  {
    name: 'a 400 that quotes the token that was sent',
    kept: 'error',
    body: () => `{"error":"invalid_grant","refresh_token":"${previousOf(provider.liveRefreshToken)}"}`,
    status: '400 Bad Request',
  },
];

function previousOf(token: string): string {
  return token.replace(/\d+$/, (digits) => String(Number(digits) - 1).padStart(4, '0'));
}

const quoted = (text: string) => JSON.stringify(text).slice(1, -1);
const entities = (text: string) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;');

const forms: readonly Row[] = [
  { name: 'camelCase (B5)', body: (a, r) => `{"accessToken":"${a}","refreshToken":"${r}","expiresIn":3600}` },
  { name: 'PascalCase', body: (a, r) => `{"AccessToken":"${a}","RefreshToken":"${r}"}` },
  { name: 'kebab-case', body: (a, r) => `{"access-token":"${a}","refresh-token":"${r}"}` },
  { name: 'CAPITALS', body: (a, r) => `{"ACCESS_TOKEN":"${a}","REFRESH_TOKEN":"${r}"}` },
  { name: 'small letters alone', body: (a, r) => `{"accesstoken":"${a}","refreshtoken":"${r}"}` },
  { name: 'accessJwt and refreshJwt', body: (a, r) => `{"accessJwt":"${a}","refreshJwt":"${r}"}` },
  { name: 'access and refresh', body: (a, r) => `{"access":"${a}","refresh":"${r}"}` },
  {
    name: 'access and refresh, each an object',
    body: (a, r) => `{"tokens":{"access":{"token":"${a}"},"refresh":{"token":"${r}"}}}`,
  },
  {
    name: 'access and refresh, each an object with its expiry, below other names',
    body: (a, r) =>
      `{"user":{"id":1},"auth":{"Access":{"token":"${a}","expires":1},"Refresh":{"token":"${r}","expires":2}}}`,
  },
  {
    name: 'each token an object with a JWT',
    body: (a, r) => `{"accessToken":{"jwtToken":"${a}"},"refreshToken":{"jwtToken":"${r}"}}`,
  },
  {
    name: 'a refresh token twice, the second time null',
    body: (a, r) => `{"access_token":"${a}","refresh_token":"${r}","refresh_token":null}`,
  },
  {
    name: 'both tokens twice, the second time empty',
    body: (a, r) =>
      `{"access_token":"${a}","refresh_token":"${r}","access_token":"","refresh_token":"","expires_in":5}`,
  },
  {
    name: 'a form whose names are percent-encoded',
    body: (a, r) => `access%5Ftoken=${a}&refresh%5ftoken=${r}&expires%5Fin=3600`,
  },
  {
    name: 'a form whose names are in brackets, percent-encoded',
    body: (a, r) => `token%5Baccess_token%5D=${a}&token%5Brefresh_token%5D=${r}`,
  },
  { name: 'token, beside a refresh token', body: (a, r) => `{"token":"${a}","refreshToken":"${r}"}` },
  {
    name: 'each token an object in capitals',
    body: (a, r) => `{"AccessToken":{"Value":"${a}"},"RefreshToken":{"Value":"${r}"}}`,
  },
  {
    name: 'each token an object, and broken',
    kept: 'unread',
    body: (a, r) => `{"access_token":{"odd":"${a}"},"refresh_token":{"odd":"${r}"},`,
  },
  { name: 'events', body: (a, r) => `data: ${json(a, r)}\n\ndata: [DONE]\n` },
  {
    name: 'a message to a window',
    body: (a, r) => `<script>opener.postMessage(${json(a, r)}, "*")</script>`,
  },
  { name: 'JSON with a comma missing', body: (a, r) => `{"access_token":"${a}" "refresh_token":"${r}"}` },
  { name: 'JSON that does not close', body: (a, r) => json(a, r).slice(0, -1) },
  { name: 'escaped names', body: (a, r) => json(a, r).replaceAll('_', '\\u005f') },
  { name: 'escaped values', body: (a, r) => json(a, r).replaceAll('-', '\\u002d') },
  { name: 'wrapped (B6)', body: (a, r) => `{"data":{"token":${json(a, r)}},"status":"ok"}` },
  { name: 'wrapped fifty times', body: (a, r) => `${'{"a":'.repeat(50)}${json(a, r)}${'}'.repeat(50)}` },
  { name: 'in a list', body: (a, r) => `[${json(a, r)}]` },
  {
    name: 'each token an object',
    body: (a, r) => `{"access_token":{"value":"${a}"},"refresh_token":{"token":"${r}"}}`,
  },
  {
    name: 'pairs of name and value',
    body: (a, r) => `[{"name":"access_token","value":"${a}"},{"name":"refresh_token","value":"${r}"}]`,
  },
  { name: 'JSON as a text', body: (a, r) => JSON.stringify(json(a, r)) },
  { name: 'JSON in JSON', body: (a, r) => JSON.stringify({ statusCode: 200, body: json(a, r) }) },
  {
    name: 'JSON in JSON in JSON',
    body: (a, r) => JSON.stringify({ body: JSON.stringify({ body: json(a, r) }) }),
  },
  { name: 'Base64', body: (a, r) => Buffer.from(json(a, r)).toString('base64') },
  {
    name: 'Base64 in JSON',
    body: (a, r) =>
      JSON.stringify({ isBase64Encoded: true, body: Buffer.from(json(a, r)).toString('base64') }),
  },
  { name: 'JSONP', body: (a, r) => `/**/callback(${json(a, r)});` },
  { name: 'JSON behind a guard', body: (a, r) => `)]}',\n${json(a, r)}` },
  { name: 'JSON with something behind it', body: (a, r) => `${json(a, r)}<!-- served by node 7 -->` },
  {
    name: 'JSON with a warning before it',
    body: (a, r) => `<br />\n<b>Notice</b>: undefined index\n${json(a, r)}`,
  },
  { name: 'two JSON texts', body: (a, r) => `{"a":1}\n${json(a, r)}` },
  { name: 'JSON with a comma too many', body: (a, r) => `${json(a, r).slice(0, -1)},}` },
  { name: 'JSON with single quotes', body: (a, r) => json(a, r).replaceAll('"', "'") },
  { name: 'JSON with names without quotes', body: (a, r) => `{access_token:"${a}",refresh_token:"${r}"}` },
  { name: 'JSON with a line break in a text', body: (a, r) => `{"note":"a\nb",${json(a, r).slice(1)}` },
  { name: 'JSON with comments', body: (a, r) => `{/* fresh */ ${json(a, r).slice(1)}` },
  {
    name: 'JSON within a page',
    body: (a, r) => `<html><script>var t = {};</script><pre>${json(a, r)}</pre></html>`,
  },
  {
    name: 'JSON within a page, in entities',
    body: (a, r) => `<html><pre>${entities(json(a, r))}</pre></html>`,
  },
  {
    name: 'JSON within a page, in JSON that is broken',
    body: (a, r) => `{"page": <p>, "body": "${quoted(json(a, r))}"`,
  },
  { name: 'percent-encoded', body: (a, r) => encodeURIComponent(json(a, r)) },
  { name: 'a form', body: (a, r) => `access_token=${a}&refresh_token=${r}&expires_in=3600` },
  { name: 'a form with a line break', body: (a, r) => `access_token=${a}&refresh_token=${r}\r\n` },
  { name: 'a form behind a question mark', body: (a, r) => `?access_token=${a}&refresh_token=${r}` },
  {
    name: 'a form within JSON',
    body: (a, r) => JSON.stringify({ result: `access_token=${a}&refresh_token=${r}` }),
  },
  {
    name: 'a form of parts',
    body: (a, r) =>
      ['access_token', 'refresh_token']
        .map((n, i) => `--b\r\nContent-Disposition: form-data; name="${n}"\r\n\r\n${[a, r][i]}\r\n`)
        .join(''),
  },
  { name: 'lines', body: (a, r) => `access_token: ${a}\nrefresh_token: ${r}\n` },
  { name: 'assignments', body: (a, r) => `access_token = ${a}\nrefresh_token = ${r}\n` },
  {
    name: 'a PHP array',
    body: (a, r) => `Array\n(\n    [access_token] => ${a}\n    [refresh_token] => ${r}\n)\n`,
  },
  {
    name: 'serialized PHP',
    body: (a, r) =>
      `a:2:{s:12:"access_token";s:${a.length}:"${a}";s:13:"refresh_token";s:${r.length}:"${r}";}`,
  },
  {
    name: 'XML',
    body: (a, r) =>
      `<?xml version="1.0"?><OAuth><access_token>${a}</access_token><refresh_token>${r}</refresh_token></OAuth>`,
  },
  {
    name: 'XML with a namespace',
    body: (a, r) =>
      `<o:OAuth><o:accessToken x="1">${a}</o:accessToken><o:refreshToken> ${r}\n</o:refreshToken></o:OAuth>`,
  },
  { name: 'XML attributes', body: (a, r) => `<token access_token="${a}" refresh_token='${r}'/>` },
  {
    name: 'XML with CDATA',
    body: (a, r) =>
      `<x><access_token><![CDATA[${a}]]></access_token><refresh_token><![CDATA[${r}]]></refresh_token></x>`,
  },
  {
    name: 'XML that is cut',
    body: (a, r) => `<x><access_token>${a}</access_token><refresh_token>${r}</refr`,
  },
  {
    name: 'a property list',
    body: (a, r) =>
      `<dict><key>access_token</key><string>${a}</string><key>refresh_token</key><string>${r}</string></dict>`,
  },
  {
    name: 'a page that posts itself',
    body: (a, r) =>
      `<form><input type="hidden" name="access_token" value="${a}"><input value="${r}" name="refresh_token"></form>`,
  },
  {
    name: 'a table',
    body: (a, r) => `<tr><td>access_token</td><td>${a}</td></tr><tr><td>refresh_token</td><td>${r}</td></tr>`,
  },
  { name: '200 KB before it', body: (a, r) => `{"padding":"${'p'.repeat(200_000)}",${json(a, r).slice(1)}` },
  { name: 'an error beside it', body: (a, r) => `{"error":"warning",${json(a, r).slice(1)}` },
  {
    name: 'an id_token and nothing else beside the refresh token',
    kept: 'candidate',
    body: (a, r) => `{"id_token":"${a}","refresh_token":"${r}"}`,
  },
  {
    name: 'an access token that is blank',
    kept: 'candidate',
    body: (_, r) => `{"access_token":" ","refresh_token":"${r}"}`,
  },
  {
    name: 'an error that holds the refresh token',
    kept: 'candidate',
    body: (_, r) => `{"error":"odd","refresh_token":"${r}"}`,
  },
  {
    name: 'a refresh token that is blank (B7)',
    kept: 'access only',
    body: (a) => `{"access_token":"${a}","refresh_token":" "}`,
  },
  {
    name: 'a refresh token that is the word null',
    kept: 'access only',
    body: (a) => `{"access_token":"${a}","refresh_token":"null"}`,
  },
  {
    name: 'a refresh token that is a sentence',
    kept: 'access only',
    body: (a) => `{"access_token":"${a}","refresh_token":"It stays as it was."}`,
  },
  ...[
    'Refresh token is valid until 2031-01-01',
    'not_applicable',
    'unchanged',
    'Unchanged',
    'NOT_ROTATED',
    'same as before',
    'same-as-before',
    '<redacted>',
    '(hidden)',
    '[none]',
    'n/a',
    '{refresh_token}',
    '<your refresh token>',
  ].map(
    (remark): Row => ({
      name: `a refresh token that is a remark: ${remark}`,
      kept: 'access only',
      body: (a) => `{"access_token":"${a}","refresh_token":"${remark}"}`,
    }),
  ),
  ...[
    'YOUR_REFRESH_TOKEN_HERE_PLEASE',
    'your-refresh-token-here',
    '<the_refresh_token>',
    '{refresh_token_value}',
    '{{refresh_token_value}}',
    'EXAMPLE1234567890abcdef',
    'tGzv3JOkF0XG5Qx2TlKWIAEXAMPLE',
    'THE_REFRESH_TOKEN_OF_THE_USER',
  ].map(
    (example): Row => ({
      name: `an error page with an example: ${example}`,
      kept: 'error',
      body: () => `Send refresh_token=${example} and "refresh_token":"${example}"`,
      status: '503 Oops',
    }),
  ),
  {
    name: 'only when the refresh token runs out',
    kept: 'access only',
    body: (a) => `{"access_token":"${a}","refresh_token_expires_in":86400}`,
  },
  {
    name: 'a sentence for a refresh token (B7)',
    kept: 'error',
    body: () =>
      `{"error":"temporarily_unavailable","refresh_token":"Refresh tokens can't be used at the moment."}`,
  },
  {
    name: 'bytes that are no text',
    kept: 'unread',
    body: () => Buffer.from('8100ff07c3281337009f02', 'hex'),
  },
  { name: 'a page without tokens', kept: 'unread', body: () => '<html><body>Welcome!</body></html>' },
  { name: 'a code that nobody knows', kept: 'unread', body: () => '{"error":"E-4711"}' },
  {
    name: 'an encrypted response',
    kept: 'unread',
    body: () => 'eyJhbGciOiJSU0EtT0FFUCJ9.AAAA.BBBB.CCCC.DDDD',
  },
  { name: 'an empty response', kept: 'error', body: () => '' },
];

describe.each(
  Object.entries({ encodings, charsets, heads, chunks, endings, statuses, forms }),
)('%s', (_, rows) => {
  const all = rows.map(({ name, kept = 'granted', body = json, headers, status, head, lineEnd, sends }) => {
    const whole: Row['sends'] = (a, r) =>
      head === undefined ? [http(body(a, r), headers, status)] : [bytes(head, body(a, r), lineEnd)];
    return { name, kept, sends: sends ?? whole };
  });
  test.each(all)('$name → $kept', async ({ kept, sends }) => {
    expect(keptOf(await ask(sends))).toBe(kept);
    expect(provider.spentTwice).toBe(0);
  });
});

test('Of twenty responses that are reset in the packet of their last byte none is lost (G5)', async () => {
  for (let time = 0; time < 20; time++)
    expect(
      keptOf(await ask((a, r) => [http(zlib.gzipSync(json(a, r)), ['content-encoding: gzip']), 'RESET'])),
    ).toBe('granted');
});
