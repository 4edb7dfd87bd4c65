import { RECOVERY_DAYS } from '../../core/account/secret-id.ts';
import type { Extent } from '../../terminal/list.ts';
import { collectPairs } from '../options/arguments.ts';
import type { AddCommands } from '../shared/command.ts';
import type { AddOptions } from './add.ts';
import type { CheckOptions } from './check.ts';
import type { RemoveOptions } from './existing.ts';

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
    .option('--unchecked', 'change it without asking the provider first')
    .option('--kms-key <id>', "for the secret of a new profile, where it is not AWS's own")
    .addHelpText('after', ADD_HELP)
    .action(action<[string, AddOptions]>(async (...all) => (await import('./add.ts')).addProfile(...all)));
  profiles
    .command('list')
    .description('Shows all profiles and their problems.')
    .option('--all', 'more than fit on the screen, too')
    .addHelpText('after', '\nExamples:\n  $ oauth-token-refresher profiles list --json')
    .action(
      action<[Pick<Extent, 'all'>]>(
        async (...all) => (await import('./existing.ts')).listProfiles(...all),
        'reads',
      ),
    );
  profiles
    .command('show')
    .description('Shows one profile with its preset and the defaults. Never shows secrets.')
    .argument('<name>')
    .addHelpText('after', '\nExamples:\n  $ oauth-token-refresher profiles show crm')
    .action(action<[string]>(async (...all) => (await import('./existing.ts')).showProfile(...all), 'reads'));
  profiles
    .command('check')
    .description('Tests a profile: its endpoint, its client, and the permissions for it.')
    .argument('<name>')
    .option('--parameter <name=value>', "fills a {placeholder} of the profile's endpoints", collectPairs)
    .addHelpText('after', CHECK_HELP)
    .action(
      action<[string, CheckOptions]>(async (...all) => (await import('./check.ts')).checkProfile(...all)),
    );
  profiles
    .command('remove')
    .description('Deletes a profile. Refuses while accounts use it.')
    .argument('<name>')
    .option('--yes', 'do not ask')
    .option('--force', 'even if accounts use it; they fail from then on')
    .addHelpText('after', REMOVE_HELP)
    .action(
      action<[string, RemoveOptions]>(async (...all) =>
        (await import('./existing.ts')).removeProfile(...all),
      ),
    );
};
