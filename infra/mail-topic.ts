import { ArnFormat, type RemovalPolicy, Stack } from 'aws-cdk-lib';
import { EventField, type IEventBusRef, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { SnsTopic } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { createKey } from './key.ts';
import type { Settings } from './settings/settings.ts';

const cloudWatch = new ServicePrincipal('cloudwatch.amazonaws.com');
const eventBridge = new ServicePrincipal('events.amazonaws.com');

/**
 * The topic that people subscribe to. It needs a key of ours: CloudWatch can't use `aws/sns`, and its alarms would
 * fail silently.
 *
 * Only this account's alarms and EventBridge may publish. The statements for EventBridge have no condition, since it
 * supports none ("You can't use Condition blocks in Amazon SNS topic policies for EventBridge", its user guide).
 */
export function createAlarmTopic(
  scope: Construct,
  given: ITopic | undefined,
  { alarmEmail, removalPolicy }: Settings,
): ITopic {
  const topic = given ?? createTopic(scope, removalPolicy);
  if (alarmEmail !== undefined) topic.addSubscription(new EmailSubscription(alarmEmail));
  return topic;
}

function createTopic(scope: Construct, removalPolicy: RemovalPolicy): Topic {
  const masterKey = createKey(scope, 'AlarmTopicKey', 'Alarms and messages', removalPolicy);
  const topic = new Topic(scope, 'AlarmTopic', {
    displayName: 'OAuth token refresher',
    masterKey,
    enforceSSL: true,
  });
  const { account } = Stack.of(scope);
  const alarms = Stack.of(scope).formatArn({
    service: 'cloudwatch',
    resource: 'alarm',
    resourceName: '*',
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  const ownAlarms = {
    StringEquals: { 'aws:SourceAccount': account },
    ArnLike: { 'aws:SourceArn': alarms },
  };
  const useKey = ['kms:Decrypt', 'kms:GenerateDataKey'];
  masterKey.addToResourcePolicy(
    new PolicyStatement({
      principals: [cloudWatch],
      actions: useKey,
      resources: ['*'],
      conditions: ownAlarms,
    }),
  );
  masterKey.addToResourcePolicy(
    new PolicyStatement({ principals: [eventBridge], actions: useKey, resources: ['*'] }),
  );
  const publish = { actions: ['sns:Publish'], resources: [topic.topicArn] };
  topic.addToResourcePolicy(
    new PolicyStatement({ principals: [cloudWatch], ...publish, conditions: ownAlarms }),
  );
  topic.addToResourcePolicy(new PolicyStatement({ principals: [eventBridge], ...publish }));
  return topic;
}

interface TellWhoNeedsAPerson {
  readonly eventBus: IEventBusRef;
  readonly topic: ITopic;
  /** Takes the messages that could not be published, so that somebody notices. */
  readonly deadLetterQueue: IQueue;
  readonly runbookUrl: string;
}

/** Sends a message that names the account which needs a person: an alarm only knows that there is one. */
export function tellWhoNeedsAPerson(
  scope: Construct,
  { eventBus, topic, deadLetterQueue, runbookUrl }: TellWhoNeedsAPerson,
): Rule {
  // Imported by ARN: otherwise the target would repeat the topic's and key's statements, with a wildcard.
  const known = Topic.fromTopicArn(scope, 'KnownAlarmTopic', topic.topicArn);
  const of = (field: string) => EventField.fromPath(`$.detail.${field}`);
  return new Rule(scope, 'TellWhoNeedsAPerson', {
    description: 'Tells people which OAuth account needs a person',
    eventBus,
    eventPattern: { source: ['oauth-token-refresher'], detailType: ['OAuth Reauthorization Required'] },
    targets: [
      new SnsTopic(known, {
        message: RuleTargetInput.fromMultilineText(
          [
            `An OAuth account needs a person: ${of('name')}`,
            `accountId: ${of('accountId')}`,
            `profile: ${of('oauthProfile')}`,
            `reason: ${of('reason')}`,
            `What to do: ${runbookUrl}#accounts-need-a-person`,
          ].join('\n'),
        ),
        deadLetterQueue,
      }),
    ],
  });
}
