export function parsedJson(text: string): unknown {
  // Only what can be an object, a list or a string is tried: a failure takes long.
  if (!/^\s*[{["]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Percent-encoding decoded; a text that can't be decoded stays as it is. */
export function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const entities: Readonly<Record<string, string>> = { quot: '"', amp: '&', lt: '<', gt: '>', apos: "'" };

export function entitiesDecoded(text: string): string {
  return text.replaceAll(/&(?:([a-z]{2,4})|#(\d{1,7})|#x([0-9a-f]{1,6}));/gi, (all, name, decimal, hex) => {
    if (name !== undefined) return entities[String(name).toLowerCase()] ?? all;
    const point = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return point <= 0x10ffff ? String.fromCodePoint(point) : all;
  });
}

/** The escapes of JSON decoded. A backslash before anything else is dropped. */
export function unescaped(text: string): string {
  return text.replaceAll(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, hex, character) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    return { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }[String(character)] ?? character;
  });
}

/** Percent-encoding decoded part by part: one that is broken leaves the others alone. */
export function loosePercentDecoded(text: string): string {
  return text.replaceAll(/(?:%[0-9a-fA-F]{2})+/g, percentDecoded);
}

/** Whether a text may be Base64 of JSON or markup. */
export function isBase64(text: string): boolean {
  // How "{", "<" and "[{" begin in Base64.
  return /^"?(?:eyJ|eyA|ew|PD|W3)[A-Za-z0-9+/_\s-]{20,}={0,2}"?$/.test(text.trim());
}

export function base64Decoded(text: string): string | undefined {
  try {
    // Read as Latin-1: the names and tokens that we look for are ASCII.
    return atob(text.replaceAll(/["\s]/g, '').replaceAll('-', '+').replaceAll('_', '/'));
  } catch {
    return undefined;
  }
}
