import { DeleteCommand } from '@aws-sdk/lib-dynamodb';
import { accountsOf } from '../../adapters/authorization/other-accounts.ts';
import { deleteSecret, readSecret, restoreSecret } from '../../adapters/aws/secret-versions.ts';
import { PROFILE_NOTE } from '../../core/account/account.ts';
import { profileSecretIdOf, RECOVERY_DAYS } from '../../core/account/secret-id.ts';
import { type Extent, showList } from '../../terminal/list.ts';
import { profileNames, readProfile } from '../profile/profile-secret.ts';
import { CliError, EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { type ProfileSummary, profilesTable, renderProfile, summaryOf } from './render.ts';

export interface RemoveOptions {
  readonly yes?: boolean;
  readonly force?: boolean;
}

export async function listProfiles(
  { terminal, fleet: find }: Context,
  { all = false }: Pick<Extent, 'all'>,
): Promise<ExitCode> {
  const fleet = await find();
  const names = await profileNames(fleet);
  const profiles: ProfileSummary[] = [];
  for (const name of names) {
    const text = await readSecret(fleet.secrets, profileSecretIdOf(fleet.secretNamePrefix, name));
    profiles.push(summaryOf(name, text));
  }
  const nothing = 'There are no profiles yet. Create one with "profiles add <name>".';
  // What is wrong is on the first screen.
  const rows = terminal.json ? profiles : profiles.toSorted((a, b) => wrong(b) - wrong(a));
  if (profiles.length === 0) terminal.result(nothing, []);
  else
    await showList(
      terminal,
      { rows, render: (some) => profilesTable(some, terminal), value: (some) => some },
      { all },
    );
  return profiles.some(({ problem }) => problem !== null) ? EXIT.attention : EXIT.done;
}

const wrong = ({ problem }: ProfileSummary) => (problem === null ? 0 : 1);

export async function showProfile({ terminal, fleet: find }: Context, name: string): Promise<ExitCode> {
  const { text, value, problem } = renderProfile(await readProfile(await find(), name), terminal);
  terminal.result(text, value);
  return problem === null ? EXIT.done : EXIT.attention;
}

async function firstUser(fleet: Fleet, profile: string): Promise<string | undefined> {
  for await (const { accountId } of accountsOf(fleet, profile)) return accountId;
  return undefined;
}

export async function removeProfile(
  { terminal, signal, fleet: find }: Context,
  name: string,
  { yes = false, force = false }: RemoveOptions,
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
    const { confirm } = await import('@inquirer/prompts');
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
  // What the function has noted about it would be told for two more days.
  const Key = { accountId: `${PROFILE_NOTE}${name}` };
  await fleet.table.send(new DeleteCommand({ TableName: fleet.tableName, Key }));
  terminal.result(
    `${terminal.paint('green', '✓')} The profile ${name} is removed; it can be brought back for ${RECOVERY_DAYS} days.`,
    { name, removed: true, recoveryDays: RECOVERY_DAYS },
  );
  return undefined;
}
