import { ArnFormat, type RemovalPolicy, Stack } from 'aws-cdk-lib';
import { EventField, type IEventBusRef, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { SnsTopic } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { createKey } from './key.ts';
import { EVENT_SOURCE, via } from './permissions.ts';
import type { Settings } from './settings/settings.ts';

const cloudWatch = new ServicePrincipal('cloudwatch.amazonaws.com');
const useKey = ['kms:Decrypt', 'kms:GenerateDataKey'];

interface AlarmTopic {
  readonly topic: ITopic;
  /** Older versions of the CDK don't say which key a topic has. */
  readonly masterKey: IKey | undefined;
}

/** The given topic, or a new one, with the operator's address subscribed to it. */
export function createAlarmTopic(
  scope: Construct,
  given: ITopic | undefined,
  { alarmEmail, removalPolicy }: Settings,
): AlarmTopic {
  const found =
    given === undefined ? createTopic(scope, removalPolicy) : { topic: given, masterKey: given.masterKey };
  if (alarmEmail !== undefined) found.topic.addSubscription(new EmailSubscription(alarmEmail));
  return found;
}

/**
 * The topic that people subscribe to. It needs a key of ours: CloudWatch can't use `aws/sns`, and its alarms would
 * fail silently.
 *
 * Its policy lets only this account's alarms publish. EventBridge uses a role instead: in a topic's policy it supports no
 * condition, so every AWS account's EventBridge would be allowed.
 */
function createTopic(scope: Construct, removalPolicy: RemovalPolicy): AlarmTopic {
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
  masterKey.addToResourcePolicy(
    new PolicyStatement({
      principals: [cloudWatch],
      actions: useKey,
      resources: ['*'],
      conditions: ownAlarms,
    }),
  );
  topic.addToResourcePolicy(
    new PolicyStatement({
      principals: [cloudWatch],
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: ownAlarms,
    }),
  );
  return { topic, masterKey };
}

interface TellWhoNeedsAPerson {
  readonly eventBus: IEventBusRef;
  readonly alarmTopic: AlarmTopic;
  /** Takes the messages that could not be published, so that somebody notices. */
  readonly deadLetterQueue: IQueue;
  readonly runbookUrl: string;
}

/** Sends a message that names the account which needs a person: an alarm only knows that there is one. */
export function tellWhoNeedsAPerson(
  scope: Construct,
  { eventBus, alarmTopic, deadLetterQueue, runbookUrl }: TellWhoNeedsAPerson,
): Rule {
  // Imported by ARN: otherwise the target would add statements for EventBridge to the topic and its key.
  const known = Topic.fromTopicArn(scope, 'KnownAlarmTopic', alarmTopic.topic.topicArn);
  const of = (field: string) => EventField.fromPath(`$.detail.${field}`);
  const target = new SnsTopic(known, {
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
  });
  const role = createSenderRole(scope, alarmTopic);
  return new Rule(scope, 'TellWhoNeedsAPerson', {
    description: 'Tells people which OAuth account needs a person',
    eventBus,
    eventPattern: { source: [EVENT_SOURCE], detailType: ['OAuth Reauthorization Required'] },
    // Older versions of the CDK have no prop for the role.
    targets: [{ bind: (rule, id) => ({ ...target.bind(rule, id), role }) }],
  });
}

/** What EventBridge publishes with: only this account can hand it the role. */
function createSenderRole(scope: Construct, { topic, masterKey }: AlarmTopic): Role {
  const stack = Stack.of(scope);
  const role = new Role(scope, 'TellRole', { assumedBy: new ServicePrincipal('events.amazonaws.com') });
  role.addToPolicy(new PolicyStatement({ actions: ['sns:Publish'], resources: [topic.topicArn] }));
  if (masterKey !== undefined)
    role.addToPolicy(
      new PolicyStatement({
        actions: useKey,
        resources: [masterKey.keyArn],
        conditions: via('sns', stack.region, stack),
      }),
    );
  return role;
}
