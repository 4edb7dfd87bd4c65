import * as zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHttpsClient } from '../../../adapters/oauth/https-request.ts';
import { interpretTokenResponse } from '../../../core/response/token-response.ts';
import { aProfile, NOW } from '../../support/builders.ts';
import { type RawProvider, type Sent, startRawProvider } from '../../support/raw-provider.ts';

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
type Row = readonly [name: string, kept: Kept, make: (access: string, refresh: string) => readonly Sent[]];

let provider: RawProvider;
const client = createHttpsClient({ allowHttpLoopback: true });
beforeAll(async () => {
  provider = await startRawProvider();
});
afterAll(() => {
  client.close();
  provider.close();
});

async function ask(make: Row[2], milliseconds = 4_000) {
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

/** A body around both tokens, in an otherwise sound response. */
const body = (name: string, kept: Kept, make: (a: string, r: string) => string | Buffer): Row => [
  name,
  kept,
  (a, r) => [http(make(a, r))],
];

const encodings: readonly Row[] = [
  [
    'gzip is claimed, the body is plain (B1)',
    'granted',
    (a, r) => [http(json(a, r), ['content-encoding: gzip'])],
  ],
  ['br is claimed, the body is plain', 'granted', (a, r) => [http(json(a, r), ['content-encoding: br'])]],
  [
    'deflate is claimed, the body is plain',
    'granted',
    (a, r) => [http(json(a, r), ['content-encoding: deflate'])],
  ],
  ['zstd is claimed, the body is plain', 'granted', (a, r) => [http(json(a, r), ['content-encoding: zstd'])]],
  ['something unknown is claimed', 'granted', (a, r) => [http(json(a, r), ['content-encoding: rot13'])]],
  body('gzip without a header (B2)', 'granted', (a, r) => zlib.gzipSync(json(a, r))),
  body('zlib without a header', 'granted', (a, r) => zlib.deflateSync(json(a, r))),
  body('raw deflate without a header', 'granted', (a, r) => zlib.deflateRawSync(json(a, r))),
  body('brotli without a header', 'granted', (a, r) => zlib.brotliCompressSync(json(a, r))),
  body('zstd without a header', 'granted', (a, r) => zlib.zstdCompressSync(json(a, r))),
  body('gzip in gzip', 'granted', (a, r) => zlib.gzipSync(zlib.gzipSync(json(a, r)))),
  [
    'gzip is claimed, it is brotli',
    'granted',
    (a, r) => [http(zlib.brotliCompressSync(json(a, r)), ['content-encoding: gzip'])],
  ],
  [
    'br is claimed, it is gzip',
    'granted',
    (a, r) => [http(zlib.gzipSync(json(a, r)), ['content-encoding: br'])],
  ],
  [
    'deflate is claimed, it is raw',
    'granted',
    (a, r) => [http(zlib.deflateRawSync(json(a, r)), ['content-encoding: deflate'])],
  ],
  body('gzip without its checksum', 'granted', (a, r) => cutOff(zlib.gzipSync(json(a, r)), 8)),
  body('gzip with a wrong checksum', 'granted', (a, r) => {
    const zipped = zlib.gzipSync(json(a, r));
    zipped[zipped.length - 6] = (zipped[zipped.length - 6] ?? 0) ^ 0xff;
    return zipped;
  }),
  body('gzip with something behind it', 'granted', (a, r) =>
    Buffer.concat([zlib.gzipSync(json(a, r)), Buffer.from('\n\n')]),
  ),
];

const charsets: readonly Row[] = [
  body('a byte order mark', 'granted', (a, r) => `\uFEFF${json(a, r)}`),
  body('UTF-16 LE with its mark', 'granted', (a, r) => Buffer.from(`\uFEFF${json(a, r)}`, 'utf16le')),
  body('UTF-16 BE with its mark', 'granted', (a, r) => utf16be(`\uFEFF${json(a, r)}`)),
  body('UTF-16 LE without a mark', 'granted', (a, r) => Buffer.from(json(a, r), 'utf16le')),
  body('UTF-16 BE without a mark', 'granted', (a, r) => utf16be(json(a, r))),
  body('UTF-32 LE with its mark', 'granted', (a, r) => utf32(`\uFEFF${json(a, r)}`)),
  body('Latin-1', 'granted', (a, r) => Buffer.from(`{"name":"Zo\xeb",${json(a, r).slice(1)}`, 'latin1')),
  body('gzip of UTF-16', 'granted', (a, r) => zlib.gzipSync(Buffer.from(`\uFEFF${json(a, r)}`, 'utf16le'))),
];

const heads: readonly Row[] = [
  ['20 KB of headers (B3)', 'granted', (a, r) => [http(json(a, r), [`x-padding: ${'p'.repeat(20_000)}`])]],
  ['60 KB of headers', 'granted', (a, r) => [http(json(a, r), [`x-padding: ${'p'.repeat(60_000)}`])]],
  ['100 KB of headers', 'granted', (a, r) => [http(json(a, r), [`x-padding: ${'p'.repeat(100_000)}`])]],
  [
    '3,000 headers',
    'granted',
    (a, r) => [
      http(
        json(a, r),
        Array.from({ length: 3_000 }, (_, n) => `x-${n}: v`),
      ),
    ],
  ],
  ['a header without a colon', 'granted', (a, r) => [http(json(a, r), ['this is no header'])]],
  ['a header with a blank in its name', 'granted', (a, r) => [http(json(a, r), ['x header: v'])]],
  ['a header with a zero byte', 'granted', (a, r) => [http(json(a, r), ['x-zero: a\u0000b'])]],
  ['a header without a name', 'granted', (a, r) => [http(json(a, r), [': v'])]],
  ['a header that is folded', 'granted', (a, r) => [http(json(a, r), ['x-long: a', ' b'])]],
  [
    'the body in a packet of its own after a broken header',
    'granted',
    (a, r) => [bytes([ok, 'this is no header', 'connection: close'], ''), 150, json(a, r)],
  ],
  [
    'the body in pieces after a broken header',
    'granted',
    (a, r) => [
      bytes([ok, 'x y: z', 'connection: close'], ''),
      ...[...json(a, r)].flatMap((character, at): Sent[] => (at % 20 === 0 ? [5, character] : [character])),
    ],
  ],
  [
    'a broken header, and a connection that stays open',
    'granted',
    (a, r) => [bytes([ok, 'no header', `content-length: ${json(a, r).length}`], json(a, r)), 'OPEN'],
  ],
  ['lines that end in LF', 'granted', (a, r) => [bytes([ok, 'connection: close'], json(a, r), '\n')]],
  ['lines that end in CR', 'granted', (a, r) => [bytes([ok, 'connection: close'], json(a, r), '\r')]],
  ['no blank line before the body', 'granted', (a, r) => [`${ok}\r\nconnection: close\r\n${json(a, r)}`]],
  ['no reason phrase', 'granted', (a, r) => [bytes(['HTTP/1.1 200', 'connection: close'], json(a, r))]],
  ['no version', 'granted', (a, r) => [bytes(['HTTP 200 OK', 'connection: close'], json(a, r))]],
  ['HTTP/3.7', 'granted', (a, r) => [bytes(['HTTP/3.7 200 OK', 'connection: close'], json(a, r))]],
  ['another protocol’s name', 'granted', (a, r) => [bytes(['ICY 200 OK', 'connection: close'], json(a, r))]],
  ['no status', 'candidate', (a, r) => [bytes(['HTTP/1.1 OK', 'connection: close'], json(a, r))]],
  ['no head at all', 'candidate', (a, r) => [json(a, r)]],
  ['blank lines before the head', 'granted', (a, r) => ['\r\n\r\n', http(json(a, r))]],
  ['an interim response before it', 'granted', (a, r) => ['HTTP/1.1 100 Continue\r\n\r\n', http(json(a, r))]],
  [
    'early hints before it',
    'granted',
    (a, r) => ['HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n', 20, http(json(a, r))],
  ],
  [
    'a switch of protocols before it',
    'granted',
    (a, r) => [
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n',
      http(json(a, r)),
    ],
  ],
  ['two lengths that differ', 'granted', (a, r) => [http(json(a, r), ['content-length: 5'])]],
  ['a length that is no number', 'granted', (a, r) => [bytes([ok, 'content-length: many'], json(a, r))]],
  ['a negative length', 'granted', (a, r) => [bytes([ok, 'content-length: -1'], json(a, r))]],
  ['a length that is too small', 'granted', (a, r) => [bytes([ok, 'content-length: 10'], json(a, r))]],
  [
    'a length that is too small, and packets',
    'granted',
    (a, r) => [bytes([ok, 'content-length: 10'], json(a, r).slice(0, 10)), 50, json(a, r).slice(10)],
  ],
  [
    'a length in characters',
    'granted',
    (a, r) => {
      const text = `{"name":"Zoë Müller-Lüdenscheidt","refresh_token":"${r}","access_token":"${a}"}`;
      return [bytes([ok, `content-length: ${text.length}`], text)];
    },
  ],
  ['a length that is too large', 'granted', (a, r) => [bytes([ok, 'content-length: 999'], json(a, r))]],
  [
    'a length that is too large, and no end',
    'granted',
    (a, r) => [bytes([ok, 'content-length: 999'], json(a, r)), 'OPEN'],
  ],
  ['no length and no end', 'granted', (a, r) => [bytes([ok], json(a, r)), 'OPEN']],
  ['204 with a body', 'granted', (a, r) => [http(json(a, r), [], '204 No Content')]],
  ['205 with a body', 'granted', (a, r) => [http(json(a, r), [], '205 Reset Content')]],
];

const chunks: readonly Row[] = [
  [
    'chunks',
    'granted',
    (a, r) => [
      bytes([ok, 'transfer-encoding: chunked'], [...json(a, r)].map((c) => chunk(c)).join('') + chunk('')),
    ],
  ],
  [
    'chunks are claimed, the body is plain',
    'granted',
    (a, r) => [bytes([ok, 'transfer-encoding: chunked'], json(a, r))],
  ],
  [
    'chunks without the last one',
    'granted',
    (a, r) => [bytes([ok, 'transfer-encoding: chunked'], chunk(json(a, r)))],
  ],
  [
    'a chunk that is larger than it says',
    'granted',
    (a, r) => [bytes([ok, 'transfer-encoding: chunked'], chunk(json(a, r), '7') + chunk(''))],
  ],
  [
    'a chunk that is smaller than it says',
    'granted',
    (a, r) => [bytes([ok, 'transfer-encoding: chunked'], chunk(json(a, r), 'fff') + chunk(''))],
  ],
  [
    'a size that is no number',
    'granted',
    (a, r) => [
      bytes(
        [ok, 'transfer-encoding: chunked'],
        chunk(json(a, r).slice(0, 9)) + chunk(json(a, r).slice(9), 'zz'),
      ),
    ],
  ],
  [
    'chunks and a length',
    'granted',
    (a, r) => [bytes([ok, 'transfer-encoding: chunked', 'content-length: 3'], chunk(json(a, r)) + chunk(''))],
  ],
  [
    'gzip in chunks that are not claimed',
    'granted',
    (a, r) => [
      ok,
      '\r\ntransfer-encoding: gzip, chunked\r\n\r\n',
      `${zlib.gzipSync(json(a, r)).length.toString(16)}\r\n`,
      zlib.gzipSync(json(a, r)),
      '\r\n0\r\n\r\n',
    ],
  ],
];

const endings: readonly Row[] = [
  ['a reset with the last byte', 'granted', (a, r) => [http(json(a, r)), 'RESET']],
  [
    'a reset with the last byte of gzip (G5)',
    'granted',
    (a, r) => [http(zlib.gzipSync(json(a, r)), ['content-encoding: gzip']), 'RESET'],
  ],
  ['a reset with the last byte, and no length', 'granted', (a, r) => [bytes([ok], json(a, r)), 'RESET']],
  ['cut behind both tokens', 'granted', (a, r) => [cutOff(http(json(a, r)), 1), 'RESET']],
  [
    'cut behind both tokens, in gzip',
    'granted',
    (a, r) => [cutOff(http(zlib.gzipSync(json(a, r))), 9), 'RESET'],
  ],
  ...[
    ['JSON', json],
    ['JSON in JSON', (a: string, r: string) => JSON.stringify({ body: json(a, r) })],
    ['JSON as a text', (a: string, r: string) => JSON.stringify(json(a, r))],
    ['JSON behind a guard', (a: string, r: string) => `)]}',\n${json(a, r)}`],
    ['JSON in a list', (a: string, r: string) => `[{"access_token":"${a}"},{"refresh_token":"${r}"}]`],
    ['JSONP', (a: string, r: string) => `callback(${json(a, r)})`],
    ['JSON behind a warning', (a: string, r: string) => `<br />\n<b>Notice</b>: odd\n${json(a, r)}`],
    [
      'XML',
      (a: string, r: string) =>
        `<?xml version="1.0"?><o><access_token>${a}</access_token><refresh_token>${r}</refresh_token></o>`,
    ],
    ['a form', (a: string, r: string) => `access_token=${a}&expires_in=3600&refresh_token=${r}`],
    ['lines', (a: string, r: string) => `access_token: ${a}\nrefresh_token: ${r}\n`],
  ].flatMap(([name, make]): Row[] => {
    const beforeRefreshToken = (a: string, r: string) => {
      const text = (make as typeof json)(a, r);
      return text.slice(0, text.search(/refresh_token/) + 4);
    };
    const framed: Row = [
      `${name} that is cut, and a length that fits`,
      'cut',
      (a, r) => [http(beforeRefreshToken(a, r))],
    ];
    return [
      [
        `${name} that ends with the connection`,
        'granted',
        (a, r) => [bytes([ok], (make as typeof json)(a, r))],
      ],
      [
        `${name} that ends with the connection before its refresh token`,
        'cut',
        (a, r) => [bytes([ok], beforeRefreshToken(a, r))],
      ],
      ...(name === 'a form' || name === 'lines' ? [] : [framed]),
    ];
  }),
  ['nothing before the connection ends', 'cut', () => [bytes([ok], '')]],
  [
    'lines that end with the connection in their first value',
    'cut',
    (a) => [bytes([ok], `access_token: ${a.slice(0, 5)}`)],
  ],
  ['a form that ends with the connection in its first name', 'cut', () => [bytes([ok], 'access_tok')]],
  [
    'XML that ends with the connection between two elements',
    'cut',
    (a) => [bytes([ok], `<o><access_token>${a}</access_token>`)],
  ],
  [
    'JSON that ends with the connection, and names no refresh token',
    'access only',
    (a) => [bytes([ok], `{"access_token":"${a}","note":"} {["}`)],
  ],
  ['cut before the refresh token', 'cut', (a, r) => [cutOff(http(json(a, r)), 40)]],
  ['cut within the refresh token', 'cut', (a, r) => [cutOff(http(json(a, r)), 4), 'RESET']],
  ['cut within the refresh token, and never ended', 'cut', (a, r) => [cutOff(http(json(a, r)), 4), 'OPEN']],
  ['cut within the head', 'cut', () => [`${ok}\r\ncontent-le`]],
  [
    'cut before the access token',
    'candidate',
    (a, r) => [cutOff(http(`{"refresh_token":"${r}","access_token":"${a}"}`), 4)],
  ],
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
  ].map(
    (status): Row => [
      `a whole token set under ${status} (B4)`,
      'candidate',
      (a, r) => [http(json(a, r), [], status)],
    ],
  ),
  ['a token set under 201', 'granted', (a, r) => [http(json(a, r), [], '201 Created')]],
  ['gzip under 500', 'candidate', (a, r) => [http(zlib.gzipSync(json(a, r)), [], '500 Oops')]],
  [
    'a redirect with the tokens in its address',
    'candidate',
    (a, r) => [
      http(
        '',
        [`location: https://app.example/cb#access_token=${a}&refresh_token=${r}&state=x`],
        '302 Found',
      ),
    ],
  ],
  ['a cookie', 'candidate', (_, r) => [http('', [`set-cookie: refresh_token=${r}; HttpOnly; Secure`])]],
  [
    'a 400 that quotes the token that was sent',
    'error',
    () => [
      http(
        `{"error":"invalid_grant","refresh_token":"${previousOf(provider.liveRefreshToken)}"}`,
        [],
        '400 Bad Request',
      ),
    ],
  ],
];

