import { createHash } from 'node:crypto';
import { DescribeSecretCommand } from '@aws-sdk/client-secrets-manager';
import { BatchGetCommand } from '@aws-sdk/lib-dynamodb';
import { WRITTEN_BY_PEOPLE } from '../../lambda/account.ts';
import { profileSecretIdOf } from '../../lambda/secrets.ts';
import type { Fleet } from '../fleet.ts';
import { foreignSecret, plainName } from '../secret-names.ts';
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
  const uniques = createUniques();
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
    const candidate = read.kind === 'candidate' && row.problem === undefined ? read.candidate : undefined;
    const accountId = read.kind === 'candidate' ? read.candidate.item.accountId : read.accountId;
    const clashes = uniques(row.line, accountId, candidate);
    for (const { first, ...problem } of clashes) {
      invalid.add(first.line);
      for (const id of [accountId, first.accountId]) if (id !== undefined) twice.add(id);
      tell(row.line, accountId, [problem]);
    }
    if (row.problem !== undefined) tell(row.line, accountId, [{ field: 'row', text: row.problem }]);
    else if (read.kind === 'invalid') tell(row.line, accountId, read.problems);
    else {
      const found = await fleetProblem(fleet, hasProfile, read.candidate);
      if (found !== undefined) tell(row.line, accountId, [found]);
      else if (clashes.length === 0) batch.push(read.candidate);
    }
    if (batch.length < BATCH) continue;
    await compare(fleet, batch, plan);
    batch = [];
  }
  await compare(fleet, batch, plan);
  for (const accountId of twice)
    for (const ids of [plan.create, plan.same, plan.differ]) ids.delete(accountId);
  return { ...plan, same: plan.same.size, invalidRows: invalid.size, problems };
}

/** Where a value that only one row may have was seen first. */
interface Seen {
  readonly line: number;
  readonly accountId: string | undefined;
}

interface Clash extends Problem {
  readonly first: Seen;
}

const SPENT_BY_BOTH = 'one refresh token serves one account, as two would spend it twice';

/** Tells what a row has in common with an earlier one and must not have. Keeps a hash of each token, and no token. */
function createUniques() {
  const seen = new Map<string, Seen>();
  return (line: number, accountId: string | undefined, candidate: Candidate | undefined): Clash[] => {
    const tokenSecretId = candidate?.item.tokenSecretId;
    const values: readonly (readonly [field: string, value: string | undefined, why: string])[] = [
      ['accountId', accountId, 'keep one of the two'],
      ['refresh_token', candidate?.refreshToken, SPENT_BY_BOTH],
      [
        'tokenSecretId',
        typeof tokenSecretId === 'string' ? plainName(tokenSecretId) : undefined,
        SPENT_BY_BOTH,
      ],
    ];
    return values.flatMap(([field, value, why]) => {
      if (value === undefined) return [];
      const key = `${field} ${field === 'refresh_token' ? hashOf(value) : value}`;
      const first = seen.get(key);
      if (first !== undefined) return [{ field, text: `is also on line ${first.line}; ${why}`, first }];
      seen.set(key, { line, accountId });
      return [];
    });
  };
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}

/** What the row alone does not show. A value is never told: it may be a token in the wrong column. */
async function fleetProblem(
  { secretNamePrefix }: Fleet,
  hasProfile: (profile: unknown) => Promise<boolean>,
  { item: { accountId, oauthProfile, tokenSecretId } }: Candidate,
): Promise<Problem | undefined> {
  if (!(await hasProfile(oauthProfile)))
    return {
      field: 'oauthProfile',
      text: 'there is no profile of this name ("profiles list"); add it first, or correct the name',
    };
  const foreign =
    typeof tokenSecretId === 'string' ? foreignSecret(secretNamePrefix, accountId, tokenSecretId) : undefined;
  return foreign === undefined ? undefined : { field: 'tokenSecretId', text: foreign };
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
