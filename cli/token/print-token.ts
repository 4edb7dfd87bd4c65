import { setTimeout as wait } from 'node:timers/promises';
import { foreignKeeperOf, keptByOf, takeOver } from '../../adapters/authorization/keeper.ts';
import { type TokenSecret, tokenSecretOf } from '../../adapters/authorization/secret-of-account.ts';
import { isDeleted } from '../../adapters/aws/secret-versions.ts';
import { createSecrets } from '../../adapters/aws/secrets.ts';
import { type ReadTokens, readTokenSet } from '../../adapters/aws/token-secret.ts';
import type { Report } from '../../core/account/outcome.ts';
import { isReason, REASONS } from '../../core/reason.ts';
import { printable } from '../../terminal/printable.ts';
import { now, readItem } from '../accounts/items.ts';
import { CliError, EXIT } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import { waitsForDeletion } from '../shared/deleted-secret.ts';
import type { Fleet } from '../shared/fleet.ts';
import { readKeeper } from '../shared/keeper.ts';
import { type RunOptions, runForAccounts } from '../shared/run-function.ts';
import { shellWord } from '../shared/shell-word.ts';

export interface TokenOptions {
  /** Seconds for which the token must still be good. */
  readonly for: number;
  /** Seconds to wait for another run that refreshes the account. */
  readonly wait: number;
  /** A secret that is not the account's usual one, named by the person. */
  readonly tokenSecret?: string;
}

/** What is handed out; never a refresh token. */
interface GoodToken {
  readonly access_token: string;
  readonly token_type: string;
  /** Seconds since the epoch; absent where the token does not expire. */
  readonly expires_at?: number;
}

interface StoredToken extends GoodToken {
  /** Seconds since the epoch; undefined where the token set came from elsewhere. */
  readonly obtained_at: number | undefined;
}

const handedOut = ({ access_token, token_type, expires_at }: StoredToken): GoodToken => ({
  access_token,
  token_type,
  ...(expires_at !== undefined && { expires_at }),
});

/** Seconds for which a token is still good; without end where it does not expire. */
function left({ expires_at }: GoodToken): number {
  return expires_at === undefined ? Number.POSITIVE_INFINITY : expires_at - now();
}

/** Seconds for which the account's tokens are good when they are new; without end where that is not known. */
function lifetimeOf({ expires_at, obtained_at }: StoredToken): number {
  return obtained_at === undefined || expires_at === undefined
    ? Number.POSITIVE_INFINITY
    : expires_at - obtained_at;
}

export async function printToken(
  context: Context,
  accountId: string,
  options: TokenOptions,
): Promise<undefined> {
  const { terminal } = context;
  const token = await obtain(context, accountId, options);
  if (terminal.stdout.isTTY === true)
    terminal.say(
      `${terminal.paintRemark('yellow', 'warning')} The token is on your screen now. For a script, use $(…) or a pipe.`,
    );
  terminal.result(token.access_token, token);
}

/** The stored token while it is good for long enough; otherwise the function is asked, and the token read again. */
async function obtain(context: Context, accountId: string, options: TokenOptions): Promise<GoodToken> {
  const { terminal, signal } = context;
  const fleet = await context.fleet();
  const giveUpAt = Date.now() + options.wait * 1000;
  let run: RunOptions = {};
  let told = false;
  for (;;) {
    const stored = await readToken(fleet, accountId, options);
    if (stored !== undefined && left(stored) >= options.for) return handedOut(stored);
    // Each refresh would spend a refresh token and give a token that is too short again.
    if (stored !== undefined && lifetimeOf(stored) < options.for)
      throw livesTooShort(accountId, lifetimeOf(stored), options);
    signal.throwIfAborted();
    const [report] = await runForAccounts(await context.fleetToChange(), [accountId], run);
    if (report === undefined) signal.throwIfAborted();
    const next = nextStep({ accountId, report, stored }, run, options);
    if (next === 'read') {
      const fresh = await readAfterRefresh(fleet, accountId, options, {
        expected: report?.accessTokenExpiresAt ?? 0,
        giveUpAt,
        signal,
      });
      if (fresh !== undefined && left(fresh) >= options.for) return handedOut(fresh);
      if (run.force || report?.action === 'refresh') throw tooShort(accountId, fresh, options);
    }
    if (next === 'wait') {
      if (Date.now() >= giveUpAt) throw stillHeld(accountId, options);
      if (!told) terminal.say(`Another run holds ${printable(accountId)}; waiting for it …`);
      told = true;
      await wait(WAIT_MILLISECONDS, undefined, { signal });
    } else run = { force: true };
  }
}

const WAIT_MILLISECONDS = 500;

/** An account that the function has looked at, and what was stored before. */
interface Looked {
  readonly accountId: string;
  readonly report: Report | undefined;
  readonly stored: StoredToken | undefined;
}

/** What to do after the function has looked at the account. @throws CliError where there is no use in going on */
function nextStep(
  { accountId, report, stored }: Looked,
  { force = false }: RunOptions,
  options: TokenOptions,
): 'read' | 'wait' | 'force' {
  if (report === undefined)
    throw new CliError('REFRESH_FAILED', `The function did not report on ${printable(accountId)}.`);
  const { action, reason } = report;
  if (action === 'refresh' || action === 'reconcile' || reason === 'does_not_expire') return 'read';
  if (reason === 'leased_elsewhere') return 'wait';
  // Not due by the function's own window, which is shorter than what is asked for.
  if (reason === 'fresh' && !force) return 'force';
  throw refused(accountId, report, stored, options);
}

