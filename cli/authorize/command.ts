import { Option } from 'commander';
import { collectAccountIds, collectPairs, readDuration } from '../options/arguments.ts';
import { tokenSecretOption } from '../options/token-secret-option.ts';
import { CliError, EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { AddCommands, Context } from '../shared/command.ts';
import type { AuthorizeOptions } from './authorize.ts';
import type { ManyOptions } from './many.ts';

/** Seconds. */
export const DEFAULT_TIMEOUT = 300;

const HELP = `
A new account needs --profile. An account that exists is connected again in
place: it keeps its id and its history, and the next run uses it. The person who
connected it before must sign in again. To let somebody else, add --replace.

Ways to sign in:
  (default)  a browser on this machine; the provider sends it back to a port of
             127.0.0.1, or to the profile's redirect_uri where that has a port
  --device   a short code, entered in a browser on any other device
  --paste    a browser anywhere. At the end you paste the address that it shows.
             Use this if the profile's redirect_uri is not on this machine

Examples:
  $ oauth-token-refresher authorize acme --profile crm --name "Acme CRM"
  $ oauth-token-refresher authorize acme             (again, in place)
  $ oauth-token-refresher authorize acme --profile crm \\
      --parameter subdomain=acme
  $ oauth-token-refresher authorize acme --with prompt=select_account
  $ oauth-token-refresher authorize acme --device
  $ oauth-token-refresher authorize --needs-person --profile crm

Exit code 3: connected, but the function can't use it yet; it says why.
What each failure means: docs/authorizing.md.`;

export const addAuthorize: AddCommands = (program, action) => {
  program
    .command('authorize')
    .description('Connects an account by signing in at its provider, or repairs one in place.')
    .argument(
      '[accountIds...]',
      'the account; a new id makes a new account. Several, one after another',
      collectAccountIds,
    )
    .option('--needs-person', 'all accounts that need a person, one after another')
    .option('--profile <name>', 'the OAuth client to sign in with (see "profiles list")')
    .option('--name <name>', 'the name that people use for the account')
    .option('--parameter <name=value>', "fills a {placeholder} of the profile's endpoints", collectPairs)
    .option('--scope <scope>', "in place of the profile's scope")
    .option('--with <name=value>', 'a parameter to add to the sign-in request', collectPairs)
    .option('--device', 'sign in on another device, with a code')
    .option('--paste', 'sign in anywhere, and paste the address at the end')
    .option('--no-browser', 'open no browser, show the address only')
    .addOption(tokenSecretOption())
    .option('--replace', "let another person's grant, or another profile, take its place")
    .addOption(
      new Option('--timeout <duration>', 'how long to wait for you')
        .argParser(readDuration)
        .default(DEFAULT_TIMEOUT, '5m'),
    )
    .addHelpText('after', HELP)
    .action(action(authorize));
};

async function authorize(
  context: Context,
  accountIds: readonly string[],
  options: AuthorizeOptions & ManyOptions,
): Promise<ExitCode | undefined> {
  if (options.device && (options.paste || options.with !== undefined))
    throw new CliError('USAGE', '--device can’t be combined with --paste or --with.', EXIT.usage);
  const [accountId, ...more] = accountIds;
  if ((accountId === undefined) !== (options.needsPerson === true))
    throw new CliError('USAGE', 'Name accounts, or --needs-person: one of the two.', EXIT.usage);
  if (accountId !== undefined && more.length === 0)
    return (await import('./authorize.ts')).authorize(context, accountId, options);
  const single = (['name', 'parameter', 'tokenSecret'] as const).find((name) => options[name] !== undefined);
  if (single !== undefined)
    throw new CliError('USAGE', `--${OPTION[single]} goes with one account only.`, EXIT.usage);
  return (await import('./many.ts')).authorizeMany(context, accountIds, options);
}

const OPTION = { name: 'name', parameter: 'parameter', tokenSecret: 'token-secret' } as const;
