import { readFileSync } from 'node:fs';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { EventBus } from 'aws-cdk-lib/aws-events';
import { describe, expect, test } from 'vitest';
import { EVENT_SOURCE } from '../../adapters/aws/events.ts';
import { OAuthTokenRefresher } from '../../infra/oauth-token-refresher.ts';
import { anchorOf } from '../support/headings.ts';
import { type AlarmProperties, alarmsOf, templateOf, unbundled } from '../support/synthesized.ts';

const template = templateOf({ alarmEmail: 'oncall@example.com' });
const alarms = alarmsOf(template);

/** How CloudWatch judges the newest data points, the last one newest; `undefined` is a period without data. */
function stateOf(name: string, points: readonly (number | undefined)[], before: 'OK' | 'ALARM' = 'OK') {
  const alarm = alarms.get(name) as AlarmProperties;
  const range = points.slice(-alarm.EvaluationPeriods);
  const known = range.filter((point) => point !== undefined);
  if (known.length === 0 && alarm.TreatMissingData === 'ignore') return before;
  const breaches = (point: number | undefined) => {
    if (point === undefined) return alarm.TreatMissingData === 'breaching';
    return alarm.ComparisonOperator === 'LessThanThreshold'
      ? point < alarm.Threshold
      : point >= alarm.Threshold;
  };
  return range.filter(breaches).length >= alarm.DatapointsToAlarm ? 'ALARM' : 'OK';
}

const none = undefined;

