import { plural } from '../../terminal/display-text.ts';
import { accountColumn, type FleetItem, squeezeAccount, statusOf } from '../../terminal/fleet-table.ts';
import type { Extent } from '../../terminal/list.ts';
import { printable } from '../../terminal/printable.ts';
import { readFleet, requireProfile } from '../accounts/items.ts';
import { statusKey } from '../accounts/list.ts';
import type { StatusKey } from '../accounts/statuses.ts';
import { profileNames } from '../profile/profile-secret.ts';
import { CliError, EXIT } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import { type Answer, numberCell, showAnswer } from './print.ts';
import { type KnownProfile, readProfiles } from './profile-secrets.ts';

/** What a rotation of a client touches. */
export interface Uses {
  /** Undefined where the profile can't be read. */
  readonly clientId: string | undefined;
  /** Each profile with this client at this provider. All have to be changed together. */
  readonly profiles: readonly {
    readonly profile: string;
    readonly provider: string | undefined;
    readonly accounts: number;
  }[];
  readonly accounts: readonly {
    readonly accountId: string;
    readonly oauthProfile: string;
    readonly status: StatusKey;
  }[];
  /** Profiles that can't be read, which may have it too. */
  readonly unread: readonly { readonly profile: string; readonly problem: string | undefined }[];
}

/**
 * The profiles with a client, and all their accounts, those that are switched off among them: they need the client when they
 * are on again. The same id at two providers is two clients.
 *
 * @param asked a profile, or the id of a client
 */
export function usesOf(
  accounts: readonly FleetItem[],
  known: readonly KnownProfile[],
  asked: { readonly profile: string } | { readonly clientId: string },
): Uses {
  const one = 'profile' in asked ? known.find(({ profile }) => profile === asked.profile) : undefined;
  const clientId = 'clientId' in asked ? asked.clientId : one?.clientId;
  const isIt = ({ profile, clientId: own, provider }: KnownProfile) =>
    ('profile' in asked && profile === asked.profile) ||
    (clientId !== undefined && own === clientId && ('clientId' in asked || provider === one?.provider));
  const wanted = known.filter(isIt);
  const names = new Set([
    ...wanted.map(({ profile }) => profile),
    ...('profile' in asked ? [asked.profile] : []),
  ]);
  const found = accounts.filter(
    ({ oauthProfile }) => typeof oauthProfile === 'string' && names.has(oauthProfile),
  );
  const counts = Map.groupBy(found, ({ oauthProfile }) => oauthProfile);
  return {
    clientId,
    profiles: [...names].map((profile) => ({
      profile,
      provider: known.find((other) => other.profile === profile)?.provider,
      accounts: counts.get(profile)?.length ?? 0,
    })),
    accounts: found
      .map((item) => ({
        accountId: item.accountId,
        oauthProfile: String(item.oauthProfile),
        status: statusKey(item),
      }))
      .sort((a, b) => a.oauthProfile.localeCompare(b.oauthProfile) || a.accountId.localeCompare(b.accountId)),
    unread: known
      .filter(({ problem }) => problem !== undefined)
      .map(({ profile, problem }) => ({ profile, problem })),
  };
}

export interface UsesOptions extends Extent {
  readonly clientId?: string;
}

export async function showUses(
  { terminal, fleet }: Context,
  profile: string | undefined,
  options: UsesOptions,
): Promise<undefined> {
  const { clientId } = options;
  const asked = profile === undefined ? (clientId === undefined ? undefined : { clientId }) : { profile };
  if (asked === undefined || (profile !== undefined && clientId !== undefined))
    throw new CliError('USAGE', 'Name one: a profile, or a client with --client-id.', EXIT.usage);
  const target = await fleet();
  const [{ accounts }, known] = await Promise.all([
    readFleet(target, terminal),
    profileNames(target).then((names) => readProfiles(target, names)),
  ]);
  await requireProfile(target, accounts, profile);
  const uses = usesOf(accounts, known, asked);
  if (uses.profiles.length === 0)
    throw new CliError(
      'NO_CLIENT',
      `No profile has the client ${printable(String(clientId))}. See "profiles list" and "profiles show NAME".`,
    );
  return await showAnswer(terminal, uses, () => answerOf(uses, accounts), options);
}

function answerOf(uses: Uses, items: readonly FleetItem[]): Answer {
  const { clientId, profiles, accounts, unread } = uses;
  const states = new Map(items.map((item) => [item.accountId, statusOf(item)]));
  return {
    head: [
      `${clientId === undefined ? 'This profile' : `The client ${clientId}`} is used by ${plural(profiles.length, 'profile')} and ${plural(accounts.length, 'account')}.`,
      ...(profiles.length > 1
        ? ['They share one client: a new secret has to be put into each of these profiles.']
        : []),
      ...(unread.length > 0
        ? [
            `${plural(unread.length, 'profile')} can’t be read and may have it too: ${unread.map(({ profile }) => profile).join(', ')}.`,
          ]
        : []),
    ],
    tables: [
      {
        columns: [
          { title: 'PROFILE', least: 10, cut: 'id' },
          { title: 'PROVIDER', least: 10 },
          { title: 'ACCOUNTS', align: 'right' },
        ],
        rows: profiles.map((one) => [
          { text: one.profile },
          { text: one.provider ?? '—' },
          numberCell(one.accounts),
        ]),
      },
      {
        columns: [accountColumn, { title: 'PROFILE', least: 8, cut: 'id' }, { title: 'STATUS', floor: 14 }],
        rows: accounts.map(({ accountId, oauthProfile }) => {
          const [text, style] = states.get(accountId) ?? ['', 'dim'];
          return [{ text: accountId }, { text: oauthProfile }, { text, style }];
        }),
        concessions: [squeezeAccount],
      },
    ],
  };
}
