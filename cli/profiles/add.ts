import { randomUUID } from 'node:crypto';
import { text as textOf } from 'node:stream/consumers';
import {
  createSecret,
  type FoundSecret,
  findSecret,
  replaceVersion,
  restoreSecret,
} from '../../adapters/aws/secret-versions.ts';
import { profileSecretIdOf } from '../../core/account/secret-id.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import type { Profile } from '../../core/profile/profile.ts';
import { type Fields, fieldsFromFlags, fieldsFromInput } from '../profile/fields.ts';
import { parseWholeProfile } from '../profile/presets.ts';
import { CliError, EXIT } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { askProvider } from './ask-provider.ts';
import { anAccountOf } from './check.ts';

export interface AddOptions {
  readonly provider?: string;
  readonly clientId?: string;
  readonly issuer?: string;
  readonly tokenEndpoint?: string;
  readonly authorizationEndpoint?: string;
  readonly scope?: string;
  readonly redirectUri?: string;
  readonly authMethod?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly stdin?: true;
  readonly change?: true;
  readonly replace?: true;
  readonly kmsKey?: string;
  readonly unchecked?: true;
}

export async function addProfile(context: Context, name: string, options: AddOptions): Promise<undefined> {
  const { terminal } = context;
  if (!/^[A-Za-z0-9/_+=.@-]{1,400}$/.test(name))
    throw new CliError('USAGE', 'A name may hold letters, digits and / _ + = . @ - only.', EXIT.usage);
  const flags = fieldsFromFlags(
    {
      provider: options.provider,
      client_id: options.clientId,
      issuer: options.issuer,
      token_endpoint: options.tokenEndpoint,
      authorization_endpoint: options.authorizationEndpoint,
      scope: options.scope,
      redirect_uri: options.redirectUri,
      token_endpoint_auth_method: options.authMethod,
    },
    options.set ?? {},
  );
  const fleet = await context.fleet();
  const secretId = profileSecretIdOf(fleet.secretNamePrefix, name);
  const before = await findSecret(fleet.secrets, secretId);
  refuseWrongMode(name, before.kind === 'found', options);
  const input = options.stdin ? fieldsFromInput(await textOf(terminal.stdin)) : {};
  const own = options.change && before.kind === 'found' ? parseJsonObject(before.text ?? '') : {};
  const given = { ...own, ...flags, ...input };
  const asks = terminal.interactive && !options.stdin && !options.change;
  const fields = asks ? await (await import('./ask.ts')).askForFields(given, context) : given;
  const profile = validProfile(fields);
  if (before.kind === 'found' && !options.unchecked) {
    terminal.progress('Asking the provider …');
    await refuseRejected(context, fleet, name, {
      profile,
      before: parseJsonObject(before.text ?? '') ?? {},
      fields,
    });
    terminal.progress(undefined);
  }
  const written = await writeProfile(fleet, { secretId, text: JSON.stringify(fields), before }, options);
  if (written === 'changed_by_another')
    throw new CliError(
      'PROFILE_CHANGED',
      `Somebody else has written the profile ${name} meanwhile. Nothing was written here. Look at it ("profiles show ${name}"), and run the command again.`,
    );
  const done = before.kind === 'found' ? 'changed' : 'created';
  const next =
    done === 'changed'
      ? `Refresh its accounts:  accounts refresh --profile ${name}`
      : `Connect an account:    authorize <accountId> --profile ${name}`;
  const { paint } = terminal;
  terminal.result(
    `${paint('green', '✓')} The profile ${paint('bold', name)} is ${done}.\n  Prove it:              profiles check ${name}\n  ${next}`,
    { name, [done]: true },
  );
  return undefined;
}

