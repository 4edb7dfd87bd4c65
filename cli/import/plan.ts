import { BatchGetCommand } from '@aws-sdk/lib-dynamodb';
import { WRITTEN_BY_PEOPLE } from '../../core/account/account.ts';
import { plainName } from '../../core/account/secret-id.ts';
import type { Fleet } from '../shared/fleet.ts';
import { createUniques } from './clashes.ts';
import type { Problem, Row } from './file/row.ts';
import type { Source } from './file/source.ts';
import { fleetProblems, type OwnKeeper, profileLookup } from './fleet-problems.ts';
import { isNote, judgeAgainstTable, type Outcome, type Reject } from './judge-table.ts';
import { differences, digestOf, fingerprintOf } from './row/compare.ts';
import { type Item, isOfAnotherKind, type ReadRow, readRow } from './row/row.ts';

/** A problem of one row. */
export interface RowProblem extends Problem {
  readonly line: number;
  readonly accountId: string | undefined;
}

interface Planned {
  /** Of the row, to recognize it when the file is read again. */
  readonly digest: string;
  /** Another account that has the named token secret now, and gives it up in this import. */
  readonly takesSecretFrom?: string;
}

/** A plan, made before anything is written. Each row counts in one of its parts. */
export interface Plan {
  readonly rows: number;
  /** By account id: those that are new. */
  readonly create: ReadonlyMap<string, Planned>;
  /** Rows of accounts that are there as the file says. */
  readonly same: number;
  /** By account id: those that are there and differ from the file. */
  readonly differ: ReadonlyMap<string, Planned>;
  /** Rows of accounts that the function does not look at. */
  readonly passedOver: number;
  readonly invalidRows: number;
  readonly problems: readonly RowProblem[];
  readonly keeper: () => Promise<OwnKeeper>;
}

/** A row that has been read, with its number in the file. */
interface Entry {
  readonly number: number;
  readonly row: Row;
  readonly read: ReadRow;
  /** What the fleet has against it. */
  readonly fleetProblems: readonly Problem[];
}

const BATCH = 100;

interface PlanOptions {
  /** Accounts that are there will be changed. */
  readonly update: boolean;
  /** Unusual names of token secrets that may be created: the person has named them. */
  readonly tokenSecrets: readonly string[];
}

/**
 * Reads the whole source, and asks of each account whether it is there. Keeps ids, hashes and problems, but no token.
 *
 * @param onRow told how many rows were read, also while it waits for something else; may throw to end it
 */
export async function makePlan(
  source: Source,
  fleet: Fleet,
  { update, tokenSecrets }: PlanOptions,
  onRow: (rows: number) => void,
): Promise<Plan> {
  const profiles = profileLookup(fleet);
  const clashes = createUniques();
  const outcomes = new Map<number, Outcome>();
  const problems = new Map<number, RowProblem[]>();
  const reject: Reject = (number, line, accountId, found) => {
    outcomes.delete(number);
    const known = problems.get(number) ?? [];
    problems.set(number, [
      ...known,
      ...found.map((problem) => ({ line, accountId: shownId(accountId), ...problem })),
    ]);
  };
  let rows = 0;
  let batch: Entry[] = [];
  const judgeBatch = async () => {
    const existing = await itemsOf(fleet, batch);
    for (const entry of batch) {
      const { number, row, read } = entry;
      const verdict = problems.has(number) ? undefined : judge(entry, existing.get(read.accountId));
      // Clashes between two rows were told first.
      const found =
        verdict === undefined ? problemsOf(entry) : verdict.kind === 'invalid' ? verdict.problems : [];
      if (found.length > 0) reject(number, row.line, read.accountId, found);
      else if (verdict !== undefined && verdict.kind !== 'invalid') outcomes.set(number, verdict);
    }
    batch = [];
  };
  for await (const row of source.rows()) {
    onRow(++rows);
    const read = readRow(row);
    for (const { first, own, theirs } of clashes(rows, row, read)) {
      reject(rows, row.line, read.accountId, [own]);
      if (theirs !== undefined) reject(first.number, first.line, first.accountId, [theirs]);
    }
    batch.push({
      number: rows,
      row,
      read,
      fleetProblems: await fleetProblems(fleet, profiles, tokenSecrets, { row, read }),
    });
    if (batch.length === BATCH) await judgeBatch();
  }
  await judgeBatch();
  await judgeAgainstTable(fleet, outcomes, reject, { update, onPage: () => onRow(rows) });
  const planned = (kind: Outcome['kind']) =>
    new Map(
      [...outcomes.values()].flatMap(({ kind: its, accountId, digest, takesSecretFrom }) =>
        its === kind && accountId !== undefined
          ? [[accountId, { digest, ...(takesSecretFrom !== undefined && { takesSecretFrom }) }] as const]
          : [],
      ),
    );
  return {
    rows,
    create: planned('create'),
    same: planned('same').size,
    differ: planned('differ'),
    passedOver: [...outcomes.values()].filter(({ kind }) => kind === 'passed_over').length,
    invalidRows: problems.size,
    problems: [...problems].sort(([a], [b]) => a - b).flatMap(([, found]) => found),
    keeper: profiles.keeper,
  };
}

