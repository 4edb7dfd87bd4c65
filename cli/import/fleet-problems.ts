import { DescribeSecretCommand } from '@aws-sdk/client-secrets-manager';
import { keptByOf } from '../../adapters/authorization/keeper.ts';
import { foreignSecret } from '../../adapters/authorization/secret-of-account.ts';
import { keeping } from '../../core/account/kept-by.ts';
import { profileSecretIdOf, tokenSecretIdOf } from '../../core/account/secret-id.ts';
import { looksLikeName } from '../../core/field-name.ts';
import type { Fleet } from '../shared/fleet.ts';
import { readKeeper } from '../shared/keeper.ts';
import { shellWord } from '../shared/shell-word.ts';
import type { Problem, Row } from './file/row.ts';
import { isOfAnotherKind, type ReadRow } from './row/row.ts';
import { mappingProblem } from './servicenow.ts';

/** The owner of the new token sets. */
export interface OwnKeeper {
  /** Their `kept_by`. Undefined if the AWS account is not known. */
  readonly keptBy: string | undefined;
  /** Whether another table's function keeps a token set that says so. */
  isForeign(keptBy: string): boolean;
}

export interface Profiles {
  /** `waiting`: its secret waits for its deletion. */
  has(profile: string): Promise<'there' | 'missing' | 'waiting'>;
  keeper(): Promise<OwnKeeper>;
}

/** Problems that the row alone does not show. Never shows a value: it may be a token in the wrong column. */
export async function fleetProblems(
  { secretNamePrefix }: Fleet,
  profiles: Profiles,
  tokenSecrets: readonly string[],
  { row, read }: { readonly row: Row; readonly read: ReadRow },
): Promise<readonly Problem[]> {
  const { item, attributeProblems, accountId, keptBy, hasTokens } = read;
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

/** A secret's name for a flag to paste, unless it looks like a value in the wrong column. */
function shownSecret(id: string): string {
  return id.split('/').every(looksLikeName) ? shellWord(id) : 'and its name';
}

export function profileLookup(fleet: Fleet): Profiles {
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
