/** Characters that nobody sees: controls, line ends, marks of formatting, halves of a character. */
export const CONTROLS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

export const HAS_CONTROLS = 'must not hold control characters, such as a line break';

/** What can't be part of a credential (RFC 6749 appendix A), as a sentence's end; undefined where nothing is wrong. */
export function flawOfCredential(value: string): string | undefined {
  if (CONTROLS.test(value)) return HAS_CONTROLS;
  return value.trim() === value ? undefined : 'must not begin or end with a space';
}
