import { createHash } from 'node:crypto';
import { DescribeSecretCommand } from '@aws-sdk/client-secrets-manager';
import { BatchGetCommand, paginateScan } from '@aws-sdk/lib-dynamodb';
import { keptByOf } from '../../adapters/authorization/keeper.ts';
import { foreignSecret } from '../../adapters/authorization/token-secret.ts';
import { NOTE, WRITTEN_BY_PEOPLE } from '../../core/account/account.ts';
import { keeping } from '../../core/account/kept-by.ts';
import { plainName, profileSecretIdOf, tokenSecretIdOf } from '../../core/account/secret-id.ts';
import { looksLikeName } from '../../core/field-name.ts';
import type { Fleet } from '../shared/fleet.ts';
import { readKeeper } from '../shared/keeper.ts';
import { shellWord } from '../shared/shell-word.ts';
import {
  differences,
  fingerprintOf,
  type Item,
  isOfAnotherKind,
  type ReadRow,
  readRow,
  versionIdOf,
} from './row.ts';
import { mappingProblem } from './servicenow.ts';
import type { Problem, Row, Source } from './source.ts';

/** A problem of one row. */
export interface RowProblem extends Problem {
  readonly line: number;
  readonly accountId: string | undefined;
}

/** What is to be written of one account. */
export interface Planned {
  /** Of what the row says, to know it again: the file is read once more. */
  readonly digest: string;
  /** Another account that has the named token secret now, and gives it up in this import. */
  readonly takesSecretFrom?: string;
}

/** What an import would do, found out before anything is written. Each row counts in exactly one of its parts. */
export interface Plan {
  readonly rows: number;
  /** By account id: those that are not there yet. */
  readonly create: ReadonlyMap<string, Planned>;
  /** Rows of accounts that are there as the file says. */
  readonly same: number;
  /** By account id: those that are there and of which the file says something else. */
  readonly differ: ReadonlyMap<string, Planned>;
  /** Rows of accounts that the function does not look at. */
  readonly passedOver: number;
  readonly invalidRows: number;
  readonly problems: readonly RowProblem[];
  readonly keeper: () => Promise<OwnKeeper>;
}

/** Whose the token sets are that are made. */
export interface OwnKeeper {
  /** Their `kept_by`; undefined where nothing tells the AWS account. */
  readonly keptBy: string | undefined;
  /** Whether another table's function keeps a token set that says so. */
  isForeign(keptBy: string): boolean;
}

/** A row that has been read, with its number in the file. */
interface Entry {
  readonly number: number;
  readonly row: Row;
  readonly read: ReadRow;
  /** What the fleet has against it. */
  readonly fleetProblems: readonly Problem[];
}

interface Outcome {
  readonly kind: 'create' | 'same' | 'differ' | 'passed_over';
  readonly line: number;
  readonly accountId: string | undefined;
  readonly digest: string;
  readonly fingerprint: string | undefined;
  readonly tokenSecret: string | undefined;
  takesSecretFrom?: string;
}

const BATCH = 100;

export interface PlanOptions {
  /** Accounts that are there will be changed. */
  readonly update: boolean;
  /** Token secrets of other names than usual that may be made: the person has named them. */
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
  const reject = (number: number, line: number, accountId: string | undefined, found: readonly Problem[]) => {
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
      // What two rows have in common was told first.
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
      fleetProblems: await fleetProblems(fleet, profiles, tokenSecrets, row, read),
    });
    if (batch.length === BATCH) await judgeBatch();
  }
  await judgeBatch();
  await judgeAgainstTable(fleet, outcomes, update, reject, () => onRow(rows));
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
  // What was exported can be imported: an account that is there as the row says needs nothing, be it right or wrong.
  if (same && row.problem === undefined && read.problems.length === 0 && !isNote(accountId))
    return outcome('same');
  const problems = problemsOf(entry);
  if (candidate === undefined || problems.length > 0) return { kind: 'invalid', problems };
  return outcome(existing === undefined ? 'create' : same ? 'same' : 'differ');
}

const isNote = (accountId: unknown) => typeof accountId === 'string' && accountId.startsWith(NOTE);

/** What a row says, as a hash: enough to notice that the file has changed. */
export function digestOf({ item, candidate }: ReadRow): string {
  return createHash('sha256')
    .update(JSON.stringify(item))
    .update(candidate === undefined ? '' : versionIdOf(candidate))
    .digest('base64url');
}

/** Where a value that only one row may have was seen first. */
interface Seen {
  readonly number: number;
  readonly line: number;
  readonly accountId: string | undefined;
  /** It is no more than a text that may be a refresh token. */
  readonly doubtful: boolean;
}

interface Clash {
  readonly first: Seen;
  readonly own: Problem;
  /** Undefined where it was told already. */
  readonly theirs: Problem | undefined;
}

const SPENT_BY_BOTH = 'one refresh token serves one account, as two would spend it twice';

/**
 * Tells what a row has in common with an earlier one and must not have, whatever else is wrong with either. Keeps a hash
 * of each token, and no token.
 */
