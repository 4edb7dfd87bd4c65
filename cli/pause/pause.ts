import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteCommand, PutCommand, paginateScan } from '@aws-sdk/lib-dynamodb';
import { ifConditionHolds } from '../../adapters/aws/aws-error.ts';
import { PAUSE_NOTE, pauseNoteOf } from '../../core/account/account.ts';
import { secondsOf } from '../../core/clock.ts';
import { duration, isAccount } from '../../terminal/fleet-table.ts';
import { copyableName } from '../../terminal/printable.ts';
import { findNote, readItems, requireProfile } from '../accounts/items.ts';
import { EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import { commandLine } from '../shared/command-line.ts';
import type { Fleet } from '../shared/fleet.ts';

export interface PauseOptions {
  readonly profile?: string;
  readonly wait?: true;
}

/** A run looks at the notes so often, seconds; what it has begun then ends. */
const SEEN_WITHIN = 10;
/** Seconds. */
const CLOCKS_DIFFER = 2;
/** Seconds between two looks at the leases. */
const LOOK_EVERY = 2;

/** Writes the note at which the function leaves accounts alone. Each account's own `enabled` stays as it is. */
export async function pause(context: Context, { profile, wait }: PauseOptions): Promise<ExitCode> {
  const { terminal } = context;
  const fleet = await context.fleet();
  if (profile !== undefined) await requireProfile(fleet, await readItems(fleet, terminal), profile);
  const accountId = profile === undefined ? PAUSE_NOTE : pauseNoteOf(profile);
  const now = secondsOf(fleet.clock);
  const isNew = await ifConditionHolds(() =>
    fleet.table.send(
      new PutCommand({
        TableName: fleet.tableName,
        Item: { accountId, at: now },
        ConditionExpression: 'attribute_not_exists(accountId)',
      }),
    ),
  );
  const known = isNew ? undefined : await findNote(fleet, accountId);
  const at = isNew ? now : typeof known?.at === 'number' ? known.at : undefined;
  const end = wait ? await untilIdle(context, fleet, { profile, since: now }) : 'not_waited';
  const what = whatOf(profile);
  const state = isNew
    ? 'paused'
    : `paused already, ${at === undefined ? 'nobody knows since when' : `since ${duration(now - at)} ago`}`;
  const rest = {
    not_waited: `A run that is at work sees it within ${SEEN_WITHIN} s and ends what it has begun.`,
    idle: 'Nothing of it is being refreshed any more.',
    interrupted: 'Stopped waiting. It stays paused.',
  }[end];
  const { paint } = terminal;
  terminal.result(
    `${paint('green', '✓')} ${what} in ${fleet.label} is ${state}. ${rest}\nTo go on:\n  ${resumeLine(context, profile)}`,
    { paused: profile ?? null, at: at ?? null, isNew, ...(wait && { idle: end === 'idle' }) },
  );
  return end === 'interrupted' ? EXIT.interrupted : EXIT.done;
}

/** Removes the note. */
export async function resume(context: Context, { profile }: PauseOptions): Promise<ExitCode> {
  const { terminal } = context;
  const fleet = await context.fleet();
  const accountId = profile === undefined ? PAUSE_NOTE : pauseNoteOf(profile);
  const { Attributes } = await fleet.table.send(
    new DeleteCommand({ TableName: fleet.tableName, Key: { accountId }, ReturnValues: 'ALL_OLD' }),
  );
  if (Attributes === undefined && profile !== undefined)
    await requireProfile(fleet, await readItems(fleet, terminal), profile);
  const others = await pausesOf(fleet);
  const nameIn = (key: string) => (key === PAUSE_NOTE ? undefined : key.slice(PAUSE_NOTE.length + 1));
  const isStillPaused = profile !== undefined && others.includes(PAUSE_NOTE);
  const what = whatOf(profile);
  const said =
    Attributes === undefined
      ? `There is no pause of ${what.charAt(0).toLowerCase()}${what.slice(1)} in ${fleet.label}.`
      : `${what} in ${fleet.label} is no longer paused.`;
  const lines = [
    `${terminal.paint('green', '✓')} ${said}`,
    ...(isStillPaused
      ? ['Everything is still paused. To go on:', `  ${resumeLine(context, undefined)}`]
      : []),
    ...(profile === undefined && others.length > 0
      ? ['Still paused. To go on:', ...others.map((key) => `  ${resumeLine(context, nameIn(key))}`)]
      : []),
  ];
  const stillPaused = others.map((key) => nameIn(key) ?? null);
  terminal.result(lines.join('\n'), {
    resumed: profile ?? null,
    wasPaused: Attributes !== undefined,
    stillPaused,
  });
  return isStillPaused ? EXIT.attention : EXIT.done;
}

function resumeLine(context: Context, profile: string | undefined): string {
  return commandLine(['resume', ...(profile === undefined ? [] : ['--profile', profile])], context);
}

function whatOf(profile: string | undefined): string {
  return profile === undefined ? 'Everything' : `The profile ${copyableName(profile)}`;
}

/** The keys of the notes that pause something. */
async function pausesOf({ table, tableName }: Fleet): Promise<readonly string[]> {
  const found: string[] = [];
  const filter = {
    TableName: tableName,
    FilterExpression: 'begins_with(accountId, :pause)',
    ExpressionAttributeValues: { ':pause': PAUSE_NOTE },
    ProjectionExpression: 'accountId',
    ConsistentRead: true,
  };
  for await (const { Items = [] } of paginateScan({ client: table }, filter))
    found.push(...Items.map(({ accountId }) => String(accountId)));
  return found.filter((key) => key === PAUSE_NOTE || key.startsWith(`${PAUSE_NOTE}:`));
}

/** Waits until runs have seen the pause, and then until no account of it is leased. */
async function untilIdle(
  { terminal, signal }: Context,
  fleet: Fleet,
  { profile, since }: { profile: string | undefined; since: number },
): Promise<'idle' | 'interrupted'> {
  try {
    for (;;) {
      // A count that begins earlier may miss what a run begins before it knows.
      const left = since + SEEN_WITHIN + CLOCKS_DIFFER - secondsOf(fleet.clock);
      const leased = await countLeased(fleet, profile);
      if (leased === 0 && left <= 0) return 'idle';
      const what = leased === 1 ? '1 account is' : `${leased} accounts are`;
      terminal.progress(`${what} being refreshed …${left > 0 ? ` (${left} s until runs know)` : ''}`);
      await sleep(LOOK_EVERY * 1_000, undefined, { signal });
    }
  } catch (error) {
    if (signal.aborted) return 'interrupted';
    throw error;
  } finally {
    terminal.progress(undefined);
  }
}

async function countLeased(fleet: Fleet, profile: string | undefined): Promise<number> {
  let leased = 0;
  const filter = {
    TableName: fleet.tableName,
    FilterExpression: `#lease.#expiresAt > :now${profile === undefined ? '' : ' AND #oauthProfile = :profile'}`,
    ExpressionAttributeNames: {
      '#lease': 'lease',
      '#expiresAt': 'expiresAt',
      ...(profile !== undefined && { '#oauthProfile': 'oauthProfile' }),
    },
    ExpressionAttributeValues: {
      ':now': secondsOf(fleet.clock),
      ...(profile !== undefined && { ':profile': profile }),
    },
    ConsistentRead: true,
  };
  for await (const { Items = [] } of paginateScan({ client: fleet.table }, filter))
    leased += Items.filter((item) => isAccount({ accountId: String(item.accountId) })).length;
  return leased;
}
