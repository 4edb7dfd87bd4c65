/** Secrets Manager's limit for one secret value: nothing longer is kept or looked for. */
export const MAX_SECRET_BYTES = 65_536;
