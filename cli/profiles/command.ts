import { randomUUID } from 'node:crypto';
import { text as textOf } from 'node:stream/consumers';
import { confirm } from '@inquirer/prompts';
import { accountsOf } from '../../adapters/authorization/other-accounts.ts';
import {
  createSecret,
  deleteSecret,
  type FoundSecret,
  findSecret,
  RECOVERY_DAYS,
  readSecret,
  replaceVersion,
  restoreSecret,
} from '../../adapters/aws/secret-versions.ts';
import { profileSecretIdOf } from '../../core/account/secret-id.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import { type Fields, fieldsFromFlags, fieldsFromInput } from '../profile/fields.ts';
import { parseWholeProfile } from '../profile/presets.ts';
import { profileNames, readProfile } from '../profile/profile-secret.ts';
import { collectPairs } from '../shared/arguments.ts';
import { CliError, EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { AddCommands, Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { askForFields } from './ask.ts';
import { checkProfile } from './check.ts';
import { renderList, renderProfile, summaryOf } from './render.ts';

interface AddOptions {
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
}

const GROUP_HELP = `
A profile is one OAuth client at one provider: the secret
<prefix>profiles/<name>. Every field is described in docs/profiles.md, the known
providers in docs/providers.md.`;

const ADD_HELP = `
Secrets come from a prompt or from --stdin, never from the command line: either
the secret alone, or a JSON object of fields. On a terminal, what is missing is
asked for.

Examples:
  $ oauth-token-refresher profiles add crm                 (asks)
  $ oauth-token-refresher profiles add crm --provider salesforce \\
      --client-id 3MVG9
  $ pass crm | oauth-token-refresher profiles add crm --client-id crm \\
      --issuer https://id.example.com --scope "openid offline_access" --stdin
  $ oauth-token-refresher profiles add crm --stdin < profile.json
  $ oauth-token-refresher profiles add crm --change --scope "openid email"
  $ pass crm-new | oauth-token-refresher profiles add crm --change --stdin`;

const CHECK_HELP = `
What it proves, without spending any account's token:
  profile      the function can read and understand it
  endpoint     the token endpoint answers, and its certificate is trusted
  client       the provider knows the client and accepts its secret: a refresh
               token that was made up is presented, and "invalid_grant" is the
               answer wanted. A provider that looks at the token before the
               client answers the same, so there this proves less. Where HTTP
               Basic is refused, both encodings of id and secret are tried.
  permissions  you may read the accounts, and invoke the function
  function     it sees the profile too (a dry run for one of its accounts)
Exit codes: 0 all is well, 1 something is wrong, 3 something is not proved.

Examples:
  $ oauth-token-refresher profiles check crm
  $ oauth-token-refresher profiles check crm --parameter subdomain=acme`;

const REMOVE_HELP = `
The secret can be brought back for ${RECOVERY_DAYS} days (aws secretsmanager restore-secret).

Examples:
  $ oauth-token-refresher profiles remove crm
  $ oauth-token-refresher profiles remove crm --yes --force`;

export const addProfiles: AddCommands = (program, action) => {
  const profiles = program
    .command('profiles')
    .description('The OAuth clients that accounts are connected with.')
    .addHelpText('after', GROUP_HELP);
  profiles
    .command('add')
    .description('Creates a profile, or changes one.')
    .argument('<name>', 'what accounts call it')
    .option('--provider <preset>', 'a known provider, such as salesforce (docs/providers.md)')
    .option('--client-id <id>', 'the id that the provider gave the client')
    .option('--issuer <url>', 'from which the endpoints are found')
    .option('--token-endpoint <url>', 'where there is no issuer')
    .option('--authorization-endpoint <url>', 'where there is no issuer')
    .option('--scope <scope>', 'asked for when an account is connected')
    .option('--redirect-uri <url>', 'as registered, where the provider wants it exactly')
    .option('--auth-method <method>', 'token_endpoint_auth_method')
    .option('--set <field=value>', 'any other field; the value may be JSON', collectPairs)
    .option('--stdin', 'read the secret, or a JSON object of fields, from standard input')
    .option('--change', 'change the given fields of an existing profile')
    .option('--replace', 'replace an existing profile')
    .option('--kms-key <id>', "for the secret of a new profile, where it is not AWS's own")
    .addHelpText('after', ADD_HELP)
    .action(action(add));
  profiles
    .command('list')
    .description('Shows all profiles and their problems.')
    .addHelpText('after', '\nExamples:\n  $ oauth-token-refresher profiles list --json')
    .action(action(list, 'reads'));
  profiles
    .command('show')
    .description('Shows one profile with its preset and the defaults. Never shows secrets.')
    .argument('<name>')
    .addHelpText('after', '\nExamples:\n  $ oauth-token-refresher profiles show crm')
    .action(action(show, 'reads'));
  profiles
    .command('check')
    .description('Tests a profile: its endpoint, its client, and the permissions for it.')
    .argument('<name>')
    .option('--parameter <name=value>', "fills a {placeholder} of the profile's endpoints", collectPairs)
    .addHelpText('after', CHECK_HELP)
    .action(action(checkProfile));
  profiles
    .command('remove')
    .description('Deletes a profile. Refuses while accounts use it.')
    .argument('<name>')
    .option('--yes', 'do not ask')
    .option('--force', 'even if accounts use it; they fail from then on')
    .addHelpText('after', REMOVE_HELP)
    .action(action(remove));
};

async function add(context: Context, name: string, options: AddOptions): Promise<undefined> {
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
  const fields = asks ? await askForFields(given, context) : given;
  refuseInvalid(fields);
  const written = await writeProfile(fleet, { secretId, text: JSON.stringify(fields), before }, options);
  if (written === 'changed_by_another')
    throw new CliError(
      'PROFILE_CHANGED',
      `Somebody else has written the profile ${name} meanwhile. Nothing was written here. Look at it ("profiles show ${name}"), and run the command again.`,
    );
  const done = before.kind === 'found' ? 'changed' : 'created';
  const { paint } = terminal;
  terminal.result(
    `${paint('green', '✓')} The profile ${paint('bold', name)} is ${done}.\n  Prove it:            profiles check ${name}\n  Connect an account:  authorize <accountId> --profile ${name}`,
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

function refuseInvalid(fields: Fields): void {
  const parsed = parseWholeProfile(JSON.stringify(fields));
  if (parsed.kind === 'profile') return;
  const hint = /^(client_secret|private_key|tls_client_\w+): is missing/.test(parsed.problem)
    ? ' Give it by --stdin, or run the command on a terminal.'
    : '';
  throw new CliError('PROFILE_INVALID', `${parsed.problem}. Nothing was written.${hint}`, EXIT.usage);
}

async function list({ terminal, fleet: find }: Context): Promise<ExitCode> {
  const fleet = await find();
  const names = await profileNames(fleet);
  const profiles = [];
  for (const name of names) {
    const text = await readSecret(fleet.secrets, profileSecretIdOf(fleet.secretNamePrefix, name));
    profiles.push(summaryOf(name, text));
  }
  terminal.result(renderList(profiles, terminal), profiles);
  return profiles.some(({ problem }) => problem !== null) ? EXIT.attention : EXIT.done;
}

async function show({ terminal, fleet: find }: Context, name: string): Promise<ExitCode> {
  const { text, value, problem } = renderProfile(await readProfile(await find(), name), terminal);
  terminal.result(text, value);
  return problem === null ? EXIT.done : EXIT.attention;
}

async function firstUser(fleet: Fleet, profile: string): Promise<string | undefined> {
  for await (const { accountId } of accountsOf(fleet, profile)) return accountId;
  return undefined;
}

async function remove(
  { terminal, signal, fleet: find }: Context,
  name: string,
  { yes = false, force = false }: { yes?: boolean; force?: boolean },
): Promise<undefined> {
  const fleet = await find();
  await readProfile(fleet, name);
  const users = [];
  for await (const { accountId } of accountsOf(fleet, name)) users.push(accountId);
  const [first] = users;
  const used =
    users.length === 1 ? `the account ${first} uses` : `${users.length} accounts, such as ${first}, use`;
  if (first !== undefined && !force)
    throw new CliError(
      'PROFILE_USED',
      `The profile ${name} stays: ${used} it. Remove or reconnect them first, or add --force.`,
    );
  if (!yes) {
    if (!terminal.interactive)
      throw new CliError('USAGE', 'This needs your confirmation. Add --yes to remove it.', EXIT.usage);
    const message =
      first === undefined ? `Remove the profile ${name}?` : `Remove ${name}, though ${used} it?`;
    const sure = await confirm(
      { message, default: false },
      { input: terminal.stdin, output: terminal.stderr, signal },
    );
    if (!sure) throw new CliError('NOT_CONFIRMED', 'Nothing was removed.');
  }
  const secretId = profileSecretIdOf(fleet.secretNamePrefix, name);
  await deleteSecret(fleet.secrets, secretId);
  const late = force ? undefined : await firstUser(fleet, name);
  if (late !== undefined) {
    await restoreSecret(fleet.secrets, secretId);
    throw new CliError(
      'PROFILE_USED',
      `The profile ${name} stays: the account ${late} was connected with it just now. Remove or reconnect it first, or add --force.`,
    );
  }
  terminal.result(
    `${terminal.paint('green', '✓')} The profile ${name} is removed; it can be brought back for ${RECOVERY_DAYS} days.`,
    { name, removed: true, recoveryDays: RECOVERY_DAYS },
  );
  return undefined;
}