function problemsOf({ row, read, fleetProblems: found }: Entry): readonly Problem[] {
  if (row.passedOver === true || (row.problem === undefined && isOfAnotherKind(read.item))) return [];
  if (row.problem !== undefined) return [{ field: 'row', text: row.problem }];
  const ofProfile = found.find(({ field }) => field === 'oauth2_profile');
  const own = read.attributeProblems.filter(
    ({ field }) => ofProfile === undefined || field !== 'oauthProfile',
  );
  return [...own, ...read.problems, ...found];
}

function judge(
  entry: Entry,
  existing: Item | undefined,
): Outcome | { readonly kind: 'invalid'; readonly problems: readonly Problem[] } {
  const { row, read } = entry;
  const { item, candidate, accountId } = read;
  const outcome = (kind: Outcome['kind']): Outcome => ({
    kind,
    line: row.line,
    accountId,
    digest: digestOf(read),
    fingerprint: candidate?.refreshToken === undefined ? undefined : fingerprintOf(candidate.refreshToken),
    tokenSecret: typeof item.tokenSecretId === 'string' ? plainName(item.tokenSecretId) : undefined,
  });
  if (row.passedOver === true || (row.problem === undefined && isOfAnotherKind(item)))
    return outcome('passed_over');
  const same = existing !== undefined && differences(item, existing).length === 0;
  // An export can be imported again: an account that is as the row says needs nothing, valid or not.
  if (same && row.problem === undefined && read.problems.length === 0 && !isNote(accountId))
    return outcome('same');
  const problems = problemsOf(entry);
  if (candidate === undefined || problems.length > 0) return { kind: 'invalid', problems };
  return outcome(existing === undefined ? 'create' : same ? 'same' : 'differ');
}

/** An id that fits on a line. A longer one can't be an account's. */
function shownId(accountId: string | undefined): string | undefined {
  return accountId !== undefined && accountId.length > 2_048 ? `${accountId.slice(0, 80)}…` : accountId;
}

async function itemsOf({ table, tableName }: Fleet, batch: readonly Entry[]): Promise<Map<unknown, Item>> {
  const existing = new Map<unknown, Item>();
  const ids = new Set(
    batch
      .map(({ read }) => read.accountId)
      .filter((id) => id !== undefined && id !== '' && Buffer.byteLength(id) <= 2_048),
  );
  let Keys = [...ids].map((accountId) => ({ accountId }));
  while (Keys.length > 0) {
    const { Responses, UnprocessedKeys } = await table.send(
      new BatchGetCommand({
        RequestItems: {
          [tableName]: {
            Keys,
            ConsistentRead: true,
            ProjectionExpression: WRITTEN_BY_PEOPLE.map((name) => `#${name}`).join(', '),
            ExpressionAttributeNames: Object.fromEntries(WRITTEN_BY_PEOPLE.map((name) => [`#${name}`, name])),
          },
        },
      }),
    );
    for (const item of Responses?.[tableName] ?? []) existing.set(item.accountId, item);
    Keys = (UnprocessedKeys?.[tableName]?.Keys ?? []) as typeof Keys;
  }
  return existing;
}
