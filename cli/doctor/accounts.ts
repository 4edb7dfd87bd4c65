import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { PROFILE_NOTE, parseAccount } from '../../core/account/account.ts';
import { secondsOf } from '../../core/clock.ts';
import { plural } from '../../terminal/display-text.ts';
import { type FailingProfile, failingProfile, isAtRisk, pausedIn } from '../../terminal/fleet-notes.ts';
import { type FleetItem, isAccount } from '../../terminal/fleet-table.ts';
import { escrowKind } from '../accounts/escrow.ts';
import type { Fleet } from '../shared/fleet.ts';
import { attention, broken, type Census, type Check, type Finding, good } from './check.ts';
import { profileCheck } from './profiles.ts';

export const accountChecks: readonly Check[] = [
  profileCheck,
  {
    title: 'Accounts',
    needs: 'dynamodb:Scan on the table',
    run: async ({ census }) => {
      const { accounts, needPerson, failing, unreadable } = await census();
      const findings: Finding[] = [];
      if (needPerson > 0)
        findings.push(
          attention(
            `${plural(needPerson, 'account')} of ${accounts.toLocaleString('en-US')} ${needPerson === 1 ? 'needs' : 'need'} a person`,
            'Authorize each again: "accounts list" names them, "authorize" does it.',
          ),
        );
      if (failing > 0)
        findings.push(
          attention(
            `${plural(failing, 'account')} of ${accounts.toLocaleString('en-US')} ${failing === 1 ? 'is' : 'are'} failing`,
            '"accounts list" says why. docs/reasons.md says what to do.',
          ),
        );
      if (unreadable.length > 0)
        findings.push(
          broken(
            `the function can't read ${unreadable.join(', ')}`,
            'Correct these items. docs/reasons.md (account_invalid) says how.',
          ),
        );
      return findings.length > 0 ? findings : [good(`${plural(accounts, 'account')}, none in trouble`)];
    },
  },
  {
    title: 'Paused',
    needs: 'dynamodb:Scan on the table',
    run: async ({ census }) => {
      const { paused } = await census();
      return paused.length === 0
        ? good('nothing is paused')
        : attention(
            `people have paused ${paused.join(', ')}: no token of it is refreshed`,
            'To go on: resume, or resume --profile NAME.',
          );
    },
  },
  {
    title: 'Events',
    needs: 'dynamodb:Scan on the table',
    run: async ({ census }) => {
      const { eventsOwed } = await census();
      return eventsOwed === 0
        ? good('each that is to be told was put on the bus')
        : attention(
            `${plural(eventsOwed, 'event')} could not be put on the bus yet, or ${eventsOwed === 1 ? 'is' : 'are'} just being put`,
            'If this stays so: may the function put events on the bus? docs/runbook.md#events-are-owed',
          );
    },
  },
  {
    title: 'Escrow',
    needs: 'dynamodb:Scan on the table',
    run: async ({ census }) => {
      const { inEscrow, answers } = await census();
      const findings: Finding[] = [];
      if (inEscrow > 0)
        findings.push(
          attention(
            `${plural(inEscrow, 'refresh token')} could not be stored and ${inEscrow === 1 ? 'waits' : 'wait'} there`,
            'Can the function write to Secrets Manager? The next run stores them. Do not delete the escrow key.',
          ),
        );
      if (answers.length > 0)
        findings.push(
          attention(
            `responses in which no token could be read: ${answers.join(', ')}`,
            'Look at each: accounts answer ACCOUNT --out FILE. Do not delete the escrow key.',
          ),
        );
      return findings.length > 0 ? findings : [good('no refresh token waits there')];
    },
  },
];

export async function takeCensus({ table, tableName: TableName, clock }: Fleet): Promise<Census> {
  const counts = { accounts: 0, needPerson: 0, failing: 0, inEscrow: 0 };
  const unreadable: string[] = [];
  const answers: string[] = [];
  const at = secondsOf(clock);
  const failingProfiles: FailingProfile[] = [];
  const atRisk: string[] = [];
  const notes: FleetItem[] = [];
  let eventsOwed = 0;
  const profiles = new Map<string, number>();
  let ExclusiveStartKey: Record<string, unknown> | undefined;
  do {
    const page = await table.send(new ScanCommand({ TableName, ExclusiveStartKey }));
    for (const item of page.Items ?? []) {
      const failing = failingProfile(item as FleetItem, at);
      if (failing !== undefined) failingProfiles.push(failing);
      if (item.eventOwed !== undefined) eventsOwed += 1;
      if (!isAccount(item as FleetItem)) {
        if (isAtRisk(item as FleetItem, at)) atRisk.push(String(item.accountId).slice(PROFILE_NOTE.length));
        notes.push(item as FleetItem);
        continue;
      }
      if (item.authenticationType !== 'oauth2' || item.oauthProfile === undefined) continue;
      counts.accounts += 1;
      if (item.status === 'reauthorization_required') counts.needPerson += 1;
      if (item.status === 'failing') counts.failing += 1;
      if (escrowKind(item.escrow) === 'answer') {
        if (answers.length < 5) answers.push(String(item.accountId));
      } else if (item.escrow !== undefined) counts.inEscrow += 1;
      const { kind, account } = parseAccount(item);
      if (kind === 'invalid' && unreadable.length < 5) unreadable.push(account.accountId);
      profiles.set(account.oauthProfile, (profiles.get(account.oauthProfile) ?? 0) + 1);
    }
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey !== undefined);
  const paused = pausedIn(notes);
  return { ...counts, unreadable, answers, failingProfiles, atRisk, eventsOwed, paused, profiles };
}
