import { DescribeSecretCommand, ListSecretsCommand } from '@aws-sdk/client-secrets-manager';
import { namesSecret, nameWithin, plainName, tokenSecretIdOf } from '../../core/account/secret-id.ts';
import { plural } from '../../terminal/display-text.ts';
import { accountColumn, type FleetItem, squeezeAccount } from '../../terminal/fleet-table.ts';
import type { Extent } from '../../terminal/list.ts';
import { now, readFleet } from '../accounts/items.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { type Answer, dateText, showAnswer } from './print.ts';
import { isLookedAt } from './standing.ts';

/** A secret as the list shows it. Times are seconds since the epoch. */
export interface ListedSecret {
  readonly name: string;
  readonly arn: string;
  readonly createdAt: number | undefined;
  readonly changedAt: number | undefined;
  /** Since when it waits for its deletion. */
  readonly deletedAt: number | undefined;
}

export interface Matching {
  /** Token secrets that no account uses: each costs $0.40 a month. */
  readonly withoutAccount: readonly ListedSecret[];
  /** Accounts whose secret isn't there; `waitsForDeletion` where it can be restored. */
  readonly withoutSecret: readonly {
    readonly accountId: string;
    readonly secretId: string;
    readonly waitsForDeletion: boolean;
  }[];
  /** Accounts that name a secret outside of the prefix, which the list does not have. */
  readonly elsewhere: number;
}

/** The list may be behind by so many seconds: a younger secret is no finding yet. */
const SETTLING = 300;

/** @param prefix of the token secrets, such as `oauth/accounts/` */
export function match(
  accounts: readonly FleetItem[],
  secrets: readonly ListedSecret[],
  { prefix, at }: { readonly prefix: string; readonly at: number },
): Matching {
  const byName = new Map(secrets.map((secret) => [secret.name, secret]));
  const byArn = new Map(secrets.map((secret) => [secret.arn, secret]));
  const used = new Set<string>();
  const withoutSecret: { accountId: string; secretId: string; waitsForDeletion: boolean }[] = [];
  let elsewhere = 0;
  for (const item of accounts) {
    const { accountId, tokenSecretId, tokenStore } = item;
    const usual = tokenSecretIdOf(prefix.replace(/accounts\/$/, ''), { accountId });
    const named = typeof tokenSecretId === 'string' ? tokenSecretId : undefined;
    const secretId = named ?? usual;
    const found =
      byName.get(secretId) ??
      byArn.get(secretId) ??
      byName.get(nameWithin(secretId)) ??
      byName.get(plainName(secretId));
    // An item that the function doesn't look at, and one in the table store, may still own its usual secret.
    if (found !== undefined && (named === undefined || namesSecret(secretId, found))) used.add(found.name);
    if (!isLookedAt(item) || tokenStore === 'table') continue;
    if (found === undefined && named !== undefined && !nameWithin(named).startsWith(prefix)) elsewhere++;
    else if (found === undefined) withoutSecret.push({ accountId, secretId, waitsForDeletion: false });
    else if (found.deletedAt !== undefined)
      withoutSecret.push({ accountId, secretId, waitsForDeletion: true });
  }
  return {
    withoutAccount: secrets
      .filter(({ name, deletedAt, createdAt }) => {
        const settled = createdAt === undefined || createdAt <= at - SETTLING;
        return !used.has(name) && deletedAt === undefined && settled;
      })
      .sort((a, b) => a.name.localeCompare(b.name)),
    withoutSecret: withoutSecret.sort((a, b) => a.accountId.localeCompare(b.accountId)),
    elsewhere,
  };
}

/** Pages of 100 secrets that are read at most. */
const MAX_PAGES = 5_000;

/** The secrets whose names begin with a prefix, page by page. Stops at Ctrl-C; `complete` is false where there are too many. */
export async function listSecrets(
  { secrets }: Fleet,
  prefix: string,
  { terminal, signal }: Pick<Context, 'terminal' | 'signal'>,
): Promise<{ readonly listed: readonly ListedSecret[]; readonly complete: boolean }> {
  const listed: ListedSecret[] = [];
  let NextToken: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    signal.throwIfAborted();
    const found = await secrets.send(
      new ListSecretsCommand({
        Filters: [{ Key: 'name', Values: [prefix] }],
        IncludePlannedDeletion: true,
        MaxResults: 100,
        NextToken,
      }),
    );
    for (const { Name = '', ARN = '', CreatedDate, LastChangedDate, DeletedDate } of found.SecretList ?? [])
      if (Name.startsWith(prefix))
        listed.push({
          name: Name,
          arn: ARN,
          createdAt: secondsOf(CreatedDate),
          changedAt: secondsOf(LastChangedDate),
          deletedAt: secondsOf(DeletedDate),
        });
    terminal.progress(`Listing the secrets … ${listed.length.toLocaleString('en-US')}`);
    NextToken = found.NextToken;
    if (NextToken === undefined) {
      terminal.progress(undefined);
      return { listed, complete: true };
    }
  }
  terminal.progress(undefined);
  return { listed, complete: false };
}