/** Replaces only the version that was read. */
async function writeProfile(
  { secrets }: Fleet,
  { secretId, text, before }: { secretId: string; text: string; before: FoundSecret },
  { kmsKey }: AddOptions,
): Promise<'written' | 'changed_by_another'> {
  const version = { secretId, text, versionId: randomUUID() };
  if (before.kind === 'missing')
    return (await createSecret(secrets, version, kmsKey)) === 'created' ? 'written' : 'changed_by_another';
  let current: FoundSecret = before;
  if (before.kind === 'deleted') {
    await restoreSecret(secrets, secretId);
    current = await findSecret(secrets, secretId);
  }
  if (current.kind !== 'found') return 'changed_by_another';
  const done = await replaceVersion(secrets, { ...version, from: current.versionId });
  if (done === 'replaced') return 'written';
  // The response to the SDK's first try may have been lost.
  const now = await findSecret(secrets, secretId);
  return now.kind === 'found' && now.versionId === version.versionId ? 'written' : 'changed_by_another';
}

function refuseWrongMode(name: string, exists: boolean, { change, replace, kmsKey }: AddOptions): void {
  if (change && !exists)
    throw new CliError(
      'NO_PROFILE',
      `There is no profile ${name} to change. Leave --change out to create it.`,
    );
  if (exists && !change && !replace)
    throw new CliError(
      'PROFILE_EXISTS',
      `There is a profile ${name} already. Use --change to change some of its fields, or --replace for all of them.`,
    );
  if (exists && kmsKey !== undefined)
    throw new CliError(
      'USAGE',
      `--kms-key: the profile ${name} has a secret already, which keeps its key. Change that with "aws secretsmanager update-secret".`,
      EXIT.usage,
    );
}

function validProfile(fields: Fields): Profile {
  const parsed = parseWholeProfile(JSON.stringify(fields));
  if (parsed.kind === 'profile') return parsed.profile;
  const hint = /^(client_secret|private_key|tls_client_\w+): is missing/.test(parsed.problem)
    ? ' Give it by --stdin, or run the command on a terminal.'
    : '';
  throw new CliError('PROFILE_INVALID', `${parsed.problem}. Nothing was written.${hint}`, EXIT.usage);
}

/** A change of these alone can't make the provider refuse the client. */
const NOT_OF_THE_CLIENT: readonly string[] = [
  'scope',
  'redirect_uri',
  'authorization_endpoint',
  'device_authorization_endpoint',
  'pkce',
  'authorization_code_parameter',
  'callback_parameters',
  'token_response_fields',
  'token_error_fields',
  'dead_grant_errors',
  'transient_errors',
  'client_errors',
  'public_fields',
  'token_request_timeout_seconds',
  'default_expires_in',
  'refresh_window_seconds',
  'max_requests_per_minute',
] satisfies (keyof Profile)[];

/**
 * Asks the provider about a changed client before it takes the place of one that works. Accounts would go on with the version
 * before it, and stop at the next change.
 */
async function refuseRejected(
  { terminal }: Context,
  fleet: Fleet,
  name: string,
  { profile, before, fields }: { profile: Profile; before: Fields; fields: Fields },
): Promise<void> {
  const changed = Object.keys({ ...before, ...fields }).filter(
    (field) => JSON.stringify(before[field]) !== JSON.stringify(fields[field]),
  );
  if (changed.every((field) => NOT_OF_THE_CLIENT.includes(field))) return;
  const { account } = await anAccountOf(fleet, name);
  const findings = await askProvider(profile, account?.parameters, fleet);
  const refused = findings.find(({ what, verdict }) => what === 'client' && verdict === 'wrong');
  const unasked = findings.find(({ verdict }) => verdict === 'wrong');
  if (refused === undefined && unasked === undefined) return;
  if (refused === undefined)
    return terminal.say(`The provider could not be asked about the client: ${unasked?.message}.`);
  throw new CliError(
    'PROFILE_REFUSED',
    `The provider refuses the changed client: ${refused.message}. Nothing was written. If it is right all the same, add --unchecked.`,
  );
}
