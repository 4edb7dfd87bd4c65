import { ArnFormat, CfnOutput, Stack } from 'aws-cdk-lib';
import { Grant, type IGrantable, ManagedPolicy } from 'aws-cdk-lib/aws-iam';
import { escrowOnly, type Refresher, secretArn, viaDynamoDb, viaSecretsManager } from './permissions.ts';
import type { OAuthTokenRefresherProps } from './settings/props.ts';

/** A statement of what people, and programs that read tokens, may have. The function's role is in permissions.ts. */
interface Wanted {
  readonly actions: string[];
  readonly resourceArns: string[];
  readonly conditions?: Record<string, Record<string, unknown>>;
}

function grantAll(grantee: IGrantable, wanted: readonly Wanted[]): Grant {
  return wanted
    .map((one) => Grant.addToPrincipal({ grantee, ...one }))
    .reduce((all, one) => all.combine(one));
}

/** All that the command line does, `accounts answer` included. */
export function grantOperate(
  refresher: Refresher,
  grantee: IGrantable,
  props: OAuthTokenRefresherProps,
): Grant {
  const { table, function: fn, deadLetterQueue, rules, alarms, escrowKey } = refresher;
  const stack = Stack.of(refresher);
  const arn = (service: string, resource: string) =>
    stack.formatArn({ service, resource, arnFormat: ArnFormat.NO_RESOURCE_NAME });
  const tokenSecrets = [secretArn(refresher, 'accounts/*'), ...(props.additionalTokenSecretArns ?? [])];
  return grantAll(
    grantee,
    [
      {
        actions: names('dynamodb', 'BatchGetItem DeleteItem DescribeTable GetItem PutItem Scan UpdateItem'),
        resourceArns: [table.tableArn],
      },
      ...tableKeyUse(refresher, names('kms', 'Decrypt Encrypt GenerateDataKey')),
      {
        actions: names(
          'secretsmanager',
          'CreateSecret DeleteSecret DescribeSecret GetSecretValue PutSecretValue RestoreSecret UpdateSecretVersionStage',
        ),
        resourceArns: [secretArn(refresher, 'profiles/*'), ...tokenSecrets],
      },
      { actions: ['secretsmanager:ListSecretVersionIds'], resourceArns: tokenSecrets },
      // It lists names and can't be limited to some. `report secrets` looks for secrets that no account uses.
      { actions: ['secretsmanager:ListSecrets'], resourceArns: ['*'] },
      ...(props.secretsEncryptionKey === undefined
        ? []
        : [
            {
              actions: names('kms', 'Decrypt GenerateDataKey'),
              resourceArns: [props.secretsEncryptionKey.keyArn],
              conditions: viaSecretsManager(refresher),
            },
          ]),
      { actions: ['kms:Decrypt'], resourceArns: [escrowKey.keyArn], conditions: escrowOnly },
      { actions: ['kms:DescribeKey'], resourceArns: [escrowKey.keyArn] },
      {
        actions: names('lambda', 'GetFunctionConcurrency GetFunctionConfiguration InvokeFunction'),
        resourceArns: [fn.functionArn],
      },
      { actions: names('logs', 'FilterLogEvents StartQuery'), resourceArns: [fn.logGroup.logGroupArn] },
      // A query, once started, has no resource of its own. `accounts history` and `report` ask the log.
      { actions: names('logs', 'GetQueryResults StopQuery'), resourceArns: ['*'] },
      { actions: ['events:DescribeRule'], resourceArns: rules.map(({ ruleArn }) => ruleArn) },
      { actions: ['sqs:GetQueueAttributes'], resourceArns: [deadLetterQueue.queueArn] },
      // By the beginning of their names: their ARNs would not all fit into a managed policy.
      {
        actions: names('cloudwatch', 'DescribeAlarmHistory DescribeAlarms'),
        resourceArns: alarms.length === 0 ? [] : [arn('cloudwatch', `alarm:${refresher.service}-*`)],
      },
      {
        actions: ['cloudformation:DescribeStacks'],
        resourceArns: [arn('cloudformation', `stack/${stack.stackName}/*`)],
      },
    ].filter(({ resourceArns }) => resourceArns.length > 0),
  );
}

/** Lets somebody read what is in escrow, and the items that hold it. */
export function grantReadAnswers(refresher: Refresher, grantee: IGrantable): Grant {
  const { table, escrowKey } = refresher;
  return grantAll(grantee, [
    { actions: ['dynamodb:GetItem'], resourceArns: [table.tableArn] },
    { actions: ['kms:Decrypt'], resourceArns: [escrowKey.keyArn], conditions: escrowOnly },
    ...tableKeyUse(refresher, ['kms:Decrypt']),
  ]);
}

/** Secrets Manager allows no others in a name. `*` and `?` would open more than one secret. */
const ACCOUNT_ID = /^[A-Za-z0-9/_+=.@-]{1,400}$/;

/** Lets somebody read one account's token set. @throws Error where the id can't be in a secret's name */
export function grantReadAccount(
  refresher: Refresher,
  grantee: IGrantable,
  accountId: string,
  { secretsEncryptionKey }: OAuthTokenRefresherProps,
): Grant {
  if (!ACCOUNT_ID.test(accountId))
    throw new Error(
      `accountId "${accountId}" can't be in a secret's name: it may have letters, digits and / _ + = . @ -. Name the account, not a pattern; if its item has a tokenSecretId, allow secretsmanager:GetSecretValue on that secret.`,
    );
  // Secrets Manager ends each ARN with a hyphen and six characters, so that "acme" doesn't open "acme-2".
  const arn = secretArn(refresher, `accounts/${accountId}-??????`);
  return grantAll(grantee, [
    { actions: ['secretsmanager:GetSecretValue'], resourceArns: [arn] },
    ...(secretsEncryptionKey === undefined
      ? []
      : [
          {
            actions: ['kms:Decrypt'],
            resourceArns: [secretsEncryptionKey.keyArn],
            conditions: {
              ...viaSecretsManager(refresher),
              StringLike: { 'kms:EncryptionContext:SecretARN': arn },
            },
          },
        ]),
  ]);
}

/** A managed policy for the readers of one account, and an output with its ARN. */
export function createReaderPolicy(
  refresher: Refresher,
  accountId: string,
  props: OAuthTokenRefresherProps,
): ManagedPolicy {
  const policy = new ManagedPolicy(refresher, `Reader-${accountId}`);
  grantReadAccount(refresher, policy, accountId, props);
  new CfnOutput(policy, 'Arn', {
    value: policy.managedPolicyArn,
    description: `Attach it to a role that reads the tokens of ${accountId}`,
  });
  return policy;
}

function tableKeyUse({ table }: Refresher, actions: string[]): Wanted[] {
  if (table.encryptionKey === undefined) return [];
  return [{ actions, resourceArns: [table.encryptionKey.keyArn], conditions: viaDynamoDb(table) }];
}

const names = (service: string, actions: string) => actions.split(' ').map((name) => `${service}:${name}`);
