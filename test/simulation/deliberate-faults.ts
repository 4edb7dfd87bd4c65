import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

/** A text of the product, which is there once, and what takes its place. */
interface Edit {
  readonly find: string;
  readonly replace: string;
}

/** A mistake that somebody could make in the protocol, and that the simulator has to find. */
export interface DeliberateFault extends Edit {
  readonly name: string;
  readonly file: string;
  readonly also?: readonly Edit[];
  /** Less than one history in 20,000 shows it; one that does is in found-histories.json. */
  readonly isRare?: boolean;
}

const TABLE = 'adapters/aws/accounts-table.ts';
const ATTEMPT = 'lambda/attempt/refresh-account.ts';
const SPEND = 'lambda/attempt/spend-refresh-token.ts';
const KEEP = 'lambda/attempt/keep-response.ts';
const KEEP_TOKENS = 'lambda/attempt/keep-tokens.ts';
const RESTORE = 'lambda/attempt/restore-escrow.ts';
const REPLACE = 'lambda/attempt/replace-version.ts';
const CLAIM = 'lambda/attempt/claim-token-set.ts';
const JUDGE = 'lambda/attempt/judge-error.ts';
const RECORD = 'lambda/attempt/record.ts';
const OUTCOME = 'core/account/outcome.ts';
const DOUBT = 'core/account/doubt.ts';
const DECISION = 'core/account/decision.ts';
const STORE_GRANT = 'adapters/authorization/store-grant.ts';
const ITEM = 'adapters/authorization/account-item.ts';

const FREE = '`attribute_exists(#accountId) AND (#lease.#owner = :owner OR ${known})`';
const CONDITIONS = '[free, escrow, ...unchanged]';

