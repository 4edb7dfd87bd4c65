/** A value that stands in every secret of a test; it changes under URL-encoding, and Base64 hides it. */
export const CANARY = 'CaNaRy/+~leak';

/** The same where secrets are short, and of signs that every encoding writes in its own way. */
export const SHORT_CANARY = `q'"%<&7/+`;

const eachSign = (text: string, write: (code: number) => string) =>
  text.replace(/[^A-Za-z0-9]/g, (sign) => write(sign.charCodeAt(0)));
const named: Readonly<Record<string, string>> = {
  '&': 'amp',
  '<': 'lt',
  '>': 'gt',
  '"': 'quot',
  "'": 'apos',
};

/** The ways in which others may quote a value. */
export const ENCODINGS = {
  plain: (text: string) => text,
  url: encodeURIComponent,
  form: (text: string) => new URLSearchParams([['', text]]).toString().slice(1),
  json: (text: string) => JSON.stringify(text).slice(1, -1).replaceAll('/', '\\/'),
  escapes: (text: string) => eachSign(text, (code) => `\\u${code.toString(16).padStart(4, '0')}`),
  entities: (text: string) => text.replace(/[&<>"']/g, (sign) => `&${named[sign]};`),
  decimal: (text: string) => eachSign(text, (code) => `&#${code};`),
  hexadecimal: (text: string) => eachSign(text, (code) => `&#x${code.toString(16)};`),
  hex: (text: string) => Buffer.from(text).toString('hex'),
  base64: (text: string) => Buffer.from(text).toString('base64'),
  base64url: (text: string) => Buffer.from(text).toString('base64url'),
} as const;

const within = (encode: (text: string) => string, name: string) => (text: string) => {
  if (!name.startsWith('base64')) return [encode(text)];
  return [0, 1, 2].map((offset) =>
    // The first and the last characters also depend on what stands beside the text.
    encode('\0'.repeat(offset) + text)
      .replace(/=+$/, '')
      .slice(Math.ceil((offset * 8) / 6), -2),
  );
};
const written = (text: string) =>
  Object.entries(ENCODINGS).flatMap(([name, encode]) => within(encode, name)(text));

/** Each form in which a canary can stand in a text, comparable: in one encoding, or in one over another. */
const forms = [...new Set([CANARY, SHORT_CANARY].flatMap(written).flatMap(written).map(comparable))];

/** In small letters, and without backslashes: JSON within JSON has any number of them. */
function comparable(text: string): string {
  return text.replaceAll('\\', '').toLowerCase();
}

const lettersOf = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '');

/** Whether a canary stands there in any form, or with anything between its letters. */
function hasCanary(text: string): boolean {
  const small = comparable(text);
  return forms.some((form) => small.includes(form)) || lettersOf(text).includes(lettersOf(CANARY));
}

/** The lines of a text in which a canary stands. */
export function linesWithCanary(text: string): string[] {
  return hasCanary(text) ? text.split('\n').filter(hasCanary) : [];
}