const secondsOf = (date: Date | undefined) =>
  date === undefined ? undefined : Math.floor(date.getTime() / 1000);

export async function showSecrets(context: Context, options: Extent): Promise<undefined> {
  const { terminal, fleet } = context;
  const target = await fleet();
  const prefix = `${target.secretNamePrefix}accounts/`;
  // The accounts first: a secret that is made meanwhile is too young to be a finding.
  const { accounts } = await readFleet(target, terminal);
  const { listed, complete } = await listSecrets(target, prefix, context);
  const found = match(accounts, listed, { prefix, at: now() });
  // Of a list that isn't whole nothing can be said about what is missing in it.
  const withoutSecret = complete ? await confirmed(target, found.withoutSecret) : [];
  const value = { prefix, secrets: listed.length, complete, ...found, withoutSecret };
  return await showAnswer(terminal, value, () => answerOf(value), options);
}

/** The list may be behind, so the first of what it lacks is asked for by name. */
const MOST_CONFIRMED = 100;

async function confirmed(
  { secrets }: Fleet,
  missing: Matching['withoutSecret'],
): Promise<Matching['withoutSecret']> {
  const checked = await Promise.all(
    missing.slice(0, MOST_CONFIRMED).map(async (one) => {
      try {
        const { DeletedDate } = await secrets.send(new DescribeSecretCommand({ SecretId: one.secretId }));
        return DeletedDate === undefined ? [] : [{ ...one, waitsForDeletion: true }];
      } catch {
        return [one];
      }
    }),
  );
  return [...checked.flat(), ...missing.slice(MOST_CONFIRMED)];
}

interface Found extends Matching {
  readonly prefix: string;
  readonly secrets: number;
  readonly complete: boolean;
}

function answerOf({ prefix, secrets, complete, withoutAccount, withoutSecret, elsewhere }: Found): Answer {
  const strip = (name: string) => (name.startsWith(prefix) ? name.slice(prefix.length) : name);
  return {
    head: [
      `Of ${plural(secrets, 'secret')} below ${prefix}, ${withoutAccount.length.toLocaleString('en-US')} ${withoutAccount.length === 1 ? 'has' : 'have'} no account; ${plural(withoutSecret.length, 'account')} ${withoutSecret.length === 1 ? 'has' : 'have'} no secret.`,
      ...(withoutAccount.length > 0
        ? [`Secrets without an account cost $${(withoutAccount.length * 0.4).toFixed(2)} a month.`]
        : []),
      ...(complete
        ? []
        : [
            `There are more secrets than ${(MAX_PAGES * 100).toLocaleString('en-US')}, so accounts without one are not looked for.`,
          ]),
    ],
    tables: [
      {
        title: 'Accounts without a secret',
        columns: [
          accountColumn,
          { title: 'SECRET', least: 12, cut: 'id' },
          { title: 'WHAT TO DO', floor: 10 },
        ],
        rows: withoutSecret
          .slice(0, 50)
          .map(({ accountId, secretId, waitsForDeletion }) => [
            { text: accountId },
            { text: secretId },
            { text: waitsForDeletion ? 'restore it' : 'authorize' },
          ]),
        concessions: [squeezeAccount, { drop: 'SECRET' }],
      },
      {
        title: 'Secrets without an account',
        columns: [
          { title: 'SECRET', least: 16, cut: 'id' },
          { title: 'CREATED', cut: 'never' },
          { title: 'CHANGED', cut: 'never' },
        ],
        rows: withoutAccount.map(({ name, createdAt, changedAt }) => [
          { text: strip(name) },
          { text: dateText(createdAt) },
          { text: dateText(changedAt) },
        ]),
        concessions: [{ drop: 'CREATED' }, { drop: 'CHANGED' }],
      },
    ],
    foot: [
      ...(elsewhere > 0
        ? [`${plural(elsewhere, 'account')} name a secret outside of this prefix, which is not looked for.`]
        : []),
      'Before you delete one: does another table’s function keep it (kept_by)? Secrets younger than 5 minutes are left out.',
    ],
  };
}
