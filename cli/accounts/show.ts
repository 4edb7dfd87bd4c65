import { parseAccount } from '../../core/account/account.ts';
import { HIDDEN_NAME, looksLikeName } from '../../core/field-name.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { PARAMETER_VALUE } from '../../core/profile/placeholders.ts';
import { isReason, REASONS } from '../../core/reason.ts';
import { turnOf } from '../../core/who-can-help.ts';
import { widthOf, wrapTo } from '../../terminal/display-text.ts';
import { type Fact, factLines, paragraph } from '../../terminal/facts.ts';
import { duration, type FleetItem, nameOf, statusOf } from '../../terminal/fleet-table.ts';
import { copyableName, printable } from '../../terminal/printable.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { runForAccounts } from '../shared/run-function.ts';
import { shellWord } from '../shared/shell-word.ts';
import { escrowKind } from './escrow.ts';
import { now, readAccount } from './items.ts';
import { failureIn, needsAttention, summaryOf, textIn } from './list.ts';
import { readTokenSecret, type TokenSecret } from './show-secret.ts';

export interface ShowOptions {
  /** A secret that is not the account's usual one, named by the person. */
  readonly tokenSecret?: string;
}

/** Everything that is known about one account, without its tokens. */
export async function showAccount(
  { terminal, fleet }: Context,
  accountId: string,
  { tokenSecret: named }: ShowOptions,
): Promise<undefined> {
  const target = await fleet();
  const item = await readAccount(target, accountId);
  const [secret, found] = await Promise.all([
    readTokenSecret(target, item, named),
    isOAuth(item) ? decisionOf(target, accountId) : NOT_OAUTH,
  ]);
  const decision =
    item.waitsForProfile === true && found.action === 'refresh' ? { ...found, ...PERHAPS } : found;
  const at = now();
  const { authorizedBy, authorizedAt, enabled, parameters, authenticationType } = item;
  const value = {
    ...summaryOf(item, at),
    authenticationType: textIn(authenticationType),
    enabled: typeof enabled === 'object' ? undefined : enabled,
    parameters: shownParameters(parameters),
    authorizedBy: textIn(authorizedBy),
    authorizedAt,
    tokenSecret: secret,
    decision,
    advice: adviceOf(item, decision),
    turn: turnOf(reasonToActOn(item, decision)),
  };
  terminal.result(textOf({ item, secret, decision }, at, terminal), value);
}

interface DecisionShown {
  readonly action?: string;
  /** Why, where the item itself tells. */
  readonly because?: string;
  readonly reason?: string;
  /** Why there is none. */
  readonly problem?: string;
}

const isOAuth = ({ authenticationType }: FleetItem) => authenticationType === 'oauth2';

/** The function passes such an item over when it scans the table, and refuses it where it is named. */
const NOT_OAUTH: DecisionShown = { action: 'leave', because: 'it is not an OAuth account' };

/** The function is asked about this account alone; a run of the schedule has others of its profile, too. */
const PERHAPS = { because: 'a few of a failing profile are tried, and it may be one of them' };

