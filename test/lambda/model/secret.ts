import type { SecretVersion } from '../../../adapters/aws/secrets.ts';
import { aTokenSet, NOW } from '../../support/builders.ts';
import { FIRST_TOKEN, numberOf } from './provider.ts';

/** Milliseconds for which a read may give what stood there before the last store. */
const READS_LAG_FOR = 120_000;
export const ACCOUNT_ID = 'acme';
export const TABLE = 'accounts';
export const KEPT_BY = `123456789012/eu-central-1/${TABLE}`;
const SECRET = {
  name: `oauth/accounts/${ACCOUNT_ID}`,
  arn: `arn:aws:secretsmanager:eu-central-1:123456789012:secret:oauth/accounts/${ACCOUNT_ID}-AbCdEf`,
};

export const refreshTokenIn = ({ text }: SecretVersion) => JSON.parse(text ?? '{}').refresh_token;

interface Around {
  /** Milliseconds. */
  readonly now: () => number;
  /** A refresh token stands here. */
  readonly keep: (refreshToken: unknown) => void;
  /** Gets a sentence where something is stored over what is newer. */
  readonly broken: string[];
  readonly unclaimed: boolean | undefined;
}

/** The token secret: its versions, and which of them `AWSCURRENT` is at. */
export function createModelSecret({ now, keep, broken, unclaimed }: Around) {
  const set = aTokenSet({ refresh_token: FIRST_TOKEN, ...(unclaimed ? {} : { kept_by: KEPT_BY }) });
  const versionOf = (text: string, versionId: string, createdAt: number): SecretVersion => ({
    text,
    versionId,
    createdAt,
    ...SECRET,
  });
  const first = versionOf(JSON.stringify(set), 'first', NOW - 3_600);
  const versions = [first];
  const labelled = [{ version: first, since: 0 }];
  const current = () => labelled.at(-1)?.version ?? first;
  return {
    current,
    read: (mayLag: boolean) => {
      const [before, last] = labelled.slice(-2);
      const lags = mayLag && last !== undefined && now() - last.since < READS_LAG_FOR;
      return (lags ? before?.version : undefined) ?? current();
    },
    version: (versionId: string) => versions.find((version) => version.versionId === versionId),
    add: (text: string, versionId: string) => {
      const version = versionOf(text, versionId, now() / 1000);
      versions.push(version);
      return version;
    },
    makeCurrent: (name: string, version: SecretVersion) => {
      const [next, before] = [refreshTokenIn(version), refreshTokenIn(current())];
      if (numberOf(next) < numberOf(before)) broken.push(`${name} stored ${next} over ${before}`);
      labelled.push({ version, since: now() });
      keep(next);
    },
  };
}
