import type { ScanCommandInput } from '@aws-sdk/lib-dynamodb';
import { ATTRIBUTES, FORMAT_VERSION, NOTE, PROFILE_NOTE } from '../../core/account/account.ts';
import { LONGEST_LIFETIME } from '../../core/account/decision.ts';

/** DynamoDB takes at most 100 operands in one IN, and 4 KB of expression, of which a window takes about 70 bytes. */
const MAX_KNOWN_PROFILES = 100;
const MAX_WINDOWS = 20;

/** Asks for these attributes alone. */
export function projection(
  attributes: readonly string[] = ATTRIBUTES,
): Pick<ScanCommandInput, 'ProjectionExpression' | 'ExpressionAttributeNames'> {
  return {
    ProjectionExpression: attributes.map((name) => `#${name}`).join(', '),
    ExpressionAttributeNames: Object.fromEntries(attributes.map((name) => [`#${name}`, name])),
  };
}

/** The attributes of accounts, and what else a profile's note says while something is wrong. */
const SCANNED = [...ATTRIBUTES, 'atRisk', 'eventOwedAt'];

/** The notes about profiles in trouble come along: what they say costs no further read. */
const TROUBLED_PROFILE =
  'begins_with(#accountId, :profile) AND (attribute_exists(#failure) OR attribute_exists(#atRisk) OR attribute_exists(#eventOwed))';

const ACCOUNT =
  '#authenticationType = :oauth2 AND attribute_exists(#oauthProfile) AND NOT begins_with(#accountId, :note)';
const ACCOUNT_VALUES = { ':oauth2': 'oauth2', ':note': NOTE };

/** The healthy accounts whose access token is good and ends, and that nobody works on. @param now seconds since the epoch */
export function goodFilter(now: number) {
  return {
    ...projection(),
    FilterExpression: `${ACCOUNT} AND NOT (#enabled = :false) AND #status = :healthy AND #accessTokenExpiresAt > :now AND attribute_not_exists(#lease) AND NOT (#formatVersion > :format)`,
    ExpressionAttributeValues: {
      ...ACCOUNT_VALUES,
      ':false': false,
      ':healthy': 'healthy',
      ':now': now,
      ':format': FORMAT_VERSION,
    },
  };
}

/**
 * Filters on the server: a filter does not make a scan cheaper, but what is left out need not be sent or parsed.
 * `NOT (x > y)` rather than `x <= y`: it is also true where x is absent or of a wrong type, so that nothing that
 * needs attention is hidden.
 *
 * An expiry that lies beyond all reason is no expiry: such an item is not left out.
 *
 * @param now seconds since the epoch: what is good for longer than its window after it is left out
 * @param spread seconds by which an account can be due before its window
 * @param windows the refresh windows, seconds, of the profiles that are known
 */
export function scanFilter(
  { now, spread }: { readonly now: number; readonly spread: number },
  wanted: 'due' | 'all',
  windows: ReadonlyMap<string, number>,
) {
  const values: Record<string, unknown> = { ...ACCOUNT_VALUES, ':profile': PROFILE_NOTE };
  if (wanted === 'all')
    return {
      ...projection(SCANNED),
      FilterExpression: `(${ACCOUNT}) OR (${TROUBLED_PROFILE})`,
      ExpressionAttributeValues: values,
    };
  const fresh = freshExpression(now + spread, windows, values);
  values[':false'] = false;
  values[':person'] = 'reauthorization_required';
  values[':true'] = true;
  values[':now'] = now;
  const due =
    fresh === ''
      ? 'attribute_exists(#accountId)'
      : `attribute_exists(#escrow) OR attribute_exists(#eventOwed) OR NOT (${fresh})`;
  return {
    ...projection(SCANNED),
    FilterExpression: `(${ACCOUNT} AND NOT (#enabled = :false) AND (attribute_exists(#eventOwed) OR NOT (#doesNotExpire = :true AND #nextAttemptAt > :now)) AND (${due} OR #status = :person)) OR (${TROUBLED_PROFILE})`,
    ExpressionAttributeValues: values,
  };
}

function freshExpression(
  from: number,
  windows: ReadonlyMap<string, number>,
  values: Record<string, unknown>,
): string {
  const byWindow = new Map<number, string[]>();
  for (const [profile, window] of [...windows].slice(0, MAX_KNOWN_PROFILES))
    byWindow.set(window, [...(byWindow.get(window) ?? []), profile]);
  if (byWindow.size > 0) values[':far'] = from + LONGEST_LIFETIME;
  return [...byWindow]
    .sort(([, a], [, b]) => b.length - a.length)
    .slice(0, MAX_WINDOWS)
    .map(([window, profiles], w) => {
      values[`:h${w}`] = from + window + 1;
      const operands = profiles.map((profile, p) => {
        values[`:p${w}_${p}`] = profile;
        return `:p${w}_${p}`;
      });
      // No parentheses around it: DynamoDB refuses an expression in two pairs of them.
      return `#oauthProfile IN (${operands.join(', ')}) AND #accessTokenExpiresAt BETWEEN :h${w} AND :far`;
    })
    .join(' OR ');
}
