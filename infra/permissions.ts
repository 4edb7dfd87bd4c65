import { ArnFormat, Stack, Token, Validations } from 'aws-cdk-lib';
import type { IEventBus } from 'aws-cdk-lib/aws-events';
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { OAuthTokenRefresher } from './oauth-token-refresher.ts';
import type { OAuthTokenRefresherProps } from './settings/props.ts';

export type Refresher = OAuthTokenRefresher;

export function grantTable({ table }: Refresher, grantee: IGrantable): void {
  // The function's notes are items, too. It never deletes one.
  table.grant(grantee, 'dynamodb:Scan', 'dynamodb:GetItem', 'dynamodb:BatchGetItem', 'dynamodb:UpdateItem');
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
export function viaDynamoDb({ stack, tableArn }: Refresher['table']) {
  const { region = stack.region } = stack.splitArn(tableArn, ArnFormat.SLASH_RESOURCE_NAME);
  return via('dynamodb', Token.isUnresolved(region) ? stack.region : region, stack);
}

/** For a key of the user's, which encrypts the secrets. */
export function viaSecretsManager(refresher: Refresher) {
  const stack = Stack.of(refresher);
  return via('secretsmanager', stack.region, stack);
}

/** A key's use by a service for its caller. In China the service's name ends with `amazonaws.com.cn`. */
export function via(service: string, region: string, { urlSuffix }: Stack) {
  return { StringEquals: { 'kms:ViaService': `${service}.${region}.${urlSuffix}` } };
}

/** `events:source` keeps it from putting events in somebody else's name. */
export function grantEvents({ eventBusArn }: Pick<IEventBus, 'eventBusArn'>, grantee: IGrantable): void {
  grantee.grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ['events:PutEvents'],
      resources: [eventBusArn],
      conditions: { StringEquals: { 'events:source': EVENT_SOURCE } },
    }),
  );
}

/** The source of every event that the function puts on the bus. */
export const EVENT_SOURCE = 'oauth-token-refresher';

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
      conditions: viaSecretsManager(refresher),
    }),
  );
}

/** The ARN of secrets below the prefix. */
export function secretArn(refresher: Refresher, name: string): string {
  return Stack.of(refresher).formatArn({
    service: 'secretsmanager',
    resource: 'secret',
    resourceName: `${refresher.secretNamePrefix}${name}`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
}

/** The encryption context of data keys for escrow. Nothing else uses it. */
export const escrowOnly = { StringEquals: { 'kms:EncryptionContext:use': 'escrow' } };

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

/** What cdk-nag's AwsSolutions pack finds here, and why it is fine. Only newer versions of the CDK can be told. */
export function acknowledgeFindings(
  { function: { role }, deadLetterQueue, operatorPolicy, secretNamePrefix, service }: Refresher,
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
  // cdk-nag compares texts, and a value that is only known at deployment has none yet.
  const wildcard = (resource: string, reason: string) =>
    Token.isUnresolved(resource)
      ? []
      : [{ id: `AwsSolutions::AwsSolutions-IAM5[Resource::${resource}]`, reason }];
  const nagArn = (of: string, resource: string) =>
    `arn:<AWS::Partition>:${of}:<AWS::Region>:<AWS::AccountId>:${resource}`;
  const secrets = [
    nagArn('secretsmanager', `secret:${secretNamePrefix}accounts/*`),
    nagArn('secretsmanager', `secret:${secretNamePrefix}profiles/*`),
    ...additionalTokenSecretArns,
  ].flatMap((arn) =>
    wildcard(
      arn,
      'Secrets of accounts and profiles are created after the deployment, so only their prefix is known here.',
    ),
  );
  Validations.of(operatorPolicy).acknowledge(
    ...secrets,
    ...wildcard(nagArn('cloudwatch', `alarm:${service}-*`), 'All alarms of this deployment begin so.'),
    ...wildcard('*', 'secretsmanager:ListSecrets accepts no resource.'),
    ...wildcard(
      nagArn('cloudformation', `stack/${Stack.of(operatorPolicy).stackName}/*`),
      "A stack's ARN ends with a random id.",
    ),
  );
  if (role === undefined) return;
  Validations.of(role).acknowledge(
    ...secrets,
    ...wildcard(
      '*',
      'X-Ray accepts no resource, and network interfaces in a VPC are only known once they are there.',
    ),
  );
}