describe('an alarm', () => {
  test.each<[string, string, (number | undefined)[], 'OK' | 'ALARM']>([
    ['did not run: is silent while each minute has a run', 'DidNotRun', [1, 1, 1, 1], 'OK'],
    ['… while a run takes its whole two minutes', 'DidNotRun', [1, none, none, 2], 'OK'],
    ['… fires when four minutes have none', 'DidNotRun', [1, none, none, none, none], 'ALARM'],
    ['… is over with the first run', 'DidNotRun', [none, none, none, none, 1], 'OK'],
    ['errors: one run that failed is made good by the next', 'Errors', [0, 1, 0], 'OK'],
    ['… two of three are told', 'Errors', [1, 0, 1], 'ALARM'],
    ['… and it is over when they stop', 'Errors', [1, 0, 1, 0, 0], 'OK'],
    ['a person: one run that finds such an account is enough', 'AccountsNeedAPerson', [0, 0, 0, 1], 'ALARM'],
    ['… a run by hand in between does not end it', 'AccountsNeedAPerson', [3, 3, 0, 3, 0], 'ALARM'],
    ['… it is over when runs find none', 'AccountsNeedAPerson', [3, 0, 0, 0, 0], 'OK'],
    ['tokens expired: at once', 'TokensExpired', [0, 0, 0, 1], 'ALARM'],
    ['… over when none is left', 'TokensExpired', [1, 0, 0, 0, 0], 'OK'],
    ['writes throttled: one minute of it is repeated and done', 'WritesThrottled', [0, 12, 0], 'OK'],
    ['… two of three are told', 'WritesThrottled', [12, 0, 3], 'ALARM'],
    ['escrow: what the next run takes home is not told', 'EscrowInUse', [0, 0, 1, 0], 'OK'],
    ['… what two runs find is', 'EscrowInUse', [0, 0, 1, 1], 'ALARM'],
    ['escrow key: one run that KMS did not answer is not told', 'EscrowUnavailable', [0, 0, 1, 0], 'OK'],
    ['… what two runs find is', 'EscrowUnavailable', [0, 0, 1, 1], 'ALARM'],
    ['… it is over when runs can use it', 'EscrowUnavailable', [1, 1, 0, 0, 0], 'OK'],
    ['dead letters: one is enough', 'DeadLetters', [1], 'ALARM'],
    ['… an idle queue says nothing, which is well', 'DeadLetters', [none], 'OK'],
  ])('%s', (_, name, points, state) => {
    expect(stateOf(name, points)).toBe(state);
  });

  test.each([
    'AccountsNeedAPerson',
    'TokensExpired',
    'EscrowInUse',
    'EscrowUnavailable',
  ])('%s stays as it is while nothing runs', (name) => {
    const silence = [none, none, none, none];
    expect([stateOf(name, silence, 'ALARM'), stateOf(name, silence, 'OK')]).toEqual(['ALARM', 'OK']);
  });

  test('tells the topic when it begins and when it is over', () => {
    const topic = { Ref: Object.keys(template.findResources('AWS::SNS::Topic'))[0] };
    for (const alarm of alarms.values())
      expect([alarm.AlarmActions, alarm.OKActions]).toEqual([[topic], [topic]]);
    expect(alarms.size).toBe(8);
  });

  test('takes the largest of what the shares of the table tell, and the sum of what happened', () => {
    const statistics = [...alarms].map(([name, { Statistic }]) => [name, Statistic]);
    expect(Object.fromEntries(statistics)).toMatchObject({
      AccountsNeedAPerson: 'Maximum',
      TokensExpired: 'Maximum',
      EscrowInUse: 'Maximum',
      EscrowUnavailable: 'Maximum',
      WritesThrottled: 'Sum',
    });
  });

  test('follows the schedule and the timeout', () => {
    const slow = alarmsOf(
      templateOf({
        schedule: Duration.minutes(10),
        timeout: Duration.minutes(5),
        refreshWindow: Duration.minutes(20),
      }),
    );
    expect(slow.get('DidNotRun')).toMatchObject({ Period: 600, EvaluationPeriods: 2, DatapointsToAlarm: 2 });
    expect(slow.get('AccountsNeedAPerson')).toMatchObject({ Period: 600, EvaluationPeriods: 2 });
    expect(slow.get('Errors')?.Metrics?.flatMap(({ MetricStat }) => MetricStat?.Period ?? [])).toEqual([
      600, 600,
    ]);
  });

  test.each([
    ['each minute', {}],
    ['each hour', { schedule: Duration.hours(1), refreshWindow: Duration.hours(2) }],
    ['each day', { schedule: Duration.days(1), refreshWindow: Duration.hours(25) }],
    ['with the longest timeout', { timeout: Duration.minutes(15), refreshWindow: Duration.minutes(20) }],
  ])('looks back no further than CloudWatch allows, %s', (_, props) => {
    for (const { Period = 0, EvaluationPeriods } of alarmsOf(templateOf(props)).values()) {
      expect(Period).toBeLessThanOrEqual(86_400);
      expect(Period * EvaluationPeriods).toBeLessThanOrEqual(Period < 3_600 ? 86_400 : 604_800);
    }
  });

  test('watches each rule where there are several: one that is off hides behind the runs of the others', () => {
    const names = [...alarmsOf(templateOf({ segments: 7 })).keys()].filter((name) => name.startsWith('Rule'));
    expect(names.sort()).toEqual(['Rule1DidNotFire', 'Rule2DidNotFire']);
  });
});

describe('the runbook', () => {
  const page = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
  const sections = new Map(
    page
      .split(/^## /m)
      .slice(1)
      .map((text) => [anchorOf(text.slice(0, text.indexOf('\n'))), text]),
  );

  test.each([...alarms])('%s leads to its section', (_, { AlarmDescription }) => {
    const [, anchor] = /docs\/runbook\.md#([a-z-]+)$/.exec(AlarmDescription) ?? [];
    expect([...sections.keys()]).toContain(anchor);
  });

  test('is found at its address, where one is given', () => {
    const runbookUrl = 'https://wiki.example.com/oauth/runbook.md';
    const withUrl = templateOf({ runbookUrl });
    expect(alarmsOf(withUrl).get('Errors')?.AlarmDescription).toContain(`${runbookUrl}#errors`);
    expect(messageOf(withUrl)).toContain(`${runbookUrl}#accounts-need-a-person`);
  });

  test('leads nowhere that is not there', () => {
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((anchor) => !sections.has(anchor ?? ''))).toEqual([]);
  });

  test.each([...sections])('%s says all four things', (_, text) => {
    const parts = ['**What it means.**', '**How to see it.**', '**How to fix it.**', '**Fixed when**'];
    const at = parts.map((part) => text.indexOf(part));
    expect(
      at.every((index) => index > 0) && at.every((index, i) => i === 0 || index > (at[i - 1] ?? 0)),
    ).toBe(true);
  });
});

