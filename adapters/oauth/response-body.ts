import * as zlib from 'node:zlib';
import { MAX_SECRET_BYTES } from '../../core/secret-size.ts';

/**
 * No more of a body is read. A token set must fit into a secret. Four times that leaves room for escapes (`\u0041`) and for
 * other fields.
 */
export const MAX_BODY_BYTES = 4 * MAX_SECRET_BYTES;

interface DecodedBody {
  readonly text: string;
  /** No layer of compression ended early. */
  readonly whole: boolean;
  /** There is more than the limit. */
  readonly tooLarge: boolean;
  /** The bytes are text in some charset. If not, `text` has them as Latin-1. */
  readonly legible: boolean;
}

/**
 * A body's bytes as text. The bytes decide, as headers about encoding and charset are often wrong. `content-encoding` only says
 * which format to try first of those that can't be recognized.
 */
export async function decodeBody(bytes: Buffer, contentEncoding = ''): Promise<DecodedBody> {
  let layer = { bytes, whole: true, tooLarge: false };
  // Some gateways compress what is compressed already.
  for (let depth = 0; depth < 3; depth++) {
    const inner = await expandLayer(layer.bytes, contentEncoding.toLowerCase());
    if (inner === undefined) break;
    layer = {
      bytes: inner.bytes,
      whole: layer.whole && inner.whole,
      tooLarge: layer.tooLarge || inner.tooLarge,
    };
  }
  const tooLarge = layer.tooLarge || layer.bytes.length > MAX_BODY_BYTES;
  const { text, legible } = toText(layer.bytes.subarray(0, MAX_BODY_BYTES));
  return { text, whole: layer.whole, tooLarge, legible };
}

type Expanded = Omit<DecodedBody, 'text' | 'legible'> & { readonly bytes: Buffer };

async function expandLayer(bytes: Buffer, named: string): Promise<Expanded | undefined> {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return await expand(bytes, 'gzip');
  if (bytes.length > 4 && bytes.readUInt32LE(0) === 0xfd2fb528) return await expand(bytes, 'zstd');
  if (toText(bytes.subarray(0, MAX_BODY_BYTES)).legible) return undefined;
  const zlibHeader = ((bytes[0] ?? 0) & 0x0f) === 8 && ((bytes[0] ?? 0) * 256 + (bytes[1] ?? 0)) % 31 === 0;
  const guesses: readonly Format[] = [
    ...(zlibHeader ? (['deflate'] as const) : []),
    ...(/deflate/.test(named) ? (['raw', 'br'] as const) : (['br', 'raw'] as const)),
  ];
  for (const format of guesses) {
    const expanded = await expand(bytes, format);
    // Neither format can be recognized. So what comes out must make sense.
    if (expanded !== undefined && expanded.bytes.length > 0 && makesSense(expanded.bytes)) return expanded;
  }
  return undefined;
}

function makesSense(bytes: Buffer): boolean {
  return (bytes[0] === 0x1f && bytes[1] === 0x8b) || toText(bytes.subarray(0, MAX_BODY_BYTES)).legible;
}

type Format = 'gzip' | 'deflate' | 'raw' | 'br' | 'zstd';

async function expand(bytes: Buffer, format: Format): Promise<Expanded | undefined> {
  const limit = { maxOutputLength: MAX_BODY_BYTES };
  try {
    const all = {
      gzip: zlib.gunzipSync,
      deflate: zlib.inflateSync,
      raw: zlib.inflateRawSync,
      br: zlib.brotliDecompressSync,
      // Node.js 20 has none.
      zstd: zlib.zstdDecompressSync,
    }[format]?.(bytes, limit);
    if (all !== undefined) return { bytes: all, whole: true, tooLarge: false };
  } catch {
    // It is cut, damaged or too large. What can be read of it is taken.
  }
  const part = await expandInPieces(bytes, format);
  return part.bytes.length === 0 ? undefined : part;
}

