import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Dashboard } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { OAuthTokenRefresher } from './oauth-token-refresher.ts';
import type { OAuthTokenRefresherProps } from './props.ts';

/** One refresher in a stack of its own. Its outputs are how the command line finds it. */
export class OAuthTokenRefresherStack extends Stack {
  readonly refresher: OAuthTokenRefresher;

  constructor(scope: Construct, id: string, props: StackProps & OAuthTokenRefresherProps = {}) {
    super(scope, id, { description: 'Keeps OAuth access tokens fresh', ...props });
    this.refresher = new OAuthTokenRefresher(this, 'Refresher', props);
    const { tableName, function: fn, secretNamePrefix, escrowKey, deadLetterQueue, rules } = this.refresher;
    const { alarmTopic, dashboard } = this.refresher;
    this.output('AccountsTableName', tableName, 'One item an account');
    this.output('FunctionName', fn.functionName, 'Invoke it by hand with npm run invoke -- --function NAME');
    this.output('LogGroupName', fn.logGroup.logGroupName, 'What it said');
    this.output('SecretNamePrefix', secretNamePrefix, 'Where profiles and token sets are kept');
    this.output('EscrowKeyArn', escrowKey.keyArn, 'Encrypts refresh tokens while they can not be stored');
    this.output('DeadLetterQueueUrl', deadLetterQueue.queueUrl, 'Events that the function could not take');
    this.output('AlarmTopicArn', alarmTopic.topicArn, 'Subscribe to it to be told');
    this.output('DashboardName', dashboard.dashboardName, 'The CloudWatch dashboard');
    this.output('DashboardUrl', urlOf(dashboard, this.region), 'The same, to open');
    this.output('RuleNames', rules.map(({ ruleName }) => ruleName).join(','), 'What fires the function');
  }

  private output(id: string, value: string, description: string): void {
    new CfnOutput(this, id, { value, description });
  }
}

function urlOf({ dashboardName }: Dashboard, region: string): string {
  return `https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards/dashboard/${dashboardName}`;
}