export const deliberateFaults: readonly DeliberateFault[] = [
  {
    name: 'the lease is taken whoever holds it',
    file: TABLE,
    find: FREE,
    replace: "'attribute_exists(#accountId)'",
  },
  {
    name: 'the lease is taken though the item has changed',
    file: TABLE,
    find: CONDITIONS,
    replace: '[free, escrow]',
  },
  {
    name: 'the lease ends at the deadline, without a margin for clocks',
    file: ATTEMPT,
    find: 'export const LEASE_MARGIN = 2 * CLOCK_ERROR;',
    replace: 'export const LEASE_MARGIN = 0 * CLOCK_ERROR;',
  },
  {
    name: 'the lease lasts for ten seconds',
    file: ATTEMPT,
    find: 'Math.ceil(deadline / 1000) + LEASE_MARGIN',
    replace: 'Math.ceil(ports.clock.now() / 1000) + 10',
  },
  {
    name: "another's lease is given back",
    file: TABLE,
    find: "const ours = '#lease.#owner = :owner';",
    replace: "const ours = 'attribute_exists(#accountId)';",
  },
  {
    name: 'an old read is believed',
    file: DECISION,
    find: 'if (newest === undefined || now - newest >= STALE_READS_FOR + longestLease + clockDoubt) return false;',
    replace: 'if (now > 0) return false;',
  },
  {
    name: 'nobody looks for what a dead run has stored',
    file: ATTEMPT,
    find: 'if (lease === undefined || input.now >=',
    replace: 'if (lease === undefined || input.now >= 0 *',
  },
  {
    name: 'a token set is claimed by a plain put',
    file: CLAIM,
    find: 'ports.secrets.replace({ secretId, from, text, versionId }, CLAIM_TIMEOUT)',
    replace: 'ports.secrets.put(secretId, text, versionId, CLAIM_TIMEOUT)',
  },
  {
    name: 'nothing is put into escrow',
    file: KEEP_TOKENS,
    find: 'if (vault !== undefined && write !== undefined) current ??= attempt(write);',
    replace: 'if (vault === undefined && write !== undefined) current ??= attempt(write);',
  },
  {
    name: 'escrow begins when the time for the store is over',
    file: KEEP_TOKENS,
    find: `    failure = put.failure;
    escrow.begin();`,
    replace: '    failure = put.failure;',
    also: [{ find: 'if (!over) escrow.begin();', replace: 'over ||= false;' }],
  },
  {
    name: 'a new refresh token is not noticed, and not escrowed',
    file: KEEP,
    find: 'const rotated = merged.refresh_token !== grant.refreshToken;',
    replace: 'const rotated = response.tokens.refreshToken === undefined;',
  },
  {
    name: 'the refresh token that was sent is stored',
    file: KEEP,
    find: 'const merged = mergeTokenSet({ ...grant.tokenSet, refresh_token: sentToken }, response.tokens, obtainedAt);',
    replace:
      'const merged = { ...mergeTokenSet(grant.tokenSet, response.tokens, obtainedAt), refresh_token: sentToken };',
  },
  {
    name: 'escrow goes home over a newer grant',
    file: RESTORE,
    find: 'if (tokenSet.refresh_token === undefined || holdsSuperseded(read, escrowed)) return true;',
    replace: 'if (tokenSet !== undefined) return true;',
  },
  {
    name: 'escrow is taken away though it could not go home',
    file: RESTORE,
    find: "if (moved.kind !== 'read') return moved;",
    replace: "if (moved.kind !== 'read') return { ...moved, escrow: 'done' };",
  },
  {
    name: 'escrow is called out of date though it is not',
    file: RESTORE,
    find: 'if (!isSuperseded(home.read, content) || refreshToken === undefined)',
    replace: 'if (isSuperseded(home.read, content) || refreshToken === undefined)',
  },
  {
    name: 'the key of the escrow is asked for when it is needed',
    file: 'lambda/run.ts',
    find: 'if (!request.dryRun) await escrowKey(ports);',
    replace: 'if (request.dryRun) await escrowKey(ports);',
  },
  {
    name: 'an exchange is repeated as what it brought could not be stored',
    file: SPEND,
    find: `  return {
    kind: 'end',
    outcome: await keepGranted(attempt, { profile, grant, sentToken, ...heard }, response, ports),
  };`,
    replace: `  const outcome = await keepGranted(attempt, { profile, grant, sentToken, ...heard }, response, ports);
  if (outcome.reason === 'store_unavailable' && !unanswered)
    return { kind: 'again', progress: { ...progress, unanswered: true } };
  return { kind: 'end', outcome };`,
  },
  {
    name: 'a dead grant is believed at once',
    file: 'core/account/evidence.ts',
    find: "if (failure === undefined || isFirstAgain(failure, note)) return 'first';",
    replace: "if (failure === undefined || isFirstAgain(failure, note)) return 'believed';",
  },
  {
    name: 'a dead grant is believed after five minutes',
    file: 'core/account/evidence.ts',
    find: 'return age >= HOUR || (age >= QUARTER && grantedSince)',
    replace: 'return age >= 300 || (age >= QUARTER && grantedSince)',
  },
  {
    name: 'an older version is taken for a new grant',
    file: JUDGE,
    find: 'if (before === undefined || createdAt === undefined || createdAt <= before) return undefined;',
    replace: 'if (before === undefined || createdAt === undefined) return undefined;',
  },
  {
    name: 'what looks like a new refresh token is not tried',
    file: SPEND,
    find: "return escrow.kind === 'try_first' ? escrow.content.refreshToken : refreshToken;",
    replace:
      "return refreshToken ?? (escrow.kind === 'try_first' ? escrow.content.refreshToken : undefined);",
  },
  {
    name: 'what looks like a new refresh token is dropped when it is first refused',
    file: JUDGE,
    find: `  if (verdict !== 'believed')
    return refused(attempt, { ...progress, anew: verdict === 'first' }, refusal, ports);`,
    replace: `  if (verdict === 'provider_wide')
    return refused(attempt, { ...progress, anew: false }, refusal, ports);`,
  },
  {
    name: 'an answer with an error is not looked through for tokens',
    file: KEEP,
    find: 'if (candidate !== undefined) return await keepCandidate(escrowedFrom(grant, candidate, at));',
    replace: "if (candidate !== undefined) return { kind: 'nothing' };",
  },
  {
    name: 'an answer that nobody can read is not kept',
    file: KEEP,
    find: "if (unread === undefined) return { kind: 'nothing' };",
    replace: "if (unread !== candidate || at > 0) return { kind: 'nothing' };",
  },
  {
    name: "a dead run's lease is gone after an attempt that is put off",
    file: OUTCOME,
    find: '    leaveLease: account.lease,\n',
    replace: '',
  },
  {
    name: "a dead run's lease raises no doubt",
    file: DOUBT,
    find: 'const harmless = kept || wasDeadBefore(account, read);',
    replace: 'const harmless = kept || !wasDeadBefore(account, read) || kept !== undefined;',
  },
  {
    name: 'when a set was stored is not written down',
    file: OUTCOME,
    find: 'lastRefreshedAt: obtainedAt ?? now,',
    replace: 'lastRefreshedAt: account.lastRefreshedAt ?? now,',
  },
  {
    name: 'a token set is spent without being claimed',
    file: CLAIM,
    find: 'if (isClaimed({ read, kept, keptFor })) return read;',
    replace: 'if (keptFor !== null) return read;',
  },
  {
    name: 'a set that another table keeps is taken',
    file: 'core/account/kept-by.ts',
    find: `    ? 'free'
    : 'foreign';`,
    replace: `    ? 'free'
    : 'ours';`,
  },
  {
    name: 'authorize takes no lease',
    file: ITEM,
    find: "if ((await table.lease(known.account, lease, now - CLOCK_DOUBT)) === 'leased') return known;",
    replace: 'if (table !== undefined) return known;',
  },
  {
    name: 'authorize believes its own clock',
    file: ITEM,
    find: 'const CLOCK_DOUBT = PERSONS_CLOCK_ERROR;',
    replace: 'const CLOCK_DOUBT = 0;',
  },
  {
    name: 'what a dead run has stored is only looked for, by a read',
    file: REPLACE,
    find: "const fence = await secrets.fence(secretId, version.text ?? '', attemptId, timeoutMilliseconds);",
    replace: "const fence = { kind: timeoutMilliseconds > 0 ? ('taken' as const) : ('stored' as const) };",
    also: [
      {
        find: "if (other.kind !== 'found') return { kind: 'stale' };",
        replace: "if (other.kind !== 'found') return { kind: 'stored' };",
      },
    ],
  },
  {
    name: 'escrow goes home while the store that failed can still land',
    file: RESTORE,
    find: "if (fenced?.kind !== 'stored')",
    replace: "fenced = { kind: 'stored' }; if (fenced.kind !== 'stored')",
    isRare: true,
  },
  {
    name: 'a doubt begins when this clock says so',
    file: DOUBT,
    find: 'return Math.max(now, obtainedAtOf(read) ?? 0);',
    replace: 'return now;',
  },
  {
    name: "a slow machine's sign-in counts as old",
    isRare: true,
    file: DECISION,
    find: 'return isPersons ? PERSONS_CLOCK_ERROR : 0;',
    replace: 'return isPersons ? 0 : 0;',
  },
  {
    name: 'an end is written though another has written one',
    file: TABLE,
    find: '`${ours} AND ${named} AND ${known}`',
    replace: '`${ours} AND ${named}`',
  },
  {
    name: 'an event that is refused at last counts as untold',
    file: RECORD,
    find: "return attempts === 1 && awsFailure(error).kind !== 'unavailable';",
    replace: "return attempts !== 0 && awsFailure(error).kind !== 'unavailable';",
  },
  {
    name: 'a late escrow is dated by when it was heard',
    isRare: true,
    file: KEEP,
    find: 'Math.min(content.obtainedAt, Math.floor(deadline / 1000))',
    replace: 'Math.max(content.obtainedAt, Math.floor(deadline / 1e9))',
  },
  {
    name: 'a claim counts as newer than what was spent for',
    isRare: true,
    file: DECISION,
    find: 'return isClaim === true || createdAt === undefined ||',
    replace: 'return isClaim === null || createdAt === undefined ||',
  },
  {
    name: 'an event that came too late stays the last',
    isRare: true,
    file: RECORD,
    find: "if (settled === 'conflict' && result === 'told')",
    replace: "if (settled !== 'conflict' && result !== 'told')",
  },
  {
    name: 'the versions are not counted before a claim',
    isRare: true,
    file: ATTEMPT,
    find: 'const isKnown = tokenSet.obtained_at !== undefined && isClaimed(owned);',
    replace: 'const isKnown = tokenSet !== undefined;',
  },
  {
    name: "a refusal that isn't believed yet counts as a death",
    isRare: true,
    file: DOUBT,
    find: "if (status !== 'reauthorization_required' || failure?.reason !== 'grant_revoked') return false;",
    replace: "if (status === undefined || failure?.reason !== 'grant_revoked') return false;",
  },
  {
    name: 'a second doubt is not noticed while the first one lasts',
    isRare: true,
    file: DOUBT,
    find: 'Math.max(failure?.ambiguousSince ?? 0, ofDeadRun ?? 0) || undefined',
    replace: 'failure?.ambiguousSince ?? ofDeadRun',
  },
  {
    name: 'a read is believed as if a store took no time',
    isRare: true,
    file: DECISION,
    find: 'STALE_READS_FOR + longestLease + clockDoubt',
    replace: 'STALE_READS_FOR + 2 * CLOCK_ERROR + clockDoubt',
  },
  {
    name: 'a read counts as one of now',
    isRare: true,
    file: REPLACE,
    find: 'const mayBeUnseen = readAfter < madeAt',
    replace: 'const mayBeUnseen = readAfter + 70 < madeAt',
  },
  {
    name: 'an escrow that goes home is dated by when it was obtained',
    isRare: true,
    file: RESTORE,
    find: 'nextObtainedAt(secondsOf(ports.clock), read, newest, escrowed.obtainedAt)',
    replace: 'nextObtainedAt(escrowed.obtainedAt, read, newest)',
  },
  {
    name: 'a sign-in is stored while the store that failed can still land',
    isRare: true,
    file: STORE_GRANT,
    find: 'if (versionId !== current.versionId)',
    replace: "if (versionId === '')",
  },
  {
    name: 'the versions are not counted after a fence',
    isRare: true,
    file: ATTEMPT,
    find: 'const isFirstVersion = account.lease === undefined && account.escrow === undefined;',
    replace: 'const isFirstVersion = account !== undefined;',
  },
];

const root = new URL('../../', import.meta.url);

/** The product's text with a fault in it. */
export function withFault({ file, find, replace, also = [] }: DeliberateFault, source: string): string {
  let text = source;
  for (const edit of [{ find, replace }, ...also]) {
    const [before, after, ...more] = text.split(edit.find);
    if (before === undefined || after === undefined || more.length > 0)
      throw new Error(`${file} has to have once: ${edit.find}`);
    text = before + edit.replace + after;
  }
  return text;
}

export function sourceOf({ file }: DeliberateFault): string {
  return readFileSync(new URL(file, root), 'utf8');
}

export function faultNamed(name: string): DeliberateFault {
  const fault = deliberateFaults.find((one) => one.name === name);
  if (fault === undefined) throw new Error(`There is no fault "${name}".`);
  return fault;
}

/** Whatever this thread imports from now on has the fault. */
export function injectFault(name: string): void {
  const fault = faultNamed(name);
  const faulty = new URL(fault.file, root).href;
  registerHooks({
    load: (url, context, next) => {
      const loaded = next(url, context);
      return url === faulty ? { ...loaded, source: withFault(fault, String(loaded.source)) } : loaded;
    },
  });
}
