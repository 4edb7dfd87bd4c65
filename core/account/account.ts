import * as v from 'valibot';
import { problemOf } from '../problem.ts';
import type { Reason } from '../reason.ts';

const string = v.string('must be a string');
const filled = v.pipe(string, v.minLength(1, 'must not be empty'));
const seconds = v.pipe(
  v.number('must be a number (seconds since the epoch)'),
  v.finite('must be a number (seconds since the epoch)'),
);

/** Names that can stand in a secret's name; anything else would make the secret unreachable. */
const secretNamePart = /^[A-Za-z0-9/_+=.@-]{1,400}$/;

/** Whether a profile can have this name. */
export function isProfileName(name: string): boolean {
  return secretNamePart.test(name);
}

const flag = v.boolean('must be true or false (BOOL)');

/** Any other text; written so that the known reasons are still completed by editors. */
type UnknownReason = string & Record<never, never>;

export type AccountStatus = 'healthy' | 'failing' | 'reauthorization_required';

const failureSchema = v.object(
  {
    /** A newer version may have written one that this version does not know: see `isReason`. */
    reason: v.pipe(
      string,
      v.transform((reason): Reason | UnknownReason => reason),
    ),
    message: string,
    /** How many runs in a row ended with this reason. */
    count: seconds,
    /** When the failure began. */
    since: seconds,
    /** When it was last seen. */
    at: seconds,
    /**
     * Since when an exchange may have been answered without the response reaching us. While it stands, an
     * `invalid_grant` is `grant_possibly_lost` rather than `grant_revoked`.
     */
    ambiguousSince: v.optional(seconds),
    /** Nobody was told of this account: its profile's failure was told as one, or the bus refused. */
    untold: v.optional(flag),
  },
  'must be a map',
);
export type Failure = Readonly<v.InferOutput<typeof failureSchema>>;

const leaseSchema = v.object(
  {
    /** The attempt's id. */
    owner: string,
    expiresAt: seconds,
    /** The secret that it is for, where that is not the account's usual one. */
    secretId: v.optional(string),
  },
  'must be a map',
);
/** The right to spend the account's refresh token until `expiresAt`. */
export type Lease = Readonly<v.InferOutput<typeof leaseSchema>>;

/**
 * What is in escrow, the stronger first:
 *
 * - `token`: a refresh token that came with a plain success and waits to be stored;
 * - `candidate`: what looked like a refresh token in any other response; it is tried before it is believed;
 * - `answer`: a response in which no token could be read; it waits for a person.
 */
export type EscrowKind = (typeof ESCROW_KINDS)[number];
export const ESCROW_KINDS = ['token', 'candidate', 'answer'] as const;

const escrowSchema = v.object(
  {
    /** `token` where absent. */
    kind: v.optional(v.picklist(ESCROW_KINDS, `must be one of ${ESCROW_KINDS.join(', ')}`)),
    ciphertext: filled,
    attemptId: filled,
    at: seconds,
    /** The secret that it belongs to, where that is not the account's usual one. */
    secretId: v.optional(string),
  },
  'must be a map',
);
/** What could not be stored, encrypted under the escrow key. */
export type Escrow = Readonly<v.InferOutput<typeof escrowSchema>>;

