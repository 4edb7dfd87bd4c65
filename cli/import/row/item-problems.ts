import { NOTE, parseAccount, WRITTEN_BY_PEOPLE } from '../../../core/account/account.ts';
import { looksLikeName } from '../../../core/field-name.ts';
import type { Problem } from '../file/row.ts';
import type { Item } from './row.ts';

/** Judges each attribute by itself, so that all problems show at once. */
export function problemsOfItem(item: Item): Problem[] {
  const right = { accountId: 'x', authenticationType: 'oauth2', oauthProfile: 'x', tokenSecretId: 'x' };
  const problems = WRITTEN_BY_PEOPLE.flatMap((name): Problem[] => {
    const alone: Record<string, unknown> = { ...right, [name]: item[name] };
    // An account id must fit into a secret's name only if it is part of one.
    if (name === 'accountId' && item.tokenSecretId === undefined) delete alone.tokenSecretId;
    const parsed = parseAccount(alone);
    if (parsed.kind === 'account') return [];
    const [field = name, ...text] = parsed.problem.split(': ');
    return [{ field: shownField(field), text: text.join(': ') }];
  });
  const { accountId, authenticationType, tokenSecretId } = item;
  if (typeof accountId === 'string' && accountId.startsWith(NOTE))
    problems.push({
      field: 'accountId',
      text: `must not begin with ${NOTE}: such items are the function's own notes`,
    });
  if (typeof accountId === 'string' && Buffer.byteLength(accountId) > 2_048)
    problems.push({ field: 'accountId', text: 'is longer than a key can be (2 KB)' });
  if (typeof authenticationType === 'string' && authenticationType !== 'oauth2')
    problems.push({ field: 'authenticationType', text: 'must be oauth2, written so' });
  if (
    typeof tokenSecretId === 'string' &&
    !/^([\w/+=.@-]{1,512}|arn:[\w/+=.@:-]{1,2048})$/.test(tokenSecretId)
  )
    problems.push({ field: 'tokenSecretId', text: 'must be the name or the ARN of a secret' });
  if (isLarge(item, 390_000)) problems.push({ field: 'row', text: 'is larger than an item can be (400 KB)' });
  return problems;
}

/** People choose the names of parameters, so one may be a value in the wrong place. */
function shownField(field: string): string {
  const [attribute = field, ...member] = field.split('.');
  return member.every(looksLikeName) ? field : attribute;
}

export function isLarge(value: unknown, bytes: number): boolean {
  return Buffer.byteLength(JSON.stringify(value)) > bytes;
}
