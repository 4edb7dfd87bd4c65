/** An HTTP response as its bytes say, however badly it is made. */
interface RawResponse {
  /** Status line and headers, as text. */
  readonly head: string;
  /** 0 where the bytes name none. */
  readonly status: number;
  /** Header names in lower case; the first of each. */
  readonly headers: ReadonlyMap<string, string>;
  /** What comes after the head, with chunks joined. Never cut to a `content-length`. */
  readonly body: Buffer;
  /** Whether it is all there, as it says itself; undefined where it does not say where it ends. */
  readonly whole: boolean | undefined;
}

/**
 * Reads an HTTP/1 response by hand, for what Node's parser refuses (broken headers, wrong lengths, bad chunks) or could not
 * finish. So it trusts little: lines may not end in CR LF, no empty line may end the head, and what says that it is chunked may
 * not be. Linear; never throws.
 */
export function readRawResponse(bytes: Buffer): RawResponse {
  let from = 0;
  for (;;) {
    const { head, bodyAt, ended } = splitHead(bytes, from);
    const status = statusOf(head);
    // An interim response (100 Continue, 103 Early Hints) comes before the real one.
    if (status >= 100 && status < 200 && bodyAt < bytes.length) {
      from = bodyAt;
      continue;
    }
    const headers = headersOf(head);
    // Without a status line there is no head. All of it may be the body, and nothing says that it is whole.
    if (status === 0) return { head, status, headers, body: bytes.subarray(from), whole: false };
    const read = bodyOf(bytes.subarray(bodyAt), headers);
    return { head, status, headers, body: read.body, whole: ended ? read.whole : false };
  }
}

const LF = 10;
const CR = 13;

function splitHead(bytes: Buffer, from: number): { head: string; bodyAt: number; ended: boolean } {
  const text = (end: number) => bytes.toString('latin1', from, Math.min(end, from + MAX_HEAD_BYTES));
  let at = from;
  while (bytes[at] === LF || bytes[at] === CR) at++;
  while (at < bytes.length) {
    // No header begins like this: the empty line before the body is missing.
    if (at > from && startsBody(bytes[at])) return { head: text(at), bodyAt: at, ended: true };
    const end = lineEnd(bytes, at);
    const next = end + (bytes[end] === CR && bytes[end + 1] === LF ? 2 : 1);
    if (end === at) return { head: text(at), bodyAt: Math.min(next, bytes.length), ended: true };
    at = next;
  }
  return { head: text(bytes.length), bodyAt: bytes.length, ended: false };
}

/** The longest head that is read. */
export const MAX_HEAD_BYTES = 65_536;

function lineEnd(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] !== LF && bytes[at] !== CR) at++;
  return at;
}

function startsBody(byte: number | undefined): boolean {
  return byte === 0x7b || byte === 0x5b || byte === 0x3c || byte === 0x1f;
}

function statusOf(head: string): number {
  const [line = ''] = head
    .trimStart()
    .slice(0, 100)
    .split(/[\r\n]/);
  return Number(/^[A-Za-z][\w./-]{0,20}[ \t]+(\d{3})(?!\d)/.exec(line)?.[1] ?? 0);
}

function headersOf(head: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of head.split(/[\r\n]+/).slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (name !== '' && !headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}

function bodyOf(bytes: Buffer, headers: ReadonlyMap<string, string>): Pick<RawResponse, 'body' | 'whole'> {
  const chunked = /chunked/i.test(headers.get('transfer-encoding') ?? '');
  const dechunked = chunked ? dechunk(bytes) : undefined;
  if (dechunked !== undefined) return dechunked;
  const length = /^\d{1,15}$/.exec(headers.get('content-length') ?? '');
  return { body: bytes, whole: length === null ? undefined : bytes.length >= Number(length[0]) };
}

const MAX_SIZE = 16;

/** The chunks joined (RFC 9112 section 7.1); undefined where these are no chunks. */
function dechunk(bytes: Buffer): Pick<RawResponse, 'body' | 'whole'> | undefined {
  const chunks: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = lineEnd(bytes, at);
    const size = /^[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?$/s.exec(
      bytes.toString('latin1', at, Math.min(end, at + 200)),
    );
    const data = end + (bytes[end] === CR && bytes[end + 1] === LF ? 2 : 1);
    if (size === null) {
      if (at === 0) return undefined;
      // A short line in the place of a size is a wrong size.
      chunks.push(withoutSizeLines(bytes.subarray(end - at <= MAX_SIZE ? data : at)));
      return { body: Buffer.concat(chunks), whole: undefined };
    }
    const length = Number.parseInt(size[1] ?? '0', 16);
    if (length === 0) return { body: Buffer.concat(chunks), whole: true };
    const after = data + length;
    if (after < bytes.length && bytes[after] !== CR && bytes[after] !== LF) {
      // The size is wrong. What follows is taken without trusting any other size.
      chunks.push(withoutSizeLines(bytes.subarray(data)));
      return { body: Buffer.concat(chunks), whole: undefined };
    }
    chunks.push(bytes.subarray(data, Math.min(after, bytes.length)));
    at = after;
    if (bytes[at] === CR) at++;
    if (bytes[at] === LF) at++;
  }
  return { body: Buffer.concat(chunks), whole: false };
}

function withoutSizeLines(bytes: Buffer): Buffer {
  const lines: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = lineEnd(bytes, at);
    const next = end + (bytes[end] === CR && bytes[end + 1] === LF ? 2 : 1);
    const isSize = end - at <= 8 && /^[0-9a-fA-F]*$/.test(bytes.toString('latin1', at, end));
    if (!isSize) lines.push(bytes.subarray(at, end));
    at = next;
  }
  return Buffer.concat(lines);
}
