import { ArnFormat, Stack, Token, Validations } from 'aws-cdk-lib';
import { Grant, type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { OAuthTokenRefresher } from './oauth-token-refresher.ts';
import type { OAuthTokenRefresherProps } from './settings/props.ts';

type Refresher = OAuthTokenRefresher;

export function grantTable({ table }: Refresher, grantee: IGrantable): void {
  // The function's notes are items, too. It never deletes one.
  table.grant(grantee, 'dynamodb:Scan', 'dynamodb:GetItem', 'dynamodb:UpdateItem');
  if (table.encryptionKey === undefined) return;
  grantee.grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ['kms:Decrypt', 'kms:Encrypt', 'kms:GenerateDataKey'],
      resources: [table.encryptionKey.keyArn],
      conditions: viaDynamoDb(table),
    }),
  );
}

/** The table may be in another Region. */
function viaDynamoDb({ stack, tableArn }: Refresher['table']) {
  const { region = stack.region } = stack.splitArn(tableArn, ArnFormat.SLASH_RESOURCE_NAME);
  const known = Token.isUnresolved(region) ? stack.region : region;
  return { StringEquals: { 'kms:ViaService': `dynamodb.${known}.amazonaws.com` } };
}

/** Profiles can only be read, and no secret can be listed, created or deleted. */
export function grantSecrets(
  refresher: Refresher,
  grantee: IGrantable,
  props: OAuthTokenRefresherProps,
): void {
  const tokenSecrets = [secretArn(refresher, 'accounts/*'), ...(props.additionalTokenSecretArns ?? [])];
  const allow = (actions: string[], resources: string[]) =>
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions, resources }));
  allow(['secretsmanager:GetSecretValue'], [secretArn(refresher, 'profiles/*'), ...tokenSecrets]);
  // ListSecretVersionIds counts the versions of one secret, to stay within the quota. It lists no secrets.
  // UpdateSecretVersionStage claims a token set: it makes it current only if the one that was read still is.
  allow(
    [
      'secretsmanager:PutSecretValue',
      'secretsmanager:UpdateSecretVersionStage',
      'secretsmanager:ListSecretVersionIds',
    ],
    tokenSecrets,
  );
  if (props.secretsEncryptionKey === undefined) return;
  grantee.grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
      resources: [props.secretsEncryptionKey.keyArn],
      conditions: {
        StringEquals: { 'kms:ViaService': `secretsmanager.${Stack.of(refresher).region}.amazonaws.com` },
      },
    }),
  );
}

function secretArn(refresher: Refresher, name: string): string {
  return Stack.of(refresher).formatArn({
    service: 'secretsmanager',
    resource: 'secret',
    resourceName: `${refresher.secretNamePrefix}${name}`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
}

/** The encryption context of data keys for escrow. Nothing else uses it. */
const escrowOnly = { StringEquals: { 'kms:EncryptionContext:use': 'escrow' } };

export function grantEscrow({ keyArn }: IKey, grantee: IGrantable): void {
  const allow = (actions: string[], conditions: Record<string, object>) =>
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({ actions, resources: [keyArn], conditions }),
    );
  allow(['kms:GenerateDataKey', 'kms:Decrypt'], escrowOnly);
  // For version 0.1.0, whose encryption context is the account id. It still needs Encrypt while it is replaced:
  // a deployment changes permissions before code, and a token spent in between must not be lost.
  allow(['kms:Encrypt', 'kms:Decrypt'], {
    'ForAnyValue:StringEquals': { 'kms:EncryptionContextKeys': ['accountId'] },
  });
}

/** Lets somebody read what is in escrow, and the items that hold it. */
export function grantReadAnswers({ table, escrowKey }: Refresher, grantee: IGrantable): Grant {
  const item = table.grant(grantee, 'dynamodb:GetItem');
  const escrow = Grant.addToPrincipal({
    grantee,
    actions: ['kms:Decrypt'],
    resourceArns: [escrowKey.keyArn],
    conditions: escrowOnly,
  });
  const tableKey = table.encryptionKey;
  if (tableKey === undefined) return item.combine(escrow);
  const conditions = viaDynamoDb(table);
  const resourceArns = [tableKey.keyArn];
  const readItem = Grant.addToPrincipal({ grantee, actions: ['kms:Decrypt'], resourceArns, conditions });
  return item.combine(escrow).combine(readItem);
}

/** What cdk-nag's AwsSolutions pack finds here, and why it is fine. Only newer versions of the CDK can be told. */
export function acknowledgeFindings(
  { function: { role }, deadLetterQueue, secretNamePrefix }: Refresher,
  { additionalTokenSecretArns = [] }: OAuthTokenRefresherProps,
): void {
  if (Validations === undefined) return;
  Validations.of(deadLetterQueue).acknowledge(
    { id: 'AwsSolutions::AwsSolutions-SQS3', reason: 'This is the dead-letter queue.' },
    {
      id: 'AwsSolutions::AwsSolutions-SQS4',
      reason: 'Requests without TLS are denied, by a statement that lists each action instead of sqs:*.',
    },
  );
  if (role === undefined) return;
  const byPrefix =
    'Secrets of accounts and profiles are created after the deployment, so only their prefix is known here.';
  const nagArn = (name: string) =>
    `arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:${secretNamePrefix}${name}`;
  const resources = [nagArn('accounts/*'), nagArn('profiles/*'), ...additionalTokenSecretArns].filter(
    // cdk-nag compares texts, and a value that is only known at deployment has none yet.
    (resource) => !Token.isUnresolved(resource),
  );
  Validations.of(role).acknowledge(
    {
      id: 'AwsSolutions::AwsSolutions-IAM5[Resource::*]',
      reason:
        'X-Ray accepts no resource, and network interfaces in a VPC are only known once they are there.',
    },
    ...resources.map((resource) => ({
      id: `AwsSolutions::AwsSolutions-IAM5[Resource::${resource}]`,
      reason: byPrefix,
    })),
  );
}
