import { flawOfCredential } from '../../../core/profile/credential.ts';
import { instant } from '../../../core/times.ts';
import { parseTokenSet } from '../../../core/tokens/token-set.ts';
import { SECRET_FIELDS } from '../../profile/fields.ts';
import type { Problem } from '../file/row.ts';
import { isLarge } from './item-problems.ts';

export const TIMES = ['obtained_at', 'expires_at', 'refresh_token_expires_at'];

/** A secret's size limit, less room for `kept_by`. */
const MAX_TOKEN_BYTES = 65_536 - 512;

export function tokenProblems(tokens: Readonly<Record<string, unknown>>, tokenSecretId: unknown): Problem[] {
  const problems: Problem[] = TIMES.flatMap((field) => {
    const value = tokens[field];
    if (value === undefined || instant(value) !== undefined) return [];
    return [
      {
        field,
        text: 'must be a time: seconds or milliseconds since the epoch, or such as 2027-01-31T12:00:00Z',
      },
    ];
  });
  for (const field of ['refresh_token', 'access_token']) {
    const text = flawOfToken(tokens[field]);
    if (text !== undefined) problems.push({ field, text });
  }
  const parsed = parseTokenSet(
    JSON.stringify({ ...tokens, ...Object.fromEntries(TIMES.map((field) => [field, undefined])) }),
  );
  if (parsed.kind === 'invalid') problems.push(splitProblem(parsed.problem));
  for (const field of SECRET_FIELDS)
    if (tokens[field] !== undefined)
      problems.push({ field, text: 'belongs into a profile ("profiles add"), not among the tokens' });
  const empty = tokens.refresh_token === undefined && tokens.access_token === undefined;
  if (empty && Object.keys(tokens).length > 0)
    problems.push({ field: 'tokens', text: 'need refresh_token or access_token; or leave all of them out' });
  if (Object.keys(tokens).length > 0 && typeof tokenSecretId === 'string' && tokenSecretId.startsWith('arn:'))
    problems.push({
      field: 'tokenSecretId',
      text: 'is an ARN, so that secret exists and keeps its tokens: leave the tokens out, or give a name',
    });
  if (isLarge(tokens, MAX_TOKEN_BYTES))
    problems.push({ field: 'tokens', text: 'are larger than a secret can be (64 KB)' });
  return problems;
}

function splitProblem(problem: string): Problem {
  const [field = 'tokens', ...text] = problem.split(': ');
  return text.length === 0 ? { field: 'tokens', text: problem } : { field, text: text.join(': ') };
}

/** Why a text can't be a token. */
function flawOfToken(token: unknown): string | undefined {
  if (typeof token !== 'string') return undefined;
  if (token.trim() === '') return 'is blank';
  if (/[\r\n]$/.test(token) && flawOfCredential(token.trim()) === undefined)
    return 'ends with a line break, perhaps from pasting; remove it';
  return flawOfCredential(token);
}
