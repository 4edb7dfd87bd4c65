import type { JsonObject } from '../json-object.ts';

/** Tokens that were found together, in one object or one text of a response, under their standard names. */
export interface TokenPlace {
  readonly accessToken: string | undefined;
  /** In the order in which they were found. */
  readonly refreshTokens: readonly string[];
  /** Everything else that has a standard name, such as `expires_in`. */
  readonly fields: JsonObject;
}

export function hasToken({ accessToken, refreshTokens }: TokenPlace): boolean {
  return accessToken !== undefined || refreshTokens.length > 0;
}
