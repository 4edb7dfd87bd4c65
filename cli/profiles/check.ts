import { InvocationType, InvokeCommand } from '@aws-sdk/client-lambda';
import { readAccount } from '../../adapters/authorization/account-item.ts';
import { accountsOf } from '../../adapters/authorization/other-accounts.ts';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import type { Account } from '../../core/account/account.ts';
import { REASONS } from '../../core/reason.ts';
import { wrapTo } from '../../terminal/display-text.ts';
import { printable } from '../../terminal/printable.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { readProfile } from '../profile/profile-secret.ts';
import { EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { askProvider, type Finding } from './ask-provider.ts';
import { shortProblem } from './render.ts';

export interface CheckOptions {
  readonly parameter?: Readonly<Record<string, string>>;
}

/** Proves a profile, as far as that goes without spending an account's token. */
export async function checkProfile(
  { terminal, fleet: find }: Context,
  name: string,
  { parameter }: CheckOptions,
): Promise<ExitCode> {
  const fleet = await find();
  const { parsed } = await readProfile(fleet, name);
  const findings: Finding[] = [];
  if (parsed.kind === 'invalid')
    findings.push({ what: 'profile', verdict: 'wrong', message: shortProblem(parsed.problem) });
  else {
    findings.push({ what: 'profile', verdict: 'proved', message: 'complete and understood' });
    terminal.progress('Asking the provider …');
    const { account, finding } = await anAccountOf(fleet, name);
    findings.push(
      ...(await askProvider(parsed.profile, parameter ?? account?.parameters, fleet)),
      finding,
      await askFunction(fleet, account),
    );
    terminal.progress(undefined);
  }
  const worst = ['wrong', 'open', 'proved'].find((verdict) =>
    findings.some((found) => found.verdict === verdict),
  );
  const shown = findings.map(({ what, verdict, message }) => ({ what, verdict, message }));
  terminal.result(render(name, findings, terminal), { name, verdict: worst, findings: shown });
  return worst === 'wrong' ? EXIT.failed : worst === 'open' ? EXIT.attention : EXIT.done;
}

const INDENT = 17;
const MARKS = {
  proved: ['green', '✓'],
  skipped: ['dim', '–'],
  open: ['yellow', '?'],
  wrong: ['red', '✗'],
} as const;

function render(name: string, findings: readonly Finding[], { paint, width }: Terminal): string {
  const lines = findings.map(({ what, verdict, message }) => {
    const [color, mark] = MARKS[verdict];
    const text = wrapTo(printable(message), width - INDENT).join(`\n${' '.repeat(INDENT)}`);
    return `  ${paint(color, mark)} ${what.padEnd(INDENT - 4)}${text}`;
  });
  return [paint('bold', name), ...lines].join('\n');
}

/** An account that uses the profile: it knows the parameters, and the function can be asked about it. */
export async function anAccountOf(
  fleet: Fleet,
  profile: string,
): Promise<{ readonly account: Account | undefined; readonly finding: Finding }> {
  const what = 'permissions';
  try {
    const first = await accountsOf(fleet, profile).next();
    const accountId = first.done ? undefined : first.value.accountId;
    const known =
      accountId === undefined ? undefined : await readAccount(fleet, accountId).catch(() => undefined);
    await fleet.lambda.send(
      new InvokeCommand({ FunctionName: fleet.functionName, InvocationType: InvocationType.DryRun }),
    );
    const message = 'you may read the profile and the accounts, and invoke the function';
    return { account: known?.account, finding: { what, verdict: 'proved', message } };
  } catch (error) {
    const { kind, code } = awsFailure(error);
    const message =
      kind === 'denied'
        ? `you may not read the accounts or invoke the function (${code})`
        : `could not be looked at (${code})`;
    return { account: undefined, finding: { what, verdict: kind === 'denied' ? 'wrong' : 'open', message } };
  }
}

/** Asks the function, which has its own permissions. A dry run changes nothing. */
async function askFunction(fleet: Fleet, account: Account | undefined): Promise<Finding> {
  const what = 'function';
  if (account === undefined)
    return { what, verdict: 'skipped', message: 'not asked: no account uses the profile yet' };
  try {
    const event = { accountIds: [account.accountId], force: true, dryRun: true };
    const { Payload, FunctionError } = await fleet.lambda.send(
      new InvokeCommand({ FunctionName: fleet.functionName, Payload: JSON.stringify(event) }),
    );
    if (FunctionError !== undefined)
      return { what, verdict: 'wrong', message: 'the dry run failed; see its log' };
    const { accounts = [] } = JSON.parse(Buffer.from(Payload ?? []).toString('utf8'));
    const reason: unknown = accounts[0]?.reason;
    if (reason === 'profile_missing' || reason === 'profile_invalid')
      return { what, verdict: 'wrong', message: `can't use it: ${REASONS[reason].meaning}` };
    return { what, verdict: 'proved', message: `reads it too (a dry run for ${account.accountId})` };
  } catch (error) {
    return { what, verdict: 'open', message: `could not be asked (${awsFailure(error).code})` };
  }
}
