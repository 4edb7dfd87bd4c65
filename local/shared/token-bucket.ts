/**
 * A rate limit of `perSecond`, with bursts of as many. The function takes one token and says whether there was one.
 *
 * @param now in milliseconds
 */
export function tokenBucket(perSecond: number, now: () => number): () => boolean {
  let tokens = perSecond;
  let filledAt = now();
  return () => {
    const time = now();
    tokens = Math.min(perSecond, tokens + (Math.max(0, time - filledAt) / 1000) * perSecond);
    filledAt = time;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}
