/** What `--status` takes; `other` is what the function does not look at. */
export const STATUSES = [
  'reauthorization_required',
  'failing',
  'new',
  'healthy',
  'disabled',
  'other',
] as const;

export type StatusKey = (typeof STATUSES)[number];
