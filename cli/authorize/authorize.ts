import { isFree, readAccount } from '../../adapters/authorization/account-item.ts';
import { createAuthorizationRequest } from '../../adapters/authorization/authorization-request.ts';
import { type KeptGrant, keepGrant } from '../../adapters/authorization/keep-grant.ts';
import { busy } from '../../adapters/authorization/leased-account.ts';
import { openProvider, type Provider } from '../../adapters/authorization/provider.ts';
import type { Wanted } from '../../adapters/authorization/wanted.ts';
import { labelOf } from '../../core/account/account.ts';
import type { Profile } from '../../core/profile/profile.ts';
import { withoutUserinfo } from '../../core/profile/shown-address.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { CliError, EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { repeatThrottled } from '../shared/throttling.ts';
import { browserFlow } from './browser.ts';
import type { ConsentFlow } from './consent.ts';
import { deviceFlow } from './device.ts';
import { isLoopback, startLoopback } from './loopback.ts';
import { PASTE_REDIRECT_URI, pasteFlow } from './paste.ts';
import { type Preflight, preflight } from './preflight.ts';
import { connectedPage, failedPage, type Outcome, outcomeText, outcomeValue } from './result.ts';
import { showToFunction } from './show-to-function.ts';
import { type WantedOptions, wantedAccount } from './wanted.ts';

export interface AuthorizeOptions extends WantedOptions {
  readonly with?: Readonly<Record<string, string>>;
  readonly device?: true;
  readonly paste?: true;
  readonly browser: boolean;
  readonly timeout: number;
}

export async function authorize(
  context: Context,
  accountId: string,
  options: AuthorizeOptions,
): Promise<ExitCode | undefined> {
  const { terminal } = context;
  // A call that is throttled after the sign-in must not cost another one.
  const fleet = repeatThrottled(await context.fleet(), context.signal);
  const outcome = await authorizeOne(context, fleet, accountId, options);
  terminal.result(outcomeText(terminal, outcome), outcomeValue(outcome));
  return outcome.seen.kind === 'trouble' ? EXIT.attention : EXIT.done;
}

/** Has somebody sign in for one account, and keeps the grant. @throws CliError where it did not work */
export async function authorizeOne(
  context: Context,
  fleet: Fleet,
  accountId: string,
  options: AuthorizeOptions,
): Promise<Outcome> {
  const { terminal } = context;
  const known = await readAccount(fleet, accountId);
  const wanted = await wantedAccount(fleet, accountId, known, options);
  // Better found out now than after somebody has signed in.
  if (known !== undefined && !(await isFree(fleet, accountId))) throw busy(accountId);
  const redirectUri = redirectFor(wanted.profile, options);
  const found = await preflight(fleet, wanted);
  const kept = await signIn(context, { fleet, wanted, options, redirectUri }, found);
  const seen = await showToFunction(fleet, accountId, kept.tokenSet, terminal);
  return { wanted, kept, seen, label: labelOf(wanted.account) };
}

function redirectFor({ redirect_uri }: Profile, { device, paste }: AuthorizeOptions): string | undefined {
  if (device) return undefined;
  if (paste) return redirect_uri;
  if (redirect_uri !== undefined && !isLoopback(redirect_uri))
    throw new CliError(
      'REDIRECT_ELSEWHERE',
      `The profile's redirect_uri ${withoutUserinfo(redirect_uri)} is not on this machine, so no response can come here. Use --paste.`,
    );
  return redirect_uri;
}

/** The account to sign in for, and how. */
interface SignIn {
  readonly fleet: Fleet;
  readonly wanted: Wanted;
  readonly options: AuthorizeOptions;
  readonly redirectUri: string | undefined;
}

async function signIn({ terminal, signal }: Context, asked: SignIn, found: Preflight): Promise<KeptGrant> {
  const { fleet, wanted, options } = asked;
  const { account } = wanted;
  const { accountId, oauthProfile } = account;
  // Nobody is asked to sign in any more after Ctrl-C.
  signal.throwIfAborted();
  const { flow, provider } = await startFlow(terminal, asked);
  try {
    const consent = await flow.wait(stopping(signal, options.timeout));
    terminal.progress('Storing the new grant …');
    const kept = await keepGrant(
      consent,
      {
        stores: fleet,
        wanted,
        wishes: options,
        ...found,
        onWait: () => terminal.progress(`Waiting for a run of the function that holds ${accountId} …`),
      },
      provider,
    );
    flow.show(connectedPage(labelOf(account), oauthProfile, kept));
    return kept;
  } catch (error) {
    flow.show(failedPage(error, labelOf(account), wanted.exists));
    throw error;
  } finally {
    terminal.progress(undefined);
    await flow.close();
    provider.close();
  }
}

async function startFlow(
  terminal: Terminal,
  { fleet, wanted, options, redirectUri }: SignIn,
): Promise<{ flow: ConsentFlow; provider: Provider }> {
  const { account, profile } = wanted;
  const { device, paste, browser, with: more = {} } = options;
  const { addresses } = fleet;
  if (device) {
    const provider = await openProvider(profile, account, undefined, addresses);
    return { flow: deviceFlow(provider, terminal), provider };
  }
  if (paste) {
    const to = redirectUri ?? PASTE_REDIRECT_URI;
    const provider = await openProvider(profile, account, to, addresses);
    const request = await createAuthorizationRequest(provider, to, more);
    return { flow: pasteFlow(request, terminal), provider };
  }
  const state: { isOurs?: (answer: URLSearchParams) => boolean } = {};
  const loopback = await startLoopback(
    redirectUri,
    (answer) => state.isOurs?.(answer) ?? false,
    (why) =>
      terminal.say(
        `A response ${why === 'another_state' ? 'to another sign-in' : 'from another browser'} came and was not used. Still waiting for the right one.`,
      ),
  );
  try {
    const provider = await openProvider(profile, account, loopback.redirectUri, addresses);
    const request = await createAuthorizationRequest(provider, loopback.redirectUri, more);
    state.isOurs = request.isOurs;
    return { flow: browserFlow(request, loopback, browser, terminal), provider };
  } catch (error) {
    await loopback.close();
    throw error;
  }
}

const DAY = 86_400;

/** Ends the wait for the person: by Ctrl-C, or when the time is over. @param timeout seconds */
function stopping(signal: AbortSignal, timeout: number): AbortSignal {
  const ended = new AbortController();
  const timer = setTimeout(
    () =>
      ended.abort(
        new CliError(
          'TIMEOUT',
          `Nobody answered in ${timeout} s. Nothing has changed. Run the command again. Use --timeout to wait for longer.`,
        ),
      ),
    // No timer takes more than 24 days.
    Math.min(timeout, DAY) * 1_000,
  );
  timer.unref();
  return AbortSignal.any([signal, ended.signal]);
}
