import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Dashboard } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { OAuthTokenRefresher } from './oauth-token-refresher.ts';
import type { OAuthTokenRefresherProps } from './props.ts';

/** The settings of the refresher, and those of any stack. */
export interface OAuthTokenRefresherStackProps extends StackProps, OAuthTokenRefresherProps {}

/** One refresher in its own stack. The command line finds it by the stack's outputs. */
export class OAuthTokenRefresherStack extends Stack {
  readonly refresher: OAuthTokenRefresher;

  constructor(scope: Construct, id: string, props: OAuthTokenRefresherStackProps = {}) {
    super(scope, id, { description: 'Keeps OAuth access tokens fresh', ...props });
    this.refresher = new OAuthTokenRefresher(this, 'Refresher', props);
    const { tableName, function: fn, secretNamePrefix, escrowKey, deadLetterQueue, rules } = this.refresher;
    const { alarmTopic, dashboard } = this.refresher;
    this.output('AccountsTableName', tableName, 'The accounts table, with one item for each account');
    this.output('FunctionName', fn.functionName, 'Invoke it by hand: npm run -s invoke -- --function NAME');
    this.output('LogGroupName', fn.logGroup.logGroupName, "The function's log");
    this.output('SecretNamePrefix', secretNamePrefix, "How the secrets' names begin");
    this.output('EscrowKeyArn', escrowKey.keyArn, "Encrypts refresh tokens while they can't be stored");
    this.output(
      'DeadLetterQueueUrl',
      deadLetterQueue.queueUrl,
      'Events that the function could not take, and messages that could not be sent',
    );
    this.output('AlarmTopicArn', alarmTopic.topicArn, 'Subscribe to it to get alarms');
    this.output('DashboardName', dashboard.dashboardName, 'The CloudWatch dashboard');
    this.output('DashboardUrl', urlOf(dashboard, this.region), 'Open the dashboard here');
    this.output(
      'RuleNames',
      rules.map(({ ruleName }) => ruleName).join(','),
      'The rules that start the function',
    );
  }

  private output(id: string, value: string, description: string): void {
    new CfnOutput(this, id, { value, description });
  }
}

function urlOf({ dashboardName }: Dashboard, region: string): string {
  return `https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards/dashboard/${dashboardName}`;
}