/** What can be read of a stream that is damaged, cut or too large. Checksums at its end are ignored. */
function expandInPieces(bytes: Buffer, format: Format): Promise<Expanded> {
  const { input, decoder } = pieceDecoder(bytes, format);
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve) => {
    if (decoder === undefined) return resolve({ bytes: Buffer.alloc(0), whole: false, tooLarge: false });
    const finish = (tooLarge: boolean) => {
      resolve({ bytes: Buffer.concat(chunks).subarray(0, MAX_BODY_BYTES), whole: false, tooLarge });
      decoder.destroy();
    };
    decoder.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_BODY_BYTES) finish(true);
    });
    decoder.on('end', () => finish(false));
    decoder.on('error', () => finish(false));
    decoder.on('close', () => finish(false));
    for (let at = 0; at < input.length; at += PIECE) decoder.write(input.subarray(at, at + PIECE));
    decoder.end();
  });
}

/** Bytes that are lost with each damaged one. */
const PIECE = 64;

function pieceDecoder(bytes: Buffer, format: Format) {
  const flush = { flush: zlib.constants.Z_SYNC_FLUSH, finishFlush: zlib.constants.Z_SYNC_FLUSH };
  switch (format) {
    case 'gzip':
      return { input: bytes.subarray(gzipHeaderLength(bytes)), decoder: zlib.createInflateRaw(flush) };
    case 'deflate':
      return { input: bytes.subarray(2), decoder: zlib.createInflateRaw(flush) };
    case 'raw':
      return { input: bytes, decoder: zlib.createInflateRaw(flush) };
    case 'br': {
      const { BROTLI_OPERATION_FLUSH: operation } = zlib.constants;
      return {
        input: bytes,
        decoder: zlib.createBrotliDecompress({ flush: operation, finishFlush: operation }),
      };
    }
    case 'zstd': {
      const { ZSTD_e_flush: operation } = zlib.constants;
      return {
        input: bytes,
        decoder: zlib.createZstdDecompress?.({ flush: operation, finishFlush: operation }),
      };
    }
  }
}

/** RFC 1952 section 2.3. */
function gzipHeaderLength(bytes: Buffer): number {
  const flags = bytes[3] ?? 0;
  let at = 10;
  if (flags & 4) at += 2 + (bytes[at] ?? 0) + (bytes[at + 1] ?? 0) * 256;
  for (const text of [8, 16]) if (flags & text) at = bytes.indexOf(0, at) + 1 || bytes.length;
  return flags & 2 ? at + 2 : at;
}

function toText(bytes: Buffer): { text: string; legible: boolean } {
  const text = inItsCharset(bytes);
  if (text !== undefined) return { text, legible: isLegible(text) };
  const latin1 = bytes.toString('latin1');
  return { text: latin1, legible: isLegible(latin1) };
}

/** Text has no control characters but tabs, line breaks and form feeds. */
function isLegible(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return !/[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]/.test(text.slice(0, 4_096));
}

/** By its byte order mark, else by where its zeros are (as RFC 4627 section 3 had it), else UTF-8. */
function inItsCharset(bytes: Buffer): string | undefined {
  const [a, b, c, d] = bytes;
  if (a === 0xff && b === 0xfe && c === 0 && d === 0) return utf32(bytes.subarray(4), true);
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return utf32(bytes.subarray(4), false);
  if (a === 0xff && b === 0xfe) return decoded('utf-16le', bytes);
  if (a === 0xfe && b === 0xff) return decoded('utf-16be', bytes);
  if (a !== 0 && b === 0 && c === 0 && d === 0) return utf32(bytes, true);
  if (a === 0 && b === 0 && c === 0 && d !== 0) return utf32(bytes, false);
  if (a !== 0 && b === 0 && c !== 0 && d === 0) return decoded('utf-16le', bytes);
  if (a === 0 && b !== 0 && c === 0 && d !== 0) return decoded('utf-16be', bytes);
  return decoded('utf-8', bytes);
}

function decoded(charset: string, bytes: Buffer): string | undefined {
  try {
    // As a stream, so that a character that was cut off at the end is no error.
    return new TextDecoder(charset, { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

function utf32(bytes: Buffer, littleEndian: boolean): string | undefined {
  const parts: string[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const point = littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
    if (point > 0x10ffff) return undefined;
    parts.push(String.fromCodePoint(point));
  }
  return parts.join('');
}
