/** Words for a refresh token that no longer works. */
const deadWords = (
  'reused reuse replay replayed used consumed redeemed rotated superseded revoked revocation ' +
  'invalidated cancelled canceled deleted deactivated disabled expired expiry expiration unknown ' +
  'invalid inactive incorrect unrecognized bad'
).split(' ');
/** Words that say so after a "not". */
const goodWords = 'found valid active recognized known exist exists'.split(' ');
/** A code with one of these words is about something else, such as a grant type. */
const otherSubjects = 'type types client request required missing unsupported scope error'.split(' ');

/** Whether the words of a code say that the refresh token, or the grant, is dead. */
export function isDeadGrantCode(words: readonly string[]): boolean {
  const ofToken = words.some((word, at) => word === 'refresh' && /^tokens?$/.test(words[at + 1] ?? ''));
  if (!ofToken && !words.includes('grant')) return false;
  if (
    words.some((word, at) => otherSubjects.includes(word) && !(word === 'error' && at === words.length - 1))
  )
    return false;
  return words.some((word, at) => {
    const denied = at > 0 && ['not', 'no', 'longer', 'doesnt', 'non'].includes(words[at - 1] ?? '');
    return denied ? goodWords.includes(word) : deadWords.includes(word);
  });
}

/** Small words that may be between the two. */
const smallWords = (
  'the a an this your provided given supplied passed oauth oauth2 access is was has have been be ' +
  'already or and either are as it to authorization session due because no not longer does token you ' +
  'sent'
).split(' ');

/**
 * Whether a sentence says that the refresh token, or the grant, is dead. Both must be in it, with only small words between
 * them. "Refresh tokens can't be used now" says something else.
 */
export function saysDeadGrant(text: string): boolean {
  const words = text
    .slice(0, MAX_CHARACTERS)
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replace(/['’]/g, '')
    .replace(/refresh_?token\b/g, 'refresh token')
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  const isDead = (at: number) => {
    const word = words[at] ?? '';
    const before = words[at - 1] ?? '';
    if (['not', 'longer'].includes(before) || (before === 'not' && words[at - 2] === 'does'))
      return goodWords.includes(word);
    if (word === 'used') return ['already', 'been', 'was'].includes(before);
    return word !== 'disabled' && deadWords.includes(word);
  };
  const reaches = (from: number, step: 1 | -1) => {
    for (let at = from, gap = 0; gap < MAX_GAP && at >= 0 && at < words.length; at += step, gap++) {
      if (isDead(at)) return words[at + 1] !== 'error' && words[at + 1] !== 'request';
      if (!smallWords.includes(words[at] ?? '') && !deadWords.includes(words[at] ?? '')) return false;
    }
    return false;
  };
  return words.some((word, at) => {
    const isToken = word === 'refresh' && words[at + 1] === 'token';
    const isGrant = word === 'grant' && words[at + 1] !== 'type' && words[at + 1] !== 'types';
    if (!isToken && !isGrant) return false;
    const after = at + (isToken ? 2 : 1);
    if (words[after] === 'grant' && words[after + 1] === 'type') return false;
    return reaches(after, 1) || reaches(at - 1, -1);
  });
}

const MAX_CHARACTERS = 600;
const MAX_GAP = 7;
