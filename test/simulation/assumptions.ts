/**
 * What the guarantee assumes (docs/guarantee.md), in seconds. Histories go up to each of these, and no further.
 */

// Numbers of their own: were the function's made smaller, histories must show it.

/** A clock is wrong by no more; that of a machine where somebody signs in, by no more than AWS takes requests from. */
export const CLOCK_ERROR = 30;
export const PERSONS_CLOCK_ERROR = 300;

/** A read of a secret shows what stood there no longer ago. */
export const STALE_READS_FOR = 120;

/** The lease of a process goes on after its deadline. */
export const LEASE_MARGIN = 60;

/** A scan, or another read that isn't strongly consistent, shows an item as it was no longer ago. */
export const SCANS_LAG_FOR = 60;

/** After its call was sent, a write that its caller gave up still takes effect. */
export const LATE_WRITES_FOR = 60;

/** Lambda's limit on one invocation of the deployed function. */
export const TIME_LIMIT = 120;

/** A provider that calls one sound grant dead soon sees its mistake; about nearly all it may take an hour. */
export const WRONG_ABOUT_ONE_FOR = 840;
export const WRONG_ABOUT_ALL_FOR = 3_600;

/** From then on a refusal may be believed. */
export const BELIEVED_AFTER = 900;
