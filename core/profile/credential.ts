/** Invisible characters: controls, line ends, formatting marks, halves of a character. */
export const CONTROLS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

export const HAS_CONTROLS = 'must not hold control characters, such as a line break';

/** Why a value can't be a credential (RFC 6749 appendix A), as the end of a sentence; undefined where it can. */
export function flawOfCredential(value: string): string | undefined {
  if (CONTROLS.test(value)) return HAS_CONTROLS;
  return value.trim() === value ? undefined : 'must not begin or end with a space';
}

/** What HTTP Basic carries for a client, before Base64: form-encoded (RFC 6749 section 2.3.1), or as it is. */
export function basicCredentials(client: {
  readonly client_id: string;
  readonly client_secret?: string | undefined;
  readonly client_secret_basic_encoding: 'form' | 'none';
}): string {
  const encode = client.client_secret_basic_encoding === 'none' ? (text: string) => text : formEncoded;
  return `${encode(client.client_id)}:${encode(client.client_secret ?? '')}`;
}

/** Form encoding that leaves letters, digits and `- . _ ~` as they are. */
function formEncoded(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}
