/** A value that stands in every secret of a test; it changes under URL-encoding, and Base64 hides it. */
export const CANARY = 'CaNaRy/+~leak';

/** Each form in which the canary can stand in a text: as it is, URL-encoded, and within Base64 at any offset. */
const forms = [
  CANARY,
  encodeURIComponent(CANARY),
  JSON.stringify(CANARY).slice(1, -1).replaceAll('/', '\\/'),
  Buffer.from(CANARY).toString('hex'),
  ...[0, 1, 2].flatMap((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(CANARY)]);
    // The first and the last characters also depend on what stands beside the canary.
    const certain = bytes.toString('base64').slice(Math.ceil((offset * 8) / 6), -4);
    return [certain, certain.replaceAll('+', '-').replaceAll('/', '_')];
  }),
];

const lettersOf = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '');

/** Whether it stands there in any form, or with anything between its letters. */
function hasCanary(text: string): boolean {
  const small = text.toLowerCase();
  return (
    forms.some((form) => small.includes(form.toLowerCase())) || lettersOf(text).includes(lettersOf(CANARY))
  );
}

/** The lines of a text in which the canary stands. */
export function linesWithCanary(text: string): string[] {
  return hasCanary(text) ? text.split('\n').filter(hasCanary) : [];
}
