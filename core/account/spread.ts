/**
 * A number from 0 to just below 1 that belongs to an account for good, evenly spread over all ids, also where these
 * count up: FNV-1a over the id's UTF-16 units, then MurmurHash3's finalizer, which lets every bit reach the high ones.
 */
export function shareOf(accountId: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < accountId.length; i++) hash = Math.imul(hash ^ accountId.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
