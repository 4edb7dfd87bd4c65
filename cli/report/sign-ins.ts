import { stringify } from 'csv-stringify/sync';
import { isReason, REASONS } from '../../core/reason.ts';
import { plural } from '../../terminal/display-text.ts';
import { accountColumn, type FleetItem, nameOf, squeezeAccount } from '../../terminal/fleet-table.ts';
import type { Extent } from '../../terminal/list.ts';
import { now, readFleet, requireProfile } from '../accounts/items.ts';
import { protectCell } from '../import/row/csv-cells.ts';
import type { Context } from '../shared/command.ts';
import { shellWord } from '../shared/shell-word.ts';
import { type Answer, dateText, showAnswer, whenText } from './print.ts';
import { profileOf, troubleOf } from './standing.ts';

/** An account whose holder has to sign in. */
export interface SignIn {
  readonly accountId: string;
  readonly name: string;
  readonly oauthProfile: string;
  /** Since when, seconds since the epoch; undefined where the item doesn't say. */
  readonly since: number | undefined;
  readonly reason: string;
  /** Who signed in the last time, `<issuer>#<subject>`; undefined where nobody knows. */
  readonly authorizedBy: string | undefined;
  /** What an operator runs. */
  readonly command: string;
}

/** Who has to sign in, whoever has waited longest first. What people have disabled is left out. */
export function signIns(accounts: readonly FleetItem[]): readonly SignIn[] {
  return accounts
    .filter((item) => item.status === 'reauthorization_required' && troubleOf(item) !== undefined)
    .map((item) => {
      const { accountId, authorizedBy } = item;
      const { reason = 'unknown', since } = troubleOf(item) ?? {};
      return {
        accountId,
        name: nameOf(item),
        oauthProfile: profileOf(item),
        since,
        reason,
        authorizedBy: typeof authorizedBy === 'string' ? authorizedBy : undefined,
        command: `authorize ${shellWord(accountId)}`,
      };
    })
    .sort((a, b) => (a.since ?? 0) - (b.since ?? 0) || a.accountId.localeCompare(b.accountId));
}

export interface SignInsOptions extends Extent {
  readonly profile?: string;
  readonly csv?: boolean;
}

export async function showSignIns({ terminal, fleet }: Context, options: SignInsOptions): Promise<undefined> {
  const target = await fleet();
  const { accounts } = await readFleet(target, terminal);
  await requireProfile(target, accounts, options.profile);
  const at = now();
  const ofProfile = accounts.filter(({ oauthProfile }) => (options.profile ?? oauthProfile) === oauthProfile);
  const found = signIns(ofProfile);
  const disabled = ofProfile.filter(
    ({ status, enabled }) => status === 'reauthorization_required' && enabled === false,
  ).length;
  if (options.csv === true && !terminal.json) {
    const csv = csvOf(found);
    terminal.result(csv.trimEnd(), undefined);
    return undefined;
  }
  const value = { at, signIns: found, disabled };
  return await showAnswer(terminal, value, () => answerOf(found, disabled, at), options);
}

/** For a spreadsheet, or a mail merge: no cell is taken for a formula. */
export function csvOf(found: readonly SignIn[]): string {
  const rows = found.map(({ since, reason, ...one }) => ({
    ...one,
    since: since === undefined ? '' : new Date(since * 1000).toISOString(),
    reason,
    means: isReason(reason) ? REASONS[reason].meaning : '',
    authorizedBy: one.authorizedBy ?? '',
  }));
  const columns = [
    'accountId',
    'name',
    'oauthProfile',
    'since',
    'reason',
    'means',
    'authorizedBy',
    'command',
  ];
  return stringify(rows, { header: true, columns, cast: { string: protectCell } });
}

function answerOf(found: readonly SignIn[], disabled: number, at: number): Answer {
  return {
    head: [
      found.length === 0
        ? 'Nobody needs to sign in.'
        : `The holders of ${plural(found.length, 'account')} need to sign in. Run: authorize --needs-person, or send the list: --csv.`,
      ...(disabled > 0
        ? [
            `${plural(disabled, 'account')} more would need it, but ${disabled === 1 ? 'is' : 'are'} disabled.`,
          ]
        : []),
    ],
    tables: [
      {
        columns: [
          { title: 'SINCE', cut: 'never' },
          { title: 'DATE', cut: 'never' },
          accountColumn,
          { title: 'NAME', least: 10 },
          { title: 'PROFILE', least: 8, cut: 'id' },
          { title: 'REASON', floor: 13 },
          { title: 'AUTHORIZED BY', least: 10 },
        ],
        rows: found.map((one) => [
          { text: whenText(one.since, at) },
          { text: dateText(one.since) },
          { text: one.accountId },
          { text: one.name === one.accountId ? '' : one.name },
          { text: one.oauthProfile },
          { text: one.reason, style: 'red' as const },
          { text: one.authorizedBy ?? '—' },
        ]),
        concessions: [
          { drop: 'DATE' },
          { drop: 'AUTHORIZED BY' },
          { drop: 'NAME' },
          squeezeAccount,
          { drop: 'PROFILE' },
        ],
      },
    ],
  };
}
