import { AuthorizationError, type NextStep } from '../../adapters/authorization/authorization-error.ts';
import { printable } from '../../terminal/printable.ts';
import { CliError, EXIT } from './cli-error.ts';
import { shellWord } from './shell-word.ts';

/** What to do next, as commands and options. */
const NEXT_STEPS: Readonly<Record<NextStep, string | ((about: string) => string)>> = {
  add_authorization_endpoint: 'Add it with "profiles add --change", or try --device.',
  ask_for_offline_access:
    'Many providers want offline_access in the profile’s scope, or a parameter: --with access_type=offline.',
  ask_for_the_person:
    'Ask for a scope that tells who signed in, such as --scope "openid …". Or use --replace to take the grant all the same.',
  correct_client: 'Correct the profile’s client. "profiles check" tells more.',
  correct_profile: 'Correct the profile ("profiles add --change").',
  correct_request:
    'Check the profile’s scope, redirect_uri and token_request_parameters. The code may also be too old. Then run the command again.',
  give_parameter: 'Give it with --parameter <name>=<value>.',
  keep_profile: (profile) => `Leave --profile out to keep it, or add --replace to change it to ${profile}.`,
  leave_parameter_out: 'Leave it out of --with.',
  look_at_account: 'Look at it (accounts show), and run the command again.',
  name_profile: 'Name the profile to connect it with: --profile <name>.',
  name_secret: (secret) => `If it is this account's all the same, add --token-secret ${shellWord(secret)}`,
  try_again: 'Run the command again.',
  try_again_in_a_minute:
    'Run the command again in a minute. If that does not help, a run has died. Then wait for twenty minutes.',
  try_again_later: 'Run the command again later.',
  try_once_more: 'Run the command again to try once more.',
  use_browser: 'Use --paste instead.',
  use_newer_version: 'Use the command line of that version.',
  use_right_account: 'Sign in to the right one, or use --replace to connect the account with this one.',
  use_right_person: 'Sign in as the right person, or use --replace to give the account to this one.',
};

const USAGE = ['USAGE', 'NO_ACCOUNT'];

/** The one place where an error of the authorization becomes one of the command line; any other stays as it is. */
export function asCliError(error: unknown): unknown {
  if (!(error instanceof AuthorizationError)) return error;
  const { code, what, more } = error;
  const step = more.next === undefined ? undefined : NEXT_STEPS[more.next];
  const next = typeof step === 'function' ? step(more.about ?? '') : step;
  const message = [what, next, more.also].filter((part) => part !== undefined).join(' ');
  return new CliError(code, printable(message), USAGE.includes(code) ? EXIT.usage : EXIT.failed);
}