const accountSchema = v.object({
  accountId: filled,
  name: v.optional(string),
  authenticationType: string,
  oauthProfile: v.pipe(
    filled,
    v.regex(
      secretNamePart,
      "may hold letters, digits and / _ + = . @ - only, as it is part of a secret's name",
    ),
  ),
  tokenSecretId: v.optional(filled),
  enabled: v.optional(flag),
  /** 1 where absent; an item of a higher one is made by a newer version and is not touched. */
  formatVersion: v.optional(v.number('must be a number')),
  parameters: v.optional(
    v.record(
      v.pipe(string, v.regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must have simple names')),
      v.pipe(
        v.string('must be a map of strings'),
        v.regex(
          /^(?!\.)[A-Za-z0-9._-]{1,255}(?<!\.)$/,
          'may hold letters, digits, ".", "_" and "-" only, and no "." at either end',
        ),
      ),
      'must be a map of strings',
    ),
  ),
  accessTokenExpiresAt: v.optional(seconds),
  /** The access token has no end, and there is nothing to refresh. */
  doesNotExpire: v.optional(flag),
  refreshTokenExpiresAt: v.optional(seconds),
  status: v.optional(
    v.picklist(
      ['healthy', 'failing', 'reauthorization_required'] as const satisfies readonly AccountStatus[],
      'must be healthy, failing or reauthorization_required',
    ),
  ),
  failure: v.optional(failureSchema),
  /** The type of an event that may not have come to the bus yet. */
  eventOwed: v.optional(string),
  nextAttemptAt: v.optional(seconds),
  lastRefreshedAt: v.optional(seconds),
  /** When a person last signed in for it, by that person's machine. */
  authorizedAt: v.fallback(v.optional(seconds), undefined),
  lease: v.optional(leaseSchema),
  escrow: v.optional(escrowSchema),
  /** The account that its usual secret went to while it named another. */
  secretLentTo: v.optional(string),
});

/** One item of the accounts table, as the function reads it. Times are seconds since the epoch. */
export type Account = Readonly<v.InferOutput<typeof accountSchema>>;

/** The attributes that the function reads. */
export const ATTRIBUTES = Object.keys(accountSchema.entries) as readonly (keyof Account)[];

const usableSchema = v.pipe(
  accountSchema,
  v.check(
    (item) => item.tokenSecretId !== undefined || secretNamePart.test(item.accountId),
    'accountId: may hold letters, digits and / _ + = . @ - only where tokenSecretId is absent',
  ),
);

/** The attributes that people write; the others are the function's. */
export const WRITTEN_BY_PEOPLE = [
  'accountId',
  'name',
  'authenticationType',
  'oauthProfile',
  'tokenSecretId',
  'enabled',
  'parameters',
] as const satisfies readonly (keyof Account)[];

/** The `formatVersion` of the items that this version writes and understands. An item of a higher one is left alone. */
export const FORMAT_VERSION = 1;

/** Begins the keys of the function's own notes: no account's id begins so. */
export const NOTE = '#';

/** Begins the key of a note that says whose a secret outside the usual place is. */
export const CLAIM = '#secret:';

/** Begins the key of a note about a profile. */
export const PROFILE_NOTE = '#profile:';

/** The key of the note that pauses everything; with `:` and a profile's name, of the one that pauses its accounts. */
export const PAUSE_NOTE = '#pause';

/** The key of the note that pauses a profile's accounts. */
export function pauseNoteOf(profile: string): string {
  return `${PAUSE_NOTE}:${profile}`;
}

export interface Changes {
  readonly set: Readonly<Partial<Omit<Account, 'accountId' | 'lease'>>>;
  readonly remove: readonly (keyof Account)[];
  /** The lease to leave behind in place of one's own; by default none. */
  readonly leaveLease?: Lease | undefined;
}

/** A name may be as long as an item, and would be in each message about it. */
const LONGEST_LABEL = 200;

/** What an account is called in logs and messages. */
export function labelOf(account: { accountId: string; name?: unknown }): string {
  const label = typeof account.name === 'string' && account.name !== '' ? account.name : account.accountId;
  return label.length > LONGEST_LABEL ? `${label.slice(0, LONGEST_LABEL).toWellFormed()}…` : label;
}

export type ParsedAccount =
  | { readonly kind: 'account'; readonly account: Account }
  | {
      readonly kind: 'invalid';
      /** What could be read of it, enough to write the failure down. */
      readonly account: Account;
      readonly problem: string;
    };

/**
 * Reads one item of the accounts table. Unknown attributes are left alone.
 *
 * @returns the account, or the first attribute that is wrong with what it must be; never its value
 */
export function parseAccount(item: Readonly<Record<string, unknown>>): ParsedAccount {
  const result = v.safeParse(usableSchema, item, { abortEarly: true });
  if (result.success) return { kind: 'account', account: result.output };
  return { kind: 'invalid', account: salvage(item), problem: problemOf(result.issues[0]) };
}

/** The parts of an unreadable item that can be read: whose it is, and what was noted of it before. */
function salvage(item: Readonly<Record<string, unknown>>): Account {
  const { entries } = accountSchema;
  const read = <T>(schema: v.GenericSchema<unknown, T>, value: unknown) => {
    const result = v.safeParse(schema, value);
    return result.success ? result.output : undefined;
  };
  return {
    accountId: typeof item.accountId === 'string' ? item.accountId : '(no accountId)',
    authenticationType: 'oauth2',
    oauthProfile: typeof item.oauthProfile === 'string' ? item.oauthProfile : '',
    name: read(entries.name, item.name),
    status: read(entries.status, item.status),
    failure: read(entries.failure, item.failure),
    eventOwed: read(entries.eventOwed, item.eventOwed),
    nextAttemptAt: read(entries.nextAttemptAt, item.nextAttemptAt),
    escrow: read(entries.escrow, item.escrow),
  };
}
