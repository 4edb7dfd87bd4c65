import { Token } from 'aws-cdk-lib';
import { failed } from './checks.ts';
import type { OAuthTokenRefresherProps } from './props.ts';

/** ARNs and names of what exists already. */
export function givenProblems(props: OAuthTokenRefresherProps): string[] {
  return [
    ...arnProblems(props.additionalTokenSecretArns ?? []),
    ...tableProblems(props),
    ...formerTableProblems(props.formerAccountsTables ?? [], props.accountsTableArn),
    ...failed([
      [
        props.alarmTopic?.fifo === true,
        "alarmTopic must not be a FIFO topic: CloudWatch can't publish to it",
      ],
    ]),
  ];
}

function arnProblems(arns: readonly string[]): string[] {
  return arns
    .filter(
      (arn) =>
        !Token.isUnresolved(arn) && !/^arn:[^:]+:secretsmanager:[^:*]+:[^:*]+:secret:[^*]+\*?$/.test(arn),
    )
    .map(
      (arn) =>
        `additionalTokenSecretArns: "${arn}" is not the ARN of a secret, or of all secrets with a prefix`,
    );
}

/** A table name, alone or after its account and Region. The function reads it in the same way. */
const FORMER_TABLE = /^(?:\d{12}\/[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}\/)?[A-Za-z0-9_.-]{3,255}$/;

function tableProblems({ accountsTableArn, accountsTableKeyArn }: OAuthTokenRefresherProps): string[] {
  const wrong = (arn: string | undefined, pattern: RegExp) =>
    arn !== undefined && !Token.isUnresolved(arn) && !pattern.test(arn);
  return [
    ...(wrong(accountsTableArn, /^arn:[^:]+:dynamodb:[^:*]+:\d{12}:table\/[A-Za-z0-9_.-]{3,255}$/)
      ? [
          `accountsTableArn must be the ARN of a table, such as arn:aws:dynamodb:eu-central-1:123456789012:table/oauth-accounts; it is "${accountsTableArn}"`,
        ]
      : []),
    ...(wrong(accountsTableKeyArn, /^arn:[^:]+:kms:[^:*]+:\d{12}:key\/[A-Za-z0-9-]+$/)
      ? [
          `accountsTableKeyArn must be the ARN of a KMS key, such as arn:aws:kms:eu-central-1:123456789012:key/…, not of an alias; it is "${accountsTableKeyArn}"`,
        ]
      : []),
    ...(accountsTableKeyArn !== undefined && accountsTableArn === undefined
      ? ['accountsTableKeyArn needs accountsTableArn, the table that it encrypts']
      : []),
  ];
}

function formerTableProblems(names: readonly string[], ownArn: string | undefined): string[] {
  const own = /:dynamodb:([^:]+):(\d{12}):table\/(.+)$/.exec(ownArn ?? '');
  const ownNames = own === null ? [] : [own[3], `${own[2]}/${own[1]}/${own[3]}`];
  const known = names.filter((name) => !Token.isUnresolved(name));
  return [
    ...known
      .filter((name) => !FORMER_TABLE.test(name))
      .map(
        (name) =>
          `formerAccountsTables: "${name}" is neither the name of a table nor account/region/name, such as "123456789012/eu-central-1/oauth-accounts"`,
      ),
    ...known
      .filter((name) => ownNames.includes(name))
      .map((name) => `formerAccountsTables: "${name}" is the current table; leave it out`),
  ];
}