function previousOf(token: string): string {
  return token.replace(/\d+$/, (digits) => String(Number(digits) - 1).padStart(4, '0'));
}

const quoted = (text: string) => JSON.stringify(text).slice(1, -1);
const entities = (text: string) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;');

const forms: readonly Row[] = [
  body(
    'camelCase (B5)',
    'granted',
    (a, r) => `{"accessToken":"${a}","refreshToken":"${r}","expiresIn":3600}`,
  ),
  body('PascalCase', 'granted', (a, r) => `{"AccessToken":"${a}","RefreshToken":"${r}"}`),
  body('kebab-case', 'granted', (a, r) => `{"access-token":"${a}","refresh-token":"${r}"}`),
  body('CAPITALS', 'granted', (a, r) => `{"ACCESS_TOKEN":"${a}","REFRESH_TOKEN":"${r}"}`),
  body('small letters alone', 'granted', (a, r) => `{"accesstoken":"${a}","refreshtoken":"${r}"}`),
  body('accessJwt and refreshJwt', 'granted', (a, r) => `{"accessJwt":"${a}","refreshJwt":"${r}"}`),
  body('access and refresh', 'granted', (a, r) => `{"access":"${a}","refresh":"${r}"}`),
  body(
    'access and refresh, each an object',
    'granted',
    (a, r) => `{"tokens":{"access":{"token":"${a}"},"refresh":{"token":"${r}"}}}`,
  ),
  body(
    'access and refresh, each an object with its expiry, below other names',
    'granted',
    (a, r) =>
      `{"user":{"id":1},"auth":{"Access":{"token":"${a}","expires":1},"Refresh":{"token":"${r}","expires":2}}}`,
  ),
  body(
    'each token an object with a JWT',
    'granted',
    (a, r) => `{"accessToken":{"jwtToken":"${a}"},"refreshToken":{"jwtToken":"${r}"}}`,
  ),
  body(
    'a refresh token twice, the second time null',
    'granted',
    (a, r) => `{"access_token":"${a}","refresh_token":"${r}","refresh_token":null}`,
  ),
  body(
    'both tokens twice, the second time empty',
    'granted',
    (a, r) =>
      `{"access_token":"${a}","refresh_token":"${r}","access_token":"","refresh_token":"","expires_in":5}`,
  ),
  body(
    'a form whose names are percent-encoded',
    'granted',
    (a, r) => `access%5Ftoken=${a}&refresh%5ftoken=${r}&expires%5Fin=3600`,
  ),
  body(
    'a form whose names are in brackets, percent-encoded',
    'granted',
    (a, r) => `token%5Baccess_token%5D=${a}&token%5Brefresh_token%5D=${r}`,
  ),
  body('token, beside a refresh token', 'granted', (a, r) => `{"token":"${a}","refreshToken":"${r}"}`),
  body(
    'each token an object in capitals',
    'granted',
    (a, r) => `{"AccessToken":{"Value":"${a}"},"RefreshToken":{"Value":"${r}"}}`,
  ),
  body(
    'each token an object, and broken',
    'unread',
    (a, r) => `{"access_token":{"odd":"${a}"},"refresh_token":{"odd":"${r}"},`,
  ),
  body('events', 'granted', (a, r) => `data: ${json(a, r)}\n\ndata: [DONE]\n`),
  body(
    'a message to a window',
    'granted',
    (a, r) => `<script>opener.postMessage(${json(a, r)}, "*")</script>`,
  ),
  body('JSON with a comma missing', 'granted', (a, r) => `{"access_token":"${a}" "refresh_token":"${r}"}`),
  body('JSON that does not close', 'granted', (a, r) => json(a, r).slice(0, -1)),
  body('escaped names', 'granted', (a, r) => json(a, r).replaceAll('_', '\\u005f')),
  body('escaped values', 'granted', (a, r) => json(a, r).replaceAll('-', '\\u002d')),
  body('wrapped (B6)', 'granted', (a, r) => `{"data":{"token":${json(a, r)}},"status":"ok"}`),
  body('wrapped fifty times', 'granted', (a, r) => `${'{"a":'.repeat(50)}${json(a, r)}${'}'.repeat(50)}`),
  body('in a list', 'granted', (a, r) => `[${json(a, r)}]`),
  body(
    'each token an object',
    'granted',
    (a, r) => `{"access_token":{"value":"${a}"},"refresh_token":{"token":"${r}"}}`,
  ),
  body(
    'pairs of name and value',
    'granted',
    (a, r) => `[{"name":"access_token","value":"${a}"},{"name":"refresh_token","value":"${r}"}]`,
  ),
  body('JSON as a text', 'granted', (a, r) => JSON.stringify(json(a, r))),
  body('JSON in JSON', 'granted', (a, r) => JSON.stringify({ statusCode: 200, body: json(a, r) })),
  body('JSON in JSON in JSON', 'granted', (a, r) =>
    JSON.stringify({ body: JSON.stringify({ body: json(a, r) }) }),
  ),
  body('Base64', 'granted', (a, r) => Buffer.from(json(a, r)).toString('base64')),
  body('Base64 in JSON', 'granted', (a, r) =>
    JSON.stringify({ isBase64Encoded: true, body: Buffer.from(json(a, r)).toString('base64') }),
  ),
  body('JSONP', 'granted', (a, r) => `/**/callback(${json(a, r)});`),
  body('JSON behind a guard', 'granted', (a, r) => `)]}',\n${json(a, r)}`),
  body('JSON with something behind it', 'granted', (a, r) => `${json(a, r)}<!-- served by node 7 -->`),
  body(
    'JSON with a warning before it',
    'granted',
    (a, r) => `<br />\n<b>Notice</b>: undefined index\n${json(a, r)}`,
  ),
  body('two JSON texts', 'granted', (a, r) => `{"a":1}\n${json(a, r)}`),
  body('JSON with a comma too many', 'granted', (a, r) => `${json(a, r).slice(0, -1)},}`),
  body('JSON with single quotes', 'granted', (a, r) => json(a, r).replaceAll('"', "'")),
  body('JSON with names without quotes', 'granted', (a, r) => `{access_token:"${a}",refresh_token:"${r}"}`),
  body('JSON with a line break in a text', 'granted', (a, r) => `{"note":"a\nb",${json(a, r).slice(1)}`),
  body('JSON with comments', 'granted', (a, r) => `{/* fresh */ ${json(a, r).slice(1)}`),
  body(
    'JSON within a page',
    'granted',
    (a, r) => `<html><script>var t = {};</script><pre>${json(a, r)}</pre></html>`,
  ),
  body(
    'JSON within a page, in entities',
    'granted',
    (a, r) => `<html><pre>${entities(json(a, r))}</pre></html>`,
  ),
  body(
    'JSON within a page, in JSON that is broken',
    'granted',
    (a, r) => `{"page": <p>, "body": "${quoted(json(a, r))}"`,
  ),
  body('percent-encoded', 'granted', (a, r) => encodeURIComponent(json(a, r))),
  body('a form', 'granted', (a, r) => `access_token=${a}&refresh_token=${r}&expires_in=3600`),
  body('a form with a line break', 'granted', (a, r) => `access_token=${a}&refresh_token=${r}\r\n`),
  body('a form behind a question mark', 'granted', (a, r) => `?access_token=${a}&refresh_token=${r}`),
  body('a form within JSON', 'granted', (a, r) =>
    JSON.stringify({ result: `access_token=${a}&refresh_token=${r}` }),
  ),
  body('a form of parts', 'granted', (a, r) =>
    ['access_token', 'refresh_token']
      .map((n, i) => `--b\r\nContent-Disposition: form-data; name="${n}"\r\n\r\n${[a, r][i]}\r\n`)
      .join(''),
  ),
  body('lines', 'granted', (a, r) => `access_token: ${a}\nrefresh_token: ${r}\n`),
  body('assignments', 'granted', (a, r) => `access_token = ${a}\nrefresh_token = ${r}\n`),
  body(
    'a PHP array',
    'granted',
    (a, r) => `Array\n(\n    [access_token] => ${a}\n    [refresh_token] => ${r}\n)\n`,
  ),
  body(
    'serialized PHP',
    'granted',
    (a, r) => `a:2:{s:12:"access_token";s:${a.length}:"${a}";s:13:"refresh_token";s:${r.length}:"${r}";}`,
  ),
  body(
    'XML',
    'granted',
    (a, r) =>
      `<?xml version="1.0"?><OAuth><access_token>${a}</access_token><refresh_token>${r}</refresh_token></OAuth>`,
  ),
  body(
    'XML with a namespace',
    'granted',
    (a, r) =>
      `<o:OAuth><o:accessToken x="1">${a}</o:accessToken><o:refreshToken> ${r}\n</o:refreshToken></o:OAuth>`,
  ),
  body('XML attributes', 'granted', (a, r) => `<token access_token="${a}" refresh_token='${r}'/>`),
  body(
    'XML with CDATA',
    'granted',
    (a, r) =>
      `<x><access_token><![CDATA[${a}]]></access_token><refresh_token><![CDATA[${r}]]></refresh_token></x>`,
  ),
  body(
    'XML that is cut',
    'granted',
    (a, r) => `<x><access_token>${a}</access_token><refresh_token>${r}</refr`,
  ),
  body(
    'a property list',
    'granted',
    (a, r) =>
      `<dict><key>access_token</key><string>${a}</string><key>refresh_token</key><string>${r}</string></dict>`,
  ),
  body(
    'a page that posts itself',
    'granted',
    (a, r) =>
      `<form><input type="hidden" name="access_token" value="${a}"><input value="${r}" name="refresh_token"></form>`,
  ),
  body(
    'a table',
    'granted',
    (a, r) => `<tr><td>access_token</td><td>${a}</td></tr><tr><td>refresh_token</td><td>${r}</td></tr>`,
  ),
  body('200 KB before it', 'granted', (a, r) => `{"padding":"${'p'.repeat(200_000)}",${json(a, r).slice(1)}`),
  body('an error beside it', 'granted', (a, r) => `{"error":"warning",${json(a, r).slice(1)}`),
  body(
    'an id_token and nothing else beside the refresh token',
    'candidate',
    (a, r) => `{"id_token":"${a}","refresh_token":"${r}"}`,
  ),
  body('an access token that is blank', 'candidate', (_, r) => `{"access_token":" ","refresh_token":"${r}"}`),
  body(
    'an error that holds the refresh token',
    'candidate',
    (_, r) => `{"error":"odd","refresh_token":"${r}"}`,
  ),
  body(
    'a refresh token that is blank (B7)',
    'access only',
    (a) => `{"access_token":"${a}","refresh_token":" "}`,
  ),
  body(
    'a refresh token that is the word null',
    'access only',
    (a) => `{"access_token":"${a}","refresh_token":"null"}`,
  ),
  body(
    'a refresh token that is a sentence',
    'access only',
    (a) => `{"access_token":"${a}","refresh_token":"It stays as it was."}`,
  ),
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
  ].map((remark) =>
    body(
      `a refresh token that is a remark: ${remark}`,
      'access only',
      (a) => `{"access_token":"${a}","refresh_token":"${remark}"}`,
    ),
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
    (example): Row => [
      `an error page with an example: ${example}`,
      'error',
      () => [http(`Send refresh_token=${example} and "refresh_token":"${example}"`, [], '503 Oops')],
    ],
  ),
  body(
    'only when the refresh token runs out',
    'access only',
    (a) => `{"access_token":"${a}","refresh_token_expires_in":86400}`,
  ),
  body(
    'a sentence for a refresh token (B7)',
    'error',
    () => `{"error":"temporarily_unavailable","refresh_token":"Refresh tokens can't be used at the moment."}`,
  ),
  body('bytes that are no text', 'unread', () => Buffer.from('8100ff07c3281337009f02', 'hex')),
  body('a page without tokens', 'unread', () => '<html><body>Welcome!</body></html>'),
  body('a code that nobody knows', 'unread', () => '{"error":"E-4711"}'),
  body('an encrypted response', 'unread', () => 'eyJhbGciOiJSU0EtT0FFUCJ9.AAAA.BBBB.CCCC.DDDD'),
  body('an empty response', 'error', () => ''),
];

describe.each([
  { kind: 'encodings', rows: encodings },
  { kind: 'charsets', rows: charsets },
  { kind: 'heads', rows: heads },
  { kind: 'chunks', rows: chunks },
  { kind: 'endings', rows: endings },
  { kind: 'statuses', rows: statuses },
  { kind: 'forms', rows: forms },
])('$kind', ({ rows }) => {
  test.each(rows)('%s → %s', async (_, kept, make) => {
    expect(keptOf(await ask(make))).toBe(kept);
    expect(provider.spentTwice).toBe(0);
  });
});

test('Of twenty responses that are reset in the packet of their last byte none is lost (G5)', async () => {
  for (let time = 0; time < 20; time++)
    expect(
      keptOf(await ask((a, r) => [http(zlib.gzipSync(json(a, r)), ['content-encoding: gzip']), 'RESET'])),
    ).toBe('granted');
});