/** What a run would do with the account now, by the function's own word: a dry run changes nothing. */
async function decisionOf(fleet: Fleet, accountId: string): Promise<DecisionShown> {
  try {
    const [report] = await runForAccounts(fleet, [accountId], { dryRun: true });
    return report === undefined
      ? { problem: 'The function did not report on it.' }
      : { action: report.action, reason: report.reason };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

const ACTIONS: Readonly<Record<string, string>> = {
  leave: 'leave it alone',
  refresh: 'refresh it',
  reconcile: 'record the newer token set in the secret, without a refresh',
  retry: 'record the problem and try again later',
  reauthorize: 'wait for a person',
  defer: 'leave it to a later run',
};

/** What a person can do; undefined where nothing needs doing. */
function adviceOf(item: FleetItem, decision: DecisionShown): string | undefined {
  return ownAdviceOf(item, decision) ?? resumeAdviceOf(item);
}

function resumeAdviceOf(item: FleetItem): string | undefined {
  const { paused, enabled, oauthProfile } = item;
  if (paused === undefined || enabled === false || !isOAuth(item)) return undefined;
  return paused === 'profile'
    ? `Its profile is paused. Run: resume --profile ${shellWord(String(oauthProfile))}`
    : 'Everything is paused. Run: resume';
}

function ownAdviceOf(item: FleetItem, decision: DecisionShown): string | undefined {
  const { accountId } = item;
  const reason = reasonToActOn(item, decision);
  if (!isReason(reason)) return undefined;
  const { remedy, severity } = REASONS[reason];
  if (severity === 'person' || reason === 'secret_missing')
    return `${remedy} Run: authorize ${shellWord(accountId)}`;
  if (reason === 'disabled' && item.enabled !== false) return undefined;
  if (reason === 'disabled') return `Run: accounts enable ${shellWord(accountId)}`;
  return remedy === '' ? undefined : remedy;
}

function reasonToActOn(item: FleetItem, decision: DecisionShown): string | undefined {
  const { reason } = (item.failure ?? {}) as { reason?: unknown };
  return needsAttention(item) && isReason(reason) ? reason : decision.reason;
}

/** What was read of the account. */
interface Read {
  readonly item: FleetItem;
  readonly secret: TokenSecret;
  readonly decision: DecisionShown;
}

function textOf({ item, secret, decision }: Read, at: number, terminal: Terminal): string {
  const { paint } = terminal;
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ['', paint('bold', title), ...lines];
  const parsed = parseAccount(item);
  const { message, count, since } = failureIn(item.failure) ?? {};
  const problem = parsed.kind === 'invalid' ? parsed.problem : '';
  const trouble = [
    ...(item.waitsForProfile === true ? [`It waits for its profile ${text(item.oauthProfile)}.`] : []),
    ...(typeof message === 'string' ? [message] : []),
    ...(isOAuth(item) && parsed.kind === 'invalid' && !String(message).includes(problem)
      ? [`The item can't be used: ${problem}.`]
      : []),
  ];
  const often =
    typeof since === 'number'
      ? `For ${duration(at - since)}; ${count === 1 ? 'seen once' : `${count} times in a row`}.`
      : undefined;
  const advice = new Set([adviceOf(item, decision), resumeAdviceOf(item)]);
  const turn = turnOf(reasonToActOn(item, decision));
  const paragraphs = (texts: readonly (string | undefined)[]) =>
    texts.flatMap((text) => (text === undefined ? [] : [paragraph(text, terminal)]));
  return [
    ...headline(item, terminal),
    '',
    ...factLines(itemFacts(item, secret, at), terminal),
    ...section('Token secret', factLines(secretFacts(secret, at), terminal)),
    ...section('A run would now', paragraphs([decisionText(decision)])),
    ...section('Trouble', trouble.length === 0 ? [] : paragraphs([...trouble, often])),
    ...section('What to do', paragraphs([...advice, turn && `It is the turn of ${turn}.`])),
  ].join('\n');
}

function headline(item: FleetItem, { paint, width }: Terminal): string[] {
  const [status, style] = statusOf(item);
  const id = copyableName(item.accountId);
  const title = nameOf(item) === item.accountId ? id : `${nameOf(item)} (${id})`;
  const lines = wrapTo(printable(title), width).map((line) => paint('bold', line));
  const last = lines.pop() ?? '';
  const room = widthOf(last) + 2 + status.length <= width;
  return [...lines, ...(room ? [`${last}  ${paint(style, status)}`] : [last, paint(style, status)])];
}

function decisionText({ action = '', reason, problem, because }: DecisionShown): string {
  if (problem !== undefined) return problem;
  if (because !== undefined) return `${ACTIONS[action]}: ${because}.`;
  const meaning = isReason(reason) ? `: ${REASONS[reason].meaning}` : '';
  const why = reason === undefined ? '' : ` (${printable(reason)})`;
  return `${ACTIONS[action] ?? printable(action)}${meaning}${why}.`;
}

function itemFacts(item: FleetItem, secret: TokenSecret, at: number): Fact[] {
  const { oauthProfile, parameters, accessTokenExpiresAt, refreshTokenExpiresAt, lastRefreshedAt } = item;
  const { nextAttemptAt, lease, escrow, authorizedBy, authorizedAt, doesNotExpire } = item;
  const { owner, expiresAt } = (lease ?? {}) as Record<string, unknown>;
  const held = typeof expiresAt === 'number' && expiresAt > at;
  return [
    ['profile', text(oauthProfile)],
    ['parameters', parameters === undefined ? undefined : JSON.stringify(shownParameters(parameters))],
    [
      'access token',
      doesNotExpire === true ? 'does not expire' : instant(accessTokenExpiresAt, at, 'expires', 'expired'),
    ],
    [
      'refresh token',
      // The secret knows it first: of an account that no run has looked at yet, only that does.
      instant(refreshTokenExpiresAt ?? secret.refreshTokenExpiresAt, at, 'expires', 'expired') ??
        'no expiry is known',
    ],
    ['refreshed', instant(lastRefreshedAt, at, '', '') ?? 'never'],
    ['next attempt', instant(nextAttemptAt, at, '', 'due since')],
    [
      'lease',
      lease === undefined
        ? 'none'
        : `${held ? 'held' : 'left behind'} by attempt ${owner}, ${instant(expiresAt, at, 'ends', 'ended')}`,
    ],
    ['escrow', escrow === undefined ? undefined : escrowText(item, at)],
    ['authorized by', text(authorizedBy) ?? 'nobody knows'],
    ['authorized', instant(authorizedAt, at, '', '') ?? 'nobody knows: imported, or before this was kept'],
  ];
}

/** What lies in escrow, and whether a person has to do anything about it. */
function escrowText({ accountId, escrow }: FleetItem, at: number): string {
  const since = instant((escrow as { at?: unknown } | null)?.at, at, '', 'since');
  switch (escrowKind(escrow)) {
    case 'token':
      return `a refresh token waits to be stored, ${since}; the next run does it`;
    case 'candidate':
      return `what looks like a refresh token came with an odd response, ${since}; it is tried at the next attempt`;
    case 'answer':
      return `a response in which no token could be read, ${since}; look at it: accounts answer ${shellWord(accountId)} --out FILE`;
    default:
      return `something that this version does not know, ${since}`;
  }
}

function secretFacts(secret: TokenSecret, at: number): Fact[] {
  const { id, problem, fields, scope, writtenAt, versions, obtainedAt, expiresAt } = secret;
  return [
    ['name', id],
    ['problem', problem],
    ['holds', fields?.join(', ')],
    ['scope', scope],
    ['obtained', instant(obtainedAt, at, '', '')],
    ['access token', instant(expiresAt, at, 'expires', 'expired')],
    ['refresh token', instant(secret.refreshTokenExpiresAt, at, 'expires', 'expired')],
    ['written', instant(writtenAt, at, '', '')],
    ['versions', versions === undefined ? undefined : String(versions)],
  ];
}

function text(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return typeof value === 'string' ? value : '(not text)';
}

/** Parameters fill addresses, so their values are shown; anything else that somebody has put there is not. */
function shownParameters(parameters: unknown): unknown {
  if (parameters === undefined) return undefined;
  if (!isJsonObject(parameters)) return '(no map)';
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => {
      if (!looksLikeName(name)) return [HIDDEN_NAME, 'set'];
      const plain = typeof value === 'string' && PARAMETER_VALUE.test(value);
      return [name, plain && !/secret|token|password|key/i.test(name) ? value : 'set'];
    }),
  );
}

/** "expires in 12 min (2026-01-31 09:30:00Z)"; undefined for what is no time. */
function instant(seconds: unknown, at: number, ahead: string, past: string): string | undefined {
  if (typeof seconds !== 'number') return undefined;
  const date = new Date(seconds * 1000);
  const written = Number.isNaN(date.getTime())
    ? ''
    : ` (${date.toISOString().slice(0, 19).replace('T', ' ')}Z)`;
  const when =
    seconds > at ? `${ahead} in ${duration(seconds - at)}` : `${past} ${duration(at - seconds)} ago`;
  return `${when.trim()}${written}`;
}
