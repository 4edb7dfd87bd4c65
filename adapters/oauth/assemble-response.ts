import type * as http from 'node:http';
import type { HttpResponse } from '../../core/response/http-response.ts';
import { requestIdOf } from '../../core/response/request-id.ts';
import { MAX_SECRET_BYTES } from '../../core/secret-size.ts';
import type { CollectedBytes } from './collected-bytes.ts';
import { readRawResponse } from './raw-response.ts';
import { decodeBody } from './response-body.ts';

/** Whether a response whose end was not seen is all there: it says so itself, or it is JSON that has ended. */
export function isWhole(bytes: Buffer): boolean {
  const { body, whole } = readRawResponse(bytes);
  if (whole === true && body.length > 0 && !looksCut(body, body)) return true;
  try {
    JSON.parse(body.toString('latin1'));
    return true;
  } catch {
    return false;
  }
}

export function isChunked(incoming: http.IncomingMessage | undefined): boolean {
  return incoming?.headers['transfer-encoding'] !== undefined;
}

/** Whether JSON or markup has begun and not ended. A `content-length` that is too small does that. */
export function looksCut(begun: Buffer, end: Buffer): boolean {
  const first = begun.toString('latin1', 0, 64).trimStart().slice(0, 1);
  const last = end
    .toString('latin1', Math.max(0, end.length - 64))
    .trimEnd()
    .slice(-1);
  if (first === '<') return last !== '>';
  return (first === '{' || first === '[') && last !== '}' && last !== ']';
}

interface Arrived {
  readonly raw: CollectedBytes;
  readonly parsed: CollectedBytes;
  readonly incoming: http.IncomingMessage | undefined;
  /** Node has read the response to its end. */
  readonly ended: boolean;
  /** The server has closed the connection in order. */
  readonly closed: boolean;
}

/** Makes the response: as Node read it if Node came to its end, else as we read the same bytes. */
export async function responseFrom({ raw, parsed, incoming, ended, closed }: Arrived): Promise<HttpResponse> {
  const own = readRawResponse(raw.bytes());
  // The body is longer than stated, or interim responses hid it from Node.
  const surplus = !isChunked(incoming) && !raw.full && own.body.length > parsed.length;
  const trusted = incoming !== undefined && ended && !surplus;
  const bytes = trusted || (incoming !== undefined && raw.full) ? parsed.bytes() : own.body;
  const header = (name: string) => {
    const value = incoming?.headers[name] ?? own.headers.get(name);
    return typeof value === 'string' ? value : undefined;
  };
  const { text, whole, tooLarge, legible } = await decodeBody(bytes, header('content-encoding'));
  const overrun = tooLarge || parsed.full || (raw.full && !trusted);
  return {
    status: incoming?.statusCode ?? own.status,
    retryAfter: header('retry-after'),
    body: text,
    complete: whole && !overrun && (trusted || (own.whole ?? closed)),
    unframed: header('content-length') === undefined && header('transfer-encoding') === undefined,
    tooLarge: overrun,
    date: header('date'),
    requestId: requestIdOf(header),
    head: own.head,
    undecodable: legible ? undefined : bytes.subarray(0, MAX_SECRET_BYTES),
  };
}
