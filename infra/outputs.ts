import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { OAuthTokenRefresher } from './oauth-token-refresher.ts';
import { packageVersion } from './version.ts';

/**
 * Gives a stack the outputs by which the command line finds everything.
 *
 * @param scope its stack, for plain names such as `FunctionName`; or the refresher itself, for names that begin with its id,
 *   so that several fit into one stack
 */
export function createOutputs(scope: Construct, refresher: OAuthTokenRefresher): void {
  const output = (id: string, value: string, description: string) =>
    new CfnOutput(scope, id, { value, description });
  const { tableName, function: fn, secretNamePrefix, escrowKey, deadLetterQueue, rules } = refresher;
  output('AccountsTableName', tableName, 'The accounts table, with one item for each account');
  output('FunctionName', fn.functionName, 'Invoke it by hand: npm run -s invoke -- --function NAME');
  output('LogGroupName', fn.logGroup.logGroupName, "The function's log");
  output('SecretNamePrefix', secretNamePrefix, "How the secrets' names begin");
  output('EscrowKeyArn', escrowKey.keyArn, "Encrypts refresh tokens while they can't be stored");
  output(
    'DeadLetterQueueUrl',
    deadLetterQueue.queueUrl,
    'Events that the function could not take, and messages that could not be sent',
  );
  output('AlarmTopicArn', refresher.alarmTopic.topicArn, 'Subscribe to it to get alarms');
  const { dashboard } = refresher;
  if (dashboard !== undefined) {
    output('DashboardName', dashboard.dashboardName, 'The CloudWatch dashboard');
    output(
      'DashboardUrl',
      urlOf(dashboard.dashboardName, Stack.of(refresher).region),
      'Open the dashboard here',
    );
  }
  output('RuleNames', rules.map(({ ruleName }) => ruleName).join(','), 'The rules that start the function');
  output(
    'OperatorPolicyArn',
    refresher.operatorPolicy.managedPolicyArn,
    'Attach it to the role of who uses the command line',
  );
  output('Version', packageVersion(), 'The version of oauth-token-refresher');
}

function urlOf(dashboardName: string, region: string): string {
  return `https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards/dashboard/${dashboardName}`;
}
