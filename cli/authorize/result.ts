import type { KeptGrant } from '../../adapters/authorization/keep-grant.ts';
import type { Wanted } from '../../adapters/authorization/wanted.ts';
import { wrapTo } from '../../terminal/display-text.ts';
import { printable } from '../../terminal/printable.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { asCliError } from '../shared/authorization-error.ts';
import { CliError } from '../shared/cli-error.ts';
import type { ResultPage } from './result-page.ts';
import type { Seen } from './show-to-function.ts';

export interface Outcome {
  readonly wanted: Wanted;
  readonly kept: KeptGrant;
  readonly seen: Seen;
  readonly label: string;
}

const INDENT = 16;

/** For people: the account, who signed in, and what the function says. */
export function outcomeText({ paint, width }: Terminal, { wanted, kept, seen, label }: Outcome): string {
  const { accountId, oauthProfile } = wanted.account;
  const done = kept.created ? 'connected' : 'reauthorized';
  const rows: (readonly [string, string])[] = [
    ['profile', oauthProfile],
    ['signed in as', signedInAs(kept)],
    ['function', functionSays(seen)],
  ];
  if (label !== accountId) rows.unshift(['name', label]);
  return [
    `${seen.kind === 'trouble' ? paint('yellow', '!') : paint('green', '✓')} ${paint('bold', printable(accountId))} is ${done}.`,
    ...rows.map(([name, value]) => {
      const lines = wrapTo(printable(value), width - INDENT);
      return `  ${name.padEnd(INDENT - 2)}${lines.join(`\n${' '.repeat(INDENT)}`)}`;
    }),
  ].join('\n');
}

/** The same for scripts. */
export function outcomeValue({ wanted, kept, seen }: Outcome) {
  const { accountId, oauthProfile } = wanted.account;
  return {
    accountId,
    oauthProfile,
    created: kept.created,
    authorizedBy: authorizedBy(kept) ?? null,
    function: {
      state: seen.kind,
      accessTokenExpiresAt: seen.kind === 'healthy' ? (seen.accessTokenExpiresAt ?? null) : null,
      message: seen.kind === 'later' ? seen.remark : seen.kind === 'trouble' ? seen.message : null,
    },
  };
}

function functionSays(seen: Seen): string {
  switch (seen.kind) {
    case 'healthy':
      return seen.accessTokenExpiresAt === undefined
        ? 'healthy; the access token does not expire'
        : `healthy; the access token is good until ${timeOf(seen.accessTokenExpiresAt)}`;
    case 'later':
      return seen.remark;
    case 'trouble':
      return `can't use it yet: ${seen.message}`;
  }
}

function timeOf(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

function authorizedBy({ identity }: KeptGrant): string | undefined {
  return identity.kind === 'known' ? identity.id : undefined;
}

function signedInAs(kept: KeptGrant): string {
  return authorizedBy(kept) ?? 'the provider does not say who';
}

/** The page for the one who signed in. */
export function connectedPage(label: string, profile: string, kept: KeptGrant): ResultPage {
  const existed = !kept.created;
  const person = authorizedBy(kept);
  return {
    outcome: 'connected',
    title: existed ? `${label} works again` : `${label} is connected`,
    text: [
      existed
        ? 'The new authorization was stored in place of the old one. Its access token is kept fresh from now on.'
        : 'The authorization was stored. Its access token is kept fresh from now on.',
    ],
    facts: [
      ['Account', label],
      ['Profile', profile],
      ...(person === undefined ? [] : ([['Signed in as', person.slice(person.indexOf('#') + 1)]] as const)),
    ],
  };
}

/** For the person in the browser, who knows nothing of profiles and options. The terminal has the details. */
const WHAT_HAPPENED: Readonly<Record<string, string>> = {
  ANOTHER_ACCOUNT: 'You signed in to another account there than the last time.',
  ANOTHER_PERSON: 'You signed in as somebody else than the last time.',
  CLIENT_REJECTED: 'The provider does not accept this application at the moment.',
  CODE_REFUSED: 'The provider says that this sign-in was used before, or took too long.',
  DENIED: 'The access was not allowed.',
  ISSUER_MISMATCH: 'The response came from another provider than the one where you signed in.',
  NO_REFRESH_TOKEN: 'You allowed the access, but the provider gave it only for a short time.',
  PERSON_UNKNOWN: 'The provider does not tell who you are. It must be the same person as the last time.',
  PROVIDER_UNAVAILABLE: 'The provider has a problem at the moment. Please try again later.',
  STORE_FAILED: 'You signed in, but the result could not be stored.',
};

/** The same page where it went wrong. */
export function failedPage(thrown: unknown, label: string, existed: boolean): ResultPage {
  const error = asCliError(thrown);
  const { code = '', message = '' } = error instanceof CliError ? error : {};
  return {
    outcome: 'failed',
    title: existed ? `${label} was not authorized again` : `${label} was not connected`,
    text: [
      WHAT_HAPPENED[code] ?? 'Something went wrong. It is not your fault.',
      `${/nothing has changed/i.test(message) ? 'Nothing has changed. ' : ''}The terminal says what to do next.`,
    ],
    facts: [['Account', label]],
  };
}
