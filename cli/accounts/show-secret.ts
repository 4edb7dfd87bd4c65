import { DescribeSecretCommand } from '@aws-sdk/client-secrets-manager';
import { tokenSecretOf } from '../../adapters/authorization/secret-of-account.ts';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import { createSecrets } from '../../adapters/aws/secrets.ts';
import { looksLikeName } from '../../core/field-name.ts';
import { parseTokenSet } from '../../core/tokens/token-set.ts';
import type { FleetItem } from '../../terminal/fleet-table.ts';
import { asCliError } from '../shared/authorization-error.ts';
import { CliError } from '../shared/cli-error.ts';
import { restoreCommand } from '../shared/deleted-secret.ts';
import type { Fleet } from '../shared/fleet.ts';

export interface TokenSecret {
  readonly id: string;
  /** Why it can't be shown; an AWS error's code, or what is wrong with its text. */
  readonly problem?: string;
  readonly fields?: readonly string[];
  readonly tokenType?: string | undefined;
  readonly scope?: string | undefined;
  readonly obtainedAt?: number | undefined;
  readonly expiresAt?: number | undefined;
  readonly refreshTokenExpiresAt?: number | undefined;
  /** When the current version was written, seconds since the epoch. */
  readonly writtenAt?: number | undefined;
  readonly versions?: number | undefined;
}

/** What the secret holds, by the names of its fields. Each token's value ends here. */
export async function readTokenSecret(
  fleet: Fleet,
  item: FleetItem,
  named: string | undefined,
): Promise<TokenSecret> {
  const { secrets } = fleet;
  let id: string;
  try {
    ({ id } = await tokenSecretOf(fleet, item, named));
  } catch (thrown) {
    const error = asCliError(thrown);
    if (!(error instanceof CliError)) throw error;
    return {
      id: typeof item.tokenSecretId === 'string' ? item.tokenSecretId : '(not text)',
      problem: error.message,
    };
  }
  const edge = createSecrets(secrets, secrets);
  const [read, dates] = await Promise.all([edge.read(id), edge.versionDates(id)]);
  if (read.kind === 'missing') return { id, problem: await whyMissing(fleet, id) };
  if (read.kind === 'failed') return { id, problem: `it can't be read (${read.failure.code})` };
  const { createdAt: writtenAt, text: held } = read.secret;
  const parsed = parseTokenSet(held);
  if (parsed.kind === 'invalid') return { id, problem: parsed.problem, writtenAt, versions: dates?.length };
  const { tokenSet } = parsed;
  return {
    id,
    fields: shownFields(Object.keys(tokenSet).filter((field) => tokenSet[field] !== undefined)),
    tokenType: tokenSet.token_type,
    scope: tokenSet.scope,
    obtainedAt: tokenSet.obtained_at,
    expiresAt: tokenSet.expires_at,
    refreshTokenExpiresAt: tokenSet.refresh_token_expires_at,
    writtenAt,
    versions: dates?.length,
  };
}

async function whyMissing({ secrets, config: { region } }: Fleet, SecretId: string): Promise<string> {
  try {
    const { DeletedDate } = await secrets.send(new DescribeSecretCommand({ SecretId }));
    return DeletedDate === undefined
      ? 'it has no current version'
      : `it waits for its deletion; restore it: ${restoreCommand(SecretId, region)}`;
  } catch (error) {
    const { kind, code } = awsFailure(error);
    return kind === 'not_found' ? 'it does not exist' : `it can't be read (${code})`;
  }
}

/** The names of a token set's fields; of those that look like values, how many there are. */
function shownFields(fields: readonly string[]): readonly string[] {
  const names = fields.filter(looksLikeName);
  const hidden = fields.length - names.length;
  return hidden === 0 ? names : [...names, `${hidden} more whose names look like values`];
}
