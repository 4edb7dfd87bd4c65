import { DescribeSecretCommand } from '@aws-sdk/client-secrets-manager';
import { BatchGetCommand } from '@aws-sdk/lib-dynamodb';
import { WRITTEN_BY_PEOPLE } from '../../lambda/account.ts';
import { profileSecretIdOf } from '../../lambda/secrets.ts';
import type { Fleet } from '../fleet.ts';
import { type Candidate, differences, type Problem, readRow } from './row.ts';
import type { Source } from './source.ts';

/** A problem of one row. */
export interface RowProblem extends Problem {
  readonly line: number;
  readonly accountId: string | undefined;
}

/** What an import would do, found out before anything is written. */
export interface Plan {
  readonly rows: number;
  /** Ids of the accounts that are not there yet. */
  readonly create: Set<string>;
  readonly same: number;
  /** Ids of the accounts that are there and of which the file says something else. */
  readonly differ: Set<string>;
  readonly invalidRows: number;
  readonly problems: readonly RowProblem[];
}

const BATCH = 100;

/** Reads the whole source, and asks of each account whether it is there. Keeps ids and problems, but no token. */
export async function makePlan(source: Source, fleet: Fleet, onRow: (rows: number) => void): Promise<Plan> {
  const hasProfile = profileLookup(fleet);
  const lines = new Map<string, number>();
  const twice = new Set<string>();
  const invalid = new Set<number>();
  const problems: RowProblem[] = [];
  const plan = { rows: 0, create: new Set<string>(), same: new Set<string>(), differ: new Set<string>() };
  let batch: Candidate[] = [];
  const tell = (line: number, accountId: string | undefined, found: readonly Problem[]) => {
    invalid.add(line);
    problems.push(...found.map((problem) => ({ line, accountId, ...problem })));
  };
  for await (const row of source.rows()) {
    onRow(++plan.rows);
    const read = readRow(row);
    const accountId = read.kind === 'candidate' ? read.candidate.item.accountId : read.accountId;
    const first = accountId === undefined ? undefined : lines.get(accountId);
    if (accountId !== undefined && first !== undefined) {
      twice.add(accountId);
      invalid.add(first);
      tell(row.line, accountId, [
        { field: 'accountId', text: `is also on line ${first}; keep one of the two` },
      ]);
    } else if (accountId !== undefined) lines.set(accountId, row.line);
    if (row.problem !== undefined) tell(row.line, accountId, [{ field: 'row', text: row.problem }]);
    else if (read.kind === 'invalid') tell(row.line, accountId, read.problems);
    else if (!(await hasProfile(read.candidate.item.oauthProfile)))
      tell(row.line, accountId, [unknownProfile(fleet, read.candidate.item.oauthProfile)]);
    else if (first === undefined) batch.push(read.candidate);
    if (batch.length < BATCH) continue;
    await compare(fleet, batch, plan);
    batch = [];
  }
  await compare(fleet, batch, plan);
  for (const accountId of twice)
    for (const ids of [plan.create, plan.same, plan.differ]) ids.delete(accountId);
  return { ...plan, same: plan.same.size, invalidRows: invalid.size, problems };
}

/** A name this long may be a token that slipped into the wrong column. */
const LONGEST_SHOWN = 32;

function unknownProfile({ secretNamePrefix }: Fleet, name: unknown): Problem {
  const whole = String(name);
  const profile = whole.length > LONGEST_SHOWN ? `${whole.slice(0, 6)}…` : whole;
  return {
    field: 'oauthProfile',
    text: `there is no profile "${profile}" (secret ${profileSecretIdOf(secretNamePrefix, profile)}); add it first, or correct the name`,
  };
}

/** Asks for each profile once. */
function profileLookup({ secrets, secretNamePrefix }: Fleet): (profile: unknown) => Promise<boolean> {
  const asked = new Map<string, Promise<boolean>>();
  const ask = async (profile: string) => {
    try {
      const SecretId = profileSecretIdOf(secretNamePrefix, profile);
      const { DeletedDate } = await secrets.send(new DescribeSecretCommand({ SecretId }));
      return DeletedDate === undefined;
    } catch (error) {
      if (error instanceof Error && error.name === 'ResourceNotFoundException') return false;
      throw error;
    }
  };
  return (profile) => {
    const name = String(profile);
    const known = asked.get(name) ?? ask(name);
    asked.set(name, known);
    return known;
  };
}

async function compare(
  { table, tableName }: Fleet,
  batch: readonly Candidate[],
  plan: { create: Set<string>; same: Set<string>; differ: Set<string> },
): Promise<void> {
  const existing = new Map<unknown, Record<string, unknown>>();
  let Keys = batch.map(({ item: { accountId } }) => ({ accountId }));
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
  for (const candidate of batch) {
    const { accountId } = candidate.item;
    const item = existing.get(accountId);
    if (item === undefined) plan.create.add(accountId);
    else if (differences(candidate, item).length > 0) plan.differ.add(accountId);
    else plan.same.add(accountId);
  }
}
