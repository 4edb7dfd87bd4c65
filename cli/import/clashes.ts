import { plainName } from '../../core/account/secret-id.ts';
import type { Problem, Row } from './file/row.ts';
import { fingerprintOf } from './row/compare.ts';
import type { ReadRow } from './row/row.ts';

/** The first row with a value that only one row may have. */
interface Seen {
  readonly number: number;
  readonly line: number;
  readonly accountId: string | undefined;
  /** Only a text that may be a refresh token. */
  readonly doubtful: boolean;
}

interface Clash {
  readonly first: Seen;
  readonly own: Problem;
  /** Undefined if it was told before. */
  readonly theirs: Problem | undefined;
}

export const SPENT_BY_BOTH = 'one refresh token serves one account, as two would spend it twice';

/**
 * Tells what a row has in common with an earlier one and must not have, whatever else is wrong with either. Keeps a hash
 * of each token, and no token.
 */
export function createUniques() {
  const seen = new Map<string, Seen>();
  const told = new Set<Seen>();
  return (number: number, { line, passedOver }: Row, read: ReadRow): Clash[] => {
    const { accountId, refreshTokens, texts, item } = read;
    const token = (text: string) => `refresh_token ${fingerprintOf(text.trim())}`;
    const values: (readonly [field: string, key: string, why: string, doubtful?: true])[] = [
      ...(accountId === undefined || passedOver === true
        ? []
        : [['accountId', `accountId ${accountId}`, 'keep one of the two'] as const]),
      ...refreshTokens.map((text) => ['refresh_token', token(text), SPENT_BY_BOTH] as const),
      ...texts.map((text) => ['refresh_token', token(text), SPENT_BY_BOTH, true] as const),
      ...(typeof item.tokenSecretId === 'string'
        ? [['tokenSecretId', `tokenSecretId ${plainName(item.tokenSecretId)}`, SPENT_BY_BOTH] as const]
        : []),
    ];
    return values.flatMap(([field, key, why, doubtful = false]): Clash[] => {
      const first = seen.get(key);
      if (first === undefined || (first.doubtful && !doubtful && first.number === number)) {
        seen.set(key, { number, line, accountId, doubtful });
        return [];
      }
      if (first.number === number || (first.doubtful && doubtful)) return [];
      const isTold = told.has(first);
      told.add(first);
      const problem = (other: number) => ({ field, text: `is also on line ${other}; ${why}` });
      if (first.doubtful) seen.set(key, { number, line, accountId, doubtful });
      return [{ first, own: problem(first.line), theirs: isTold ? undefined : problem(line) }];
    });
  };
}
