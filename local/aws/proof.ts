import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { AwsRequest, AwsResponse } from './protocol/protocol.ts';
import type { AwsKeys } from './protocol/signature.ts';

/** Before a client sends anything, the endpoint proves that it has the keys, without revealing them. */
const ASKED = /^\/proof\?nonce=([0-9a-f]{64})$/;
const PATIENCE_MILLISECONDS = 3_000;

/** The address is part of the proof, so that a server at another address or port can't pass the question on. */
function proofOf({ secretAccessKey }: AwsKeys, origin: string, nonce: string): string {
  return createHmac('sha256', secretAccessKey).update(`proof\n${origin}\n${nonce}`).digest('hex');
}

/** The answer to a request for a proof; undefined for any other request. @param origin where this endpoint listens */
export function answerProof(
  { method, url }: AwsRequest,
  keys: AwsKeys,
  origin: string,
): AwsResponse | undefined {
  const nonce = method === 'GET' ? ASKED.exec(url)?.[1] : undefined;
  if (nonce === undefined) return undefined;
  return {
    status: 200,
    headers: { 'content-type': 'text/plain' },
    body: proofOf(keys, origin, nonce),
  };
}

/** Whether the server at an endpoint has the keys. We send only a random number. */
export async function proves(endpoint: URL, keys: AwsKeys): Promise<boolean> {
  const nonce = randomBytes(32).toString('hex');
  const expected = Buffer.from(proofOf(keys, endpoint.origin, nonce));
  try {
    const response = await fetch(new URL(`/proof?nonce=${nonce}`, endpoint), {
      redirect: 'error',
      signal: AbortSignal.timeout(PATIENCE_MILLISECONDS),
    });
    const answer = await firstBytes(response, expected.length + 1);
    return response.status === 200 && answer.length === expected.length && timingSafeEqual(answer, expected);
  } catch {
    return false;
  }
}

/** The first bytes of a body: the server may send without end. */
async function firstBytes({ body }: Response, most: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= most) break;
  }
  return Buffer.concat(chunks);
}
