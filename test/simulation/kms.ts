import { createDecipheriv, createHash } from 'node:crypto';
import { serviceError } from './process.ts';

const WRAPPED = 'wrapped:';

/** Data keys that follow from their number, wrapped so that only this KMS can tell which. */
export class SimulatedKms {
  #made = 0;

  carryOut(operation: string, { CiphertextBlob }: { readonly CiphertextBlob?: Uint8Array }): object {
    if (operation === 'GenerateDataKey') {
      const wrapped = `${WRAPPED}${this.#made++}`;
      return { Plaintext: keyOf(wrapped), CiphertextBlob: Buffer.from(wrapped) };
    }
    const wrapped = Buffer.from(CiphertextBlob ?? []).toString();
    if (!wrapped.startsWith(WRAPPED)) throw serviceError('InvalidCiphertextException', 400);
    return { Plaintext: keyOf(wrapped) };
  }
}

function keyOf(wrapped: string): Buffer {
  return createHash('sha256').update(wrapped).digest();
}

/** What is in an account's escrow, for who judges a history: nobody else may look without asking KMS. */
export function lookInto(
  accountId: string,
  kind: string,
  ciphertext: string,
): { readonly refreshToken?: string; readonly answer?: string } {
  const { key, iv, tag, data } = JSON.parse(ciphertext) as Record<string, string>;
  const bytes = (text = '') => Buffer.from(text, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', keyOf(bytes(key).toString()), bytes(iv))
    .setAAD(Buffer.from(`${accountId}\n${kind}`))
    .setAuthTag(bytes(tag));
  const text = Buffer.concat([decipher.update(bytes(data)), decipher.final()]).toString();
  return JSON.parse(text);
}
