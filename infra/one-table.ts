import { Annotations, Stack, Token, TokenComparison } from 'aws-cdk-lib';
import { serviceName } from './monitoring/service-name.ts';
import type { OAuthTokenRefresher } from './oauth-token-refresher.ts';

/**
 * Finds two deployments in one app that would keep the same secrets: both would spend the same refresh token, and a
 * provider that sees it twice revokes the grant. Across apps, `kept_by` in the token set catches this at run time.
 *
 * @param all every deployment of the app, in the order of the construct tree
 */
export function sharedSecrets(own: OAuthTokenRefresher, all: readonly OAuthTokenRefresher[]): string[] {
  // The later one of the two reports it.
  const earlier = all.slice(0, all.indexOf(own));
  return earlier.filter((other) => mayShare(own, other)).flatMap((other) => judge(own, other));
}

function judge(own: OAuthTokenRefresher, other: OAuthTokenRefresher): string[] {
  const paths = `${other.node.path} and ${own.node.path}`;
  const prefixes = `"${other.secretNamePrefix}" and "${own.secretNamePrefix}"`;
  if (takesOver(own, other) || takesOver(other, own)) {
    Annotations.of(own).addWarningV2(
      'oauth-token-refresher:takesOver',
      `${paths} keep secrets of the same names (prefixes ${prefixes}), and one takes over the other's. Deploy it only after the old one's rules are off and its leases have ended: docs/upgrading.md`,
    );
    return [];
  }
  return [
    `${paths} would keep the same secrets (prefixes ${prefixes}): a refresh token that both spend is revoked. Give each a secretNamePrefix that the other's doesn't begin with. If one replaces the other, name the old one's table in its formerAccountsTables (docs/upgrading.md). If they are for different AWS accounts or Regions, give their stacks an env.`,
  ];
}

function mayShare(a: OAuthTokenRefresher, b: OAuthTokenRefresher): boolean {
  const [one, other] = [a.secretNamePrefix, b.secretNamePrefix];
  if (Token.isUnresolved(one) || Token.isUnresolved(other)) return false;
  // The leases in a shared table keep two functions apart.
  if (a.table.tableArn === b.table.tableArn) return false;
  const [here, there] = [Stack.of(a), Stack.of(b)];
  return (
    (one.startsWith(other) || other.startsWith(one)) &&
    mayBeSame(here.account, there.account) &&
    mayBeSame(here.region, there.region)
  );
}

/** Whether two accounts or Regions may be the same. Like the CDK, it says yes if neither stack names its own. */
function mayBeSame(one: string, other: string): boolean {
  const comparison = Token.compareStrings(one, other);
  return comparison === TokenComparison.SAME || comparison === TokenComparison.BOTH_UNRESOLVED;
}

const takesOver = ({ formerAccountsTables }: OAuthTokenRefresher, { table }: OAuthTokenRefresher) =>
  formerAccountsTables.some((name) => name.slice(name.lastIndexOf('/') + 1) === table.tableName);

/** Finds deployments whose alarms and metrics would have the same names. The later one of two reports it. */
export function sharedNames(own: OAuthTokenRefresher, all: readonly OAuthTokenRefresher[]): string[] {
  const isClash = (other: OAuthTokenRefresher) =>
    mayBeSame(Stack.of(own).account, Stack.of(other).account) &&
    mayBeSame(Stack.of(own).region, Stack.of(other).region) &&
    serviceName(own) === serviceName(other);
  return all
    .slice(0, all.indexOf(own))
    .filter(isClash)
    .map(
      (other) =>
        `${other.node.path} and ${own.node.path} would both call their alarms and metrics ${serviceName(own)}-…: give one another id, or its stack another name.`,
    );
}
