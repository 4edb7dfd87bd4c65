import { paginateScan } from '@aws-sdk/lib-dynamodb';
import { NOTE } from '../../core/account/account.ts';
import { plainName } from '../../core/account/secret-id.ts';
import type { Fleet } from '../shared/fleet.ts';
import { SPENT_BY_BOTH } from './clashes.ts';
import type { Problem } from './file/row.ts';

export type Reject = (
  number: number,
  line: number,
  accountId: string | undefined,
  found: readonly Problem[],
) => void;

export interface Outcome {
  readonly kind: 'create' | 'same' | 'differ' | 'passed_over';
  readonly line: number;
  readonly accountId: string | undefined;
  readonly digest: string;
  readonly fingerprint: string | undefined;
  readonly tokenSecret: string | undefined;
  takesSecretFrom?: string;
}

export const isNote = (accountId: unknown) => typeof accountId === 'string' && accountId.startsWith(NOTE);

/**
 * Judges what the rows say against all other accounts of the table: whether one was imported with the same refresh
 * token, and whether one has the token secret. Keeps only what the file names too.
 */
export async function judgeAgainstTable(
  { table, tableName: TableName }: Fleet,
  outcomes: ReadonlyMap<number, Outcome>,
  reject: Reject,
  { update, onPage }: { readonly update: boolean; readonly onPage: () => void },
): Promise<void> {
  const byFingerprint = new Map<unknown, number>();
  const bySecret = new Map<unknown, number>();
  for (const [number, { kind, fingerprint, tokenSecret }] of outcomes) {
    if (fingerprint !== undefined) byFingerprint.set(fingerprint, number);
    const written = kind === 'create' || (kind === 'differ' && update);
    if (tokenSecret !== undefined && written) bySecret.set(tokenSecret, number);
  }
  if (byFingerprint.size + bySecret.size === 0) return;
  const holders = new Map<number, string>();
  const pages = paginateScan(
    { client: table },
    {
      TableName,
      ConsistentRead: true,
      FilterExpression: 'attribute_exists(refreshTokenFingerprint) OR attribute_exists(tokenSecretId)',
      ProjectionExpression: 'accountId, refreshTokenFingerprint, tokenSecretId',
    },
  );
  for await (const { Items = [] } of pages) {
    onPage();
    for (const { accountId, refreshTokenFingerprint, tokenSecretId } of Items) {
      if (isNote(accountId)) continue;
      const imported = byFingerprint.get(refreshTokenFingerprint);
      const one = imported === undefined ? undefined : outcomes.get(imported);
      if (imported !== undefined && one !== undefined && one.accountId !== accountId)
        reject(imported, one.line, one.accountId, [
          {
            field: 'refresh_token',
            text: `the account ${accountId} was imported with it; ${SPENT_BY_BOTH}. Authorize this account, or remove that one first`,
          },
        ]);
      if (typeof tokenSecretId !== 'string') continue;
      const taking = bySecret.get(plainName(tokenSecretId));
      if (taking !== undefined && outcomes.get(taking)?.accountId !== accountId)
        holders.set(taking, accountId);
    }
  }
  judgeHolders(outcomes, holders, update, reject);
}

/** Another account's token secret can be taken only if the file gives that account another one. */
function judgeHolders(
  outcomes: ReadonlyMap<number, Outcome>,
  holders: ReadonlyMap<number, string>,
  update: boolean,
  reject: Reject,
): void {
  // A refused account keeps its secret. So the account that wanted that secret is refused, too.
  for (let refused = true; refused; ) {
    refused = false;
    const changing = new Map([...outcomes.values()].map((outcome) => [outcome.accountId, outcome]));
    for (const [number, holder] of holders) {
      const outcome = outcomes.get(number);
      if (outcome === undefined) continue;
      const next = changing.get(holder);
      if (update && next?.kind === 'differ' && ![undefined, outcome.tokenSecret].includes(next.tokenSecret)) {
        outcome.takesSecretFrom = holder;
        continue;
      }
      refused = true;
      reject(number, outcome.line, outcome.accountId, [
        { field: 'tokenSecretId', text: `is the secret of the account ${holder}; ${SPENT_BY_BOTH}` },
      ]);
    }
  }
}