function createUniques() {
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

interface Profiles {
  /** `waiting`: its secret waits for its deletion. */
  has(profile: string): Promise<'there' | 'missing' | 'waiting'>;
  keeper(): Promise<OwnKeeper>;
}

/** What the row alone does not show. A value is never told: it may be a token in the wrong column. */
async function fleetProblems(
  { secretNamePrefix }: Fleet,
  profiles: Profiles,
  tokenSecrets: readonly string[],
  row: Row,
  { item, attributeProblems, accountId, keptBy, hasTokens }: ReadRow,
): Promise<readonly Problem[]> {
  if (row.problem !== undefined || row.passedOver === true || isOfAnotherKind(item)) return [];
  const problems: Problem[] = [];
  const { oauthProfile, tokenSecretId } = item;
  const isUsual = (id: string) => id === tokenSecretIdOf(secretNamePrefix, { accountId: accountId ?? '' });
  const legible =
    typeof oauthProfile === 'string' && !attributeProblems.some(({ field }) => field === 'oauthProfile');
  const state = legible ? await profiles.has(oauthProfile) : 'missing';
  if (row.profileThere !== undefined && state !== 'there')
    problems.push(
      await mappingProblem(
        row.profileThere,
        oauthProfile,
        async (name) => (await profiles.has(name)) === 'there',
      ),
    );
  else if (legible && state === 'missing')
    problems.push({
      field: 'oauthProfile',
      text: 'there is no profile of this name ("profiles list"); add it first, or correct the name',
    });
  else if (state === 'waiting')
    problems.push({
      field: 'oauthProfile',
      text: 'the secret of this profile waits for its deletion; restore it (aws secretsmanager restore-secret), or name another',
    });
  if (typeof tokenSecretId === 'string' && accountId !== undefined) {
    const foreign = foreignSecret(secretNamePrefix, accountId, tokenSecretId);
    if (foreign !== undefined) problems.push({ field: 'tokenSecretId', text: foreign });
    else if (hasTokens && !isUsual(tokenSecretId) && !tokenSecrets.includes(tokenSecretId))
      problems.push({
        field: 'tokenSecretId',
        text: `is not below ${secretNamePrefix}accounts/, so no tokens are put there unasked: leave one of the two out, or add --token-secret ${shownSecret(tokenSecretId)}`,
      });
  }
  const keeper = keptBy === undefined ? undefined : await profiles.keeper();
  if (keptBy !== undefined && keeper?.isForeign(keptBy) === true)
    problems.push({
      field: 'kept_by',
      text: `the function of another table keeps this token set, so that two would spend it. Stop that function for this account first, then take this field out; or authorize the account here. This table is ${keeper.keptBy}`,
    });
  return problems;
}

/** An id that fits a line: one that is longer than any key names nothing. */
function shownId(accountId: string | undefined): string | undefined {
  return accountId !== undefined && accountId.length > 2_048 ? `${accountId.slice(0, 80)}…` : accountId;
}

/** A secret's name for a flag that is to be pasted, where it is no value in the wrong column. */
function shownSecret(id: string): string {
  return id.split('/').every(looksLikeName) ? shellWord(id) : 'and its name';
}

/** Asks for each profile once. */
function profileLookup(fleet: Fleet): Profiles {
  const { secrets, secretNamePrefix } = fleet;
  const asked = new Map<string, ReturnType<Profiles['has']>>();
  let arn: string | undefined;
  let reading: ReturnType<typeof readKeeper> | undefined;
  const ask = async (profile: string) => {
    try {
      const SecretId = profileSecretIdOf(secretNamePrefix, profile);
      const { ARN, DeletedDate } = await secrets.send(new DescribeSecretCommand({ SecretId }));
      arn ??= ARN;
      return DeletedDate === undefined ? 'there' : 'waiting';
    } catch (error) {
      if (error instanceof Error && error.name === 'ResourceNotFoundException') return 'missing';
      throw error;
    }
  };
  return {
    has: (name) => {
      const known = asked.get(name) ?? ask(name);
      asked.set(name, known);
      return known;
    },
    keeper: async () => {
      reading ??= readKeeper(fleet);
      const keeper = await reading;
      const own = keptByOf(keeper, arn);
      return {
        keptBy: own,
        isForeign: (keptBy) => own !== undefined && keeping(keptBy, own, keeper.former) === 'foreign',
      };
    },
  };
}

/** The accounts of these rows that are there, by id. */
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

/**
 * Judges what the rows say against all other accounts of the table: whether one was imported with the same refresh
 * token, and whether one has the token secret. Keeps only what the file names too.
 */
async function judgeAgainstTable(
  { table, tableName: TableName }: Fleet,
  outcomes: ReadonlyMap<number, Outcome>,
  update: boolean,
  reject: (number: number, line: number, accountId: string | undefined, found: readonly Problem[]) => void,
  onPage: () => void,
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

/** A token secret that another account has can be taken only where the file gives that one another. */
function judgeHolders(
  outcomes: ReadonlyMap<number, Outcome>,
  holders: ReadonlyMap<number, string>,
  update: boolean,
  reject: (number: number, line: number, accountId: string | undefined, found: readonly Problem[]) => void,
): void {
  // Who is refused keeps what it has, so that who counted on it is refused too.
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
