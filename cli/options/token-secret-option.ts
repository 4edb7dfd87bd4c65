import { Option } from 'commander';

/** The option of each command that uses a token secret. */
export const tokenSecretOption = () =>
  new Option(
    '--token-secret <id>',
    'go to this secret, where the account names it and it is not its usual one',
  );