function messageOf(of: Template): string {
  const [rule] = Object.values(
    of.findResources('AWS::Events::Rule', { Properties: { EventPattern: Match.anyValue() } }),
  );
  return rule?.Properties.Targets[0].InputTransformer.InputTemplate;
}

describe('the topic', () => {
  test('has an address to tell only where one is given', () => {
    template.hasResourceProperties('AWS::SNS::Subscription', {
      Protocol: 'email',
      Endpoint: 'oncall@example.com',
    });
    templateOf().resourceCountIs('AWS::SNS::Subscription', 0);
  });

  test('is encrypted with a key that this account’s alarms and EventBridge can use, and nobody else', () => {
    template.hasResourceProperties('AWS::SNS::Topic', { KmsMasterKeyId: Match.anyValue() });
    const services = policiesOf('AWS::KMS::Key', 'KeyPolicy').filter(({ Principal }) => Principal.Service);
    expect(
      services.map(({ Principal, Action, Condition }) => [Principal.Service, Action, Condition]),
    ).toEqual([
      ['cloudwatch.amazonaws.com', ['kms:Decrypt', 'kms:GenerateDataKey'], ownAlarms],
      ['events.amazonaws.com', ['kms:Decrypt', 'kms:GenerateDataKey'], undefined],
    ]);
  });

  test('takes nothing without TLS, and is published to by alarms of this account and EventBridge', () => {
    const statements = policiesOf('AWS::SNS::TopicPolicy', 'PolicyDocument');
    expect(
      statements.map(({ Effect, Principal, Condition }) => [
        Effect,
        Principal.Service ?? Principal,
        Condition,
      ]),
    ).toEqual([
      ['Deny', '*', { Bool: { 'aws:SecureTransport': 'false' } }],
      ['Allow', 'cloudwatch.amazonaws.com', ownAlarms],
      // With a condition EventBridge could publish nothing.
      ['Allow', 'events.amazonaws.com', undefined],
    ]);
    expect(statements.map(({ Action }) => Action)).toEqual(['sns:Publish', 'sns:Publish', 'sns:Publish']);
  });
});

const ownAlarms = {
  StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
  ArnLike: {
    'aws:SourceArn': {
      'Fn::Join': [
        '',
        [
          'arn:',
          { Ref: 'AWS::Partition' },
          ':cloudwatch:',
          { Ref: 'AWS::Region' },
          ':',
          { Ref: 'AWS::AccountId' },
          ':alarm:*',
        ],
      ],
    },
  },
};

interface Statement {
  readonly Effect: string;
  readonly Principal: { readonly Service?: string };
  readonly Action: string | readonly string[];
  readonly Condition?: unknown;
}

function policiesOf(type: string, property: string): readonly Statement[] {
  return Object.values(template.findResources(type)).flatMap(
    ({ Properties }) => Properties[property].Statement,
  );
}

describe('an account that needs a person', () => {
  test('is named to the topic, with what to do', () => {
    template.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: { source: [EVENT_SOURCE], 'detail-type': ['OAuth Reauthorization Required'] },
      Targets: [{ DeadLetterConfig: { Arn: Match.anyValue() } }],
    });
    expect(messageOf(template).replaceAll('"', '').split('\n')).toEqual([
      'An OAuth account needs a person: <detail-name>',
      'accountId: <detail-accountId>',
      'profile: <detail-oauthProfile>',
      'reason: <detail-reason>',
      'What to do: docs/runbook.md#accounts-need-a-person',
    ]);
  });

  test('is listened for on the bus that the function uses', () => {
    const stack = new Stack(new App({ context: unbundled }), 'Theirs');
    new OAuthTokenRefresher(stack, 'Tokens', { eventBus: new EventBus(stack, 'Bus') });
    const theirs = Template.fromStack(stack);
    const [bus] = Object.keys(theirs.findResources('AWS::Events::EventBus'));
    theirs.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: Match.anyValue(),
      EventBusName: { Ref: bus },
    });
  });
});