function refused(
  accountId: string,
  { action, reason }: Report,
  stored: StoredToken | undefined,
  options: TokenOptions,
): CliError {
  const id = printable(accountId);
  const meaning = isReason(reason) ? REASONS[reason].meaning : 'the function says';
  if (action === 'reauthorize')
    return new CliError(
      'REAUTHORIZATION_REQUIRED',
      `${id} needs a person: ${meaning} (${reason}). Run: authorize ${id}`,
      EXIT.attention,
    );
  if (reason === 'disabled')
    return new CliError('DISABLED', `${id} is disabled. Run: accounts enable ${id}. If it is paused: resume`);
  const rest = stored === undefined ? 0 : left(stored);
  const leftover = rest > 0 ? ` The stored token is good for ${rest} s. Ask for less with --for.` : '';
  return new CliError(
    'REFRESH_FAILED',
    `${id} has no token good for ${options.for} s: ${meaning} (${reason}).${leftover} More: accounts show ${id}`,
  );
}

/** Reads until the secret shows what the function has stored: a read soon after a store can give the version before. */
async function readAfterRefresh(
  fleet: Fleet,
  accountId: string,
  options: TokenOptions,
  { expected, giveUpAt, signal }: { expected: number; giveUpAt: number; signal: AbortSignal },
): Promise<StoredToken | undefined> {
  for (;;) {
    const token = await readToken(fleet, accountId, options);
    if ((token === undefined ? 0 : (token.expires_at ?? expected)) >= expected || Date.now() >= giveUpAt)
      return token;
    await wait(WAIT_MILLISECONDS, undefined, { signal });
  }
}

/** The access token that the secret holds, if it holds one and says until when it is good. */
async function readToken(
  fleet: Fleet,
  accountId: string,
  { tokenSecret }: TokenOptions,
): Promise<StoredToken | undefined> {
  const { tokenSecretId, authenticationType, doesNotExpire } = await readItem(fleet, accountId);
  if (authenticationType !== 'oauth2')
    throw new CliError(
      'NOT_OAUTH2',
      `${printable(accountId)} is no OAuth account: its authenticationType is not oauth2.`,
    );
  const secret = await tokenSecretOf(fleet, { accountId, tokenSecretId }, tokenSecret);
  const { id } = secret;
  const read = await readTokenSet(id, createSecrets(fleet.secrets, fleet.secrets));
  if (read.kind === 'failed' && read.reason === 'secret_missing' && (await isDeleted(fleet.secrets, id)))
    throw waitsForDeletion(
      'NO_TOKEN_SET',
      `${printable(accountId)} has no token set`,
      id,
      fleet.config.region,
    );
  if (read.kind === 'failed')
    throw new CliError('NO_TOKEN_SET', `${read.detail}. ${REASONS[read.reason].remedy}`);
  await refuseOthersTokens(fleet, accountId, secret, read);
  const { access_token, token_type = 'Bearer', expires_at, obtained_at } = read.tokenSet;
  if (access_token === undefined) return undefined;
  // Without a known end it is only good where the function knows that it has none.
  if (doesNotExpire === true) return { access_token, token_type, obtained_at };
  return expires_at === undefined ? undefined : { access_token, token_type, expires_at, obtained_at };
}

/**
 * Hands out nothing that may be anybody else's: not what another table's function or another account keeps, and beyond
 * the account's usual place only what this function has claimed, or the command line has stored, for it.
 *
 * @throws CliError
 */
async function refuseOthersTokens(
  fleet: Fleet,
  accountId: string,
  { id, beyond, keptFor: wanted }: TokenSecret,
  { tokenSet, version: { arn } }: ReadTokens,
): Promise<void> {
  const { kept_by: keptBy, kept_for: keptFor } = tokenSet;
  const table = { table: fleet.tableName, former: [] };
  const foreign =
    keptBy !== undefined && keptBy !== keptByOf(table, arn)
      ? foreignKeeperOf(keptBy, arn, await readKeeper(fleet))
      : undefined;
  if (foreign !== undefined)
    throw new CliError(
      'KEPT_ELSEWHERE',
      `The token secret ${printable(id)} is kept by the function of another table, ${printable(foreign)} (kept_by). Ask there. ${takeOver(printable(foreign))}`,
    );
  if (keptFor !== undefined && keptFor !== accountId)
    throw new CliError(
      'FOREIGN_SECRET',
      `The token secret ${printable(id)} is kept for another account, ${printable(keptFor)} (kept_for). Ask for the token of that one, or give ${printable(accountId)} a secret of its own.`,
    );
  if (beyond && ((keptBy ?? '') === '' || keptFor !== wanted))
    throw new CliError(
      'NOT_A_TOKEN_SET',
      `The secret ${printable(id)} does not say that it is kept for ${printable(accountId)} (kept_by), so nothing of it is shown. The function writes it there before its first refresh of the account. Or run: authorize ${printable(accountId)} --token-secret ${shellWord(id)}`,
    );
}

function livesTooShort(accountId: string, lifetime: number, { for: asked }: TokenOptions): CliError {
  return new CliError(
    'TOKEN_TOO_SHORT',
    `Tokens of ${printable(accountId)} live for ${lifetime} s, less than the ${asked} s asked for with --for. Nothing was refreshed.`,
  );
}

function tooShort(accountId: string, token: StoredToken | undefined, { for: asked }: TokenOptions): CliError {
  const rest = token === undefined ? 0 : left(token);
  return new CliError(
    'TOKEN_TOO_SHORT',
    `A new access token of ${printable(accountId)} is good for ${rest} s, less than ${asked} s. Ask for less with --for.`,
  );
}

function stillHeld(accountId: string, { wait: waited }: TokenOptions): CliError {
  return new CliError(
    'LEASED_ELSEWHERE',
    `Another run has held ${printable(accountId)} for ${waited} s. Try again, or wait for longer with --wait.`,
  );
}
