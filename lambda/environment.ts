import * as v from 'valibot';
import { type CallableAddresses, flawOfPrivateCidr } from '../adapters/oauth/addresses.ts';
import type { HttpsProxy } from '../adapters/oauth/https-request.ts';

/** The function's settings. */
export interface Environment {
  /** A name, or an ARN. */
  readonly accountsTableName: string;
  /** Tables whose functions have stopped: values of `kept_by`, or bare names in this AWS account and Region. */
  readonly formerAccountsTables: readonly string[];
  readonly secretNamePrefix: string;
  /** Seconds. */
  readonly refreshWindow: number;
  /** Seconds; 0 for none. */
  readonly refreshSpread: number;
  /** Undefined: a refresh token that can't be stored can't be kept in escrow either. */
  readonly escrowKeyId: string | undefined;
  readonly eventBusName: string;
  readonly addresses: CallableAddresses;
  readonly proxy: HttpsProxy | undefined;
}

/** The environment does not say what it has to. A run with it fails. */
export class InvalidEnvironment extends Error {
  override readonly name = 'InvalidEnvironment';
  readonly code = 'INVALID_ENVIRONMENT';
}

/** An unset and an empty variable are the same thing in every console. */
const optional = <T extends v.GenericSchema<string, unknown>>(schema: T, fallback: string) =>
  v.pipe(
    v.optional(v.string(), ''),
    v.transform((value) => (value === '' ? fallback : value)),
    schema,
  );

/** Values with commas between them. */
function listed(values: string): readonly string[] {
  return values
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

const environmentSchema = v.object({
  ACCOUNTS_TABLE_NAME: v.pipe(
    v.optional(v.string(), ''),
    v.minLength(1, 'must be set to the name of the accounts table'),
  ),
  FORMER_ACCOUNTS_TABLES: optional(
    v.pipe(
      v.string(),
      v.regex(
        /^\s*(?:[\w./-]+\s*(?:,\s*|$))*$/,
        'must be table names, or values such as 123456789012/eu-central-1/oauth-accounts, with commas between them',
      ),
    ),
    '',
  ),
  SECRET_NAME_PREFIX: optional(
    v.pipe(
      v.string(),
      v.regex(/^[A-Za-z0-9/_+=.@-]+$/, "must be the beginning of a secret's name, such as oauth/"),
    ),
    'oauth/',
  ),
  REFRESH_WINDOW_SECONDS: optional(
    v.pipe(
      v.string(),
      v.regex(/^[1-9]\d{0,6}$/, 'must be a whole number of seconds, 1 or more'),
      v.transform(Number),
    ),
    '300',
  ),
  REFRESH_SPREAD_SECONDS: optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,7}$/, 'must be a whole number of seconds, 0 or more'),
      v.transform(Number),
    ),
    '0',
  ),
  ESCROW_KEY_ID: optional(v.string(), ''),
  EVENT_BUS_NAME: optional(v.string(), 'default'),
  PRIVATE_ADDRESS_CIDRS: optional(
    v.pipe(
      v.string(),
      v.transform(listed),
      v.check(
        (cidrs) => cidrs.every((cidr) => flawOfPrivateCidr(cidr) === undefined),
        (issue) => issue.input.map(flawOfPrivateCidr).find((flaw) => flaw !== undefined) ?? '',
      ),
    ),
    '',
  ),
  // Whoever may look at the function sees its environment, so a password must not be in it.
  HTTPS_PROXY: optional(
    v.pipe(
      v.string(),
      v.regex(
        /^(?:https?:\/\/[^\s/?#@]+\/?)?$/,
        "must be a proxy's address without a password, such as http://proxy.example.com:3128",
      ),
    ),
    '',
  ),
  NO_PROXY: optional(v.string(), ''),
  ALLOW_HTTP_LOOPBACK: optional(v.picklist(['true', 'false'], 'must be true or false'), 'false'),
});

/**
 * Reads the settings from environment variables.
 *
 * @throws InvalidEnvironment naming each variable that is wrong and what it must be
 */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): Environment {
  const result = v.safeParse(environmentSchema, variables);
  if (!result.success) {
    const problems = result.issues.map((issue) => `${v.getDotPath(issue)} ${issue.message}`);
    throw new InvalidEnvironment(`The function's environment is not complete: ${problems.join('; ')}.`);
  }
  const values = result.output;
  return {
    accountsTableName: values.ACCOUNTS_TABLE_NAME,
    formerAccountsTables: listed(values.FORMER_ACCOUNTS_TABLES),
    secretNamePrefix: values.SECRET_NAME_PREFIX,
    refreshWindow: values.REFRESH_WINDOW_SECONDS,
    refreshSpread: values.REFRESH_SPREAD_SECONDS,
    escrowKeyId: values.ESCROW_KEY_ID === '' ? undefined : values.ESCROW_KEY_ID,
    eventBusName: values.EVENT_BUS_NAME,
    addresses: {
      allowHttpLoopback: values.ALLOW_HTTP_LOOPBACK === 'true',
      privateAddressCidrs: values.PRIVATE_ADDRESS_CIDRS,
    },
    proxy: values.HTTPS_PROXY === '' ? undefined : { url: values.HTTPS_PROXY, except: values.NO_PROXY },
  };
}
