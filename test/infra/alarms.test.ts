import { readFileSync } from 'node:fs';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { EventBus, type IEventBus } from 'aws-cdk-lib/aws-events';
import { describe, expect, test } from 'vitest';
import { EVENT_SOURCE } from '../../adapters/aws/events.ts';
import { OAuthTokenRefresher } from '../../infra/oauth-token-refresher.ts';
import { anchorOf } from '../support/headings.ts';
import { type AlarmProperties, alarmsOf, templateOf } from '../support/synthesized.ts';

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
  test.each<{ name: string; alarm: string; points: (number | undefined)[]; state: 'OK' | 'ALARM' }>([
    { name: 'is OK while each minute has a run', alarm: 'DidNotRun', points: [1, 1, 1, 1], state: 'OK' },
    {
      name: 'is OK while a run takes its whole two minutes',
      alarm: 'DidNotRun',
      points: [1, none, none, 2],
      state: 'OK',
    },
    {
      name: 'fires when four minutes have none',
      alarm: 'DidNotRun',
      points: [1, none, none, none, none],
      state: 'ALARM',
    },
    { name: 'ends with the first run', alarm: 'DidNotRun', points: [none, none, none, none, 1], state: 'OK' },
    { name: 'is OK after one failed run', alarm: 'Errors', points: [0, 1, 0], state: 'OK' },
    { name: 'fires for two of three', alarm: 'Errors', points: [1, 0, 1], state: 'ALARM' },
    { name: 'ends when they stop', alarm: 'Errors', points: [1, 0, 1, 0, 0], state: 'OK' },
    {
      name: 'fires when one run finds such an account',
      alarm: 'AccountsNeedAPerson',
      points: [0, 0, 0, 1],
      state: 'ALARM',
    },
    {
      name: 'goes on after a run by hand',
      alarm: 'AccountsNeedAPerson',
      points: [3, 3, 0, 3, 0],
      state: 'ALARM',
    },
    { name: 'ends when runs find none', alarm: 'AccountsNeedAPerson', points: [3, 0, 0, 0, 0], state: 'OK' },
    { name: 'fires at once', alarm: 'TokensExpired', points: [0, 0, 0, 1], state: 'ALARM' },
    { name: 'ends when none is left', alarm: 'TokensExpired', points: [1, 0, 0, 0, 0], state: 'OK' },
    { name: 'is OK after one minute of it', alarm: 'WritesThrottled', points: [0, 12, 0], state: 'OK' },
    { name: 'fires for two of three', alarm: 'WritesThrottled', points: [12, 0, 3], state: 'ALARM' },
    { name: 'is OK if the next run empties it', alarm: 'EscrowInUse', points: [0, 0, 1, 0], state: 'OK' },
    { name: 'fires when two runs find it', alarm: 'EscrowInUse', points: [0, 0, 1, 1], state: 'ALARM' },
    { name: 'is OK if KMS fails in one run', alarm: 'EscrowUnavailable', points: [0, 0, 1, 0], state: 'OK' },
    { name: 'fires when two runs find it', alarm: 'EscrowUnavailable', points: [0, 0, 1, 1], state: 'ALARM' },
    { name: 'ends when runs can use it', alarm: 'EscrowUnavailable', points: [1, 1, 0, 0, 0], state: 'OK' },
    { name: 'fires when one run finds one', alarm: 'ProfileFailing', points: [0, 0, 0, 1], state: 'ALARM' },
    {
      name: 'goes on while runs that read too little tell nothing',
      alarm: 'ProfileFailing',
      points: [1, 1, none, none],
      state: 'ALARM',
    },
    { name: 'ends when its profiles work', alarm: 'ProfileFailing', points: [1, 0, 0, 0, 0], state: 'OK' },
    { name: 'fires when one run finds one', alarm: 'ProfileAtRisk', points: [0, 0, 0, 1], state: 'ALARM' },
    { name: 'is OK if the next run puts it', alarm: 'EventsOwed', points: [0, 0, 5, 0], state: 'OK' },
    { name: 'fires when two runs find it', alarm: 'EventsOwed', points: [0, 5, 0, 5], state: 'ALARM' },
    { name: 'is OK after one of them', alarm: 'ScansIncomplete', points: [0, 1, 0], state: 'OK' },
    { name: 'fires for two of three', alarm: 'ScansIncomplete', points: [1, none, 1], state: 'ALARM' },
    { name: 'ends when runs read all', alarm: 'ScansIncomplete', points: [1, 1, 0, 0], state: 'OK' },
    { name: 'is OK after one run with it', alarm: 'ClockWrong', points: [0, 1, 0], state: 'OK' },
    { name: 'fires for two of three', alarm: 'ClockWrong', points: [1, 0, 1], state: 'ALARM' },
    { name: 'fires for one message', alarm: 'DeadLetters', points: [1], state: 'ALARM' },
    { name: 'is OK while an idle queue has no data', alarm: 'DeadLetters', points: [none], state: 'OK' },
  ])('$alarm $name', ({ alarm, points, state }) => {
    expect(stateOf(alarm, points)).toBe(state);
  });

  test.each([
    'AccountsNeedAPerson',
    'TokensExpired',
    'EscrowInUse',
    'EscrowUnavailable',
    'ProfileFailing',
    'ProfileAtRisk',
    'EventsOwed',
  ])('%s stays as it is while nothing runs', (name) => {
    const silence = [none, none, none, none];
    expect([stateOf(name, silence, 'ALARM'), stateOf(name, silence, 'OK')]).toEqual(['ALARM', 'OK']);
  });

  test('tells the topic when it begins and when it ends', () => {
    const topic = { Ref: Object.keys(template.findResources('AWS::SNS::Topic'))[0] };
    for (const alarm of alarms.values())
      expect([alarm.AlarmActions, alarm.OKActions]).toEqual([[topic], [topic]]);
    expect(alarms.size).toBe(13);
  });

  test('takes the maximum of levels and the sum of events', () => {
    const statistics = [...alarms].map(([name, { Statistic }]) => [name, Statistic]);
    expect(Object.fromEntries(statistics)).toMatchObject({
      AccountsNeedAPerson: 'Maximum',
      TokensExpired: 'Maximum',
      EscrowInUse: 'Maximum',
      EscrowUnavailable: 'Maximum',
      ProfileFailing: 'Maximum',
      ProfileAtRisk: 'Maximum',
      EventsOwed: 'Maximum',
      WritesThrottled: 'Sum',
      ScansIncomplete: 'Sum',
      ClockWrong: 'Sum',
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
    { name: 'each minute', props: {} },
    { name: 'each hour', props: { schedule: Duration.hours(1), refreshWindow: Duration.hours(2) } },
    { name: 'each day', props: { schedule: Duration.days(1), refreshWindow: Duration.hours(25) } },
    {
      name: 'with the longest timeout',
      props: { timeout: Duration.minutes(15), refreshWindow: Duration.minutes(20) },
    },
  ])('looks back no further than CloudWatch allows, $name', ({ props }) => {
    for (const { Period = 0, EvaluationPeriods } of alarmsOf(templateOf(props)).values()) {
      expect(Period).toBeLessThanOrEqual(86_400);
      expect(Period * EvaluationPeriods).toBeLessThanOrEqual(Period < 3_600 ? 86_400 : 604_800);
    }
  });

  test('watches each of several rules: the runs of the others hide one that is off', () => {
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

  test.each(
    [...alarms].map(([name, { AlarmDescription }]) => ({ name, AlarmDescription })),
  )('$name leads to its section', ({ AlarmDescription }) => {
    const [, anchor] = /docs\/runbook\.md#([a-z-]+)$/.exec(AlarmDescription) ?? [];
    expect([...sections.keys()]).toContain(anchor);
  });

  test.each(
    [...alarms].map(([name, { AlarmDescription }]) => ({ name, AlarmDescription })),
  )('$name is named in its section, so that people who search for it find it', ({
    name,
    AlarmDescription,
  }) => {
    const section = sections.get(/#([a-z-]+)$/.exec(AlarmDescription)?.[1] ?? '') ?? '';
    expect(section.split('**Look.**')[0]).toContain(`\`${name}\``);
  });

  test('is linked at its address, if one is given', () => {
    const runbookUrl = 'https://wiki.example.com/oauth/runbook.md';
    const withUrl = templateOf({ runbookUrl });
    expect(alarmsOf(withUrl).get('Errors')?.AlarmDescription).toContain(`${runbookUrl}#errors`);
    expect(messageOf(withUrl)).toContain(`${runbookUrl}#accounts-need-a-person`);
  });

  test('has no broken link to itself', () => {
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((anchor) => !sections.has(anchor ?? ''))).toEqual([]);
  });

  test.each(
    [...sections].map(([anchor, text]) => ({ anchor, text })),
  )('$anchor says what it means, where to look and how to fix it', ({ text }) => {
    const parts = ['**Meaning.**', '**Look.**', '**Fix.**'];
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
  test('has a subscription only if an address is given', () => {
    template.hasResourceProperties('AWS::SNS::Subscription', {
      Protocol: 'email',
      Endpoint: 'oncall@example.com',
    });
    templateOf().resourceCountIs('AWS::SNS::Subscription', 0);
  });

  test('is encrypted with a key that, of AWS’s services, only this account’s alarms can use', () => {
    template.hasResourceProperties('AWS::SNS::Topic', { KmsMasterKeyId: Match.anyValue() });
    const services = policiesOf('AWS::KMS::Key', 'KeyPolicy').filter(({ Principal }) => Principal.Service);
    const Action = ['kms:Decrypt', 'kms:GenerateDataKey'];
    expect(
      services.map(({ Principal, Action, Condition }) => ({ by: Principal.Service, Action, Condition })),
    ).toEqual([{ by: 'cloudwatch.amazonaws.com', Action, Condition: ownAlarms }]);
  });

  test('accepts only TLS, and of AWS’s services only alarms of this account', () => {
    const statements = policiesOf('AWS::SNS::TopicPolicy', 'PolicyDocument');
    expect(
      statements.map(({ Effect, Principal, Condition }) => ({
        Effect,
        by: Principal.Service ?? Principal,
        Condition,
      })),
    ).toEqual([
      { Effect: 'Deny', by: '*', Condition: { Bool: { 'aws:SecureTransport': 'false' } } },
      { Effect: 'Allow', by: 'cloudwatch.amazonaws.com', Condition: ownAlarms },
    ]);
    expect(statements.map(({ Action }) => Action)).toEqual(['sns:Publish', 'sns:Publish']);
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

  test('is noticed on the bus that the function uses', () => {
    const stack = new Stack(new App(), 'Theirs');
    new OAuthTokenRefresher(stack, 'Tokens', { eventBus: new EventBus(stack, 'Bus') as IEventBus });
    const theirs = Template.fromStack(stack);
    const [bus] = Object.keys(theirs.findResources('AWS::Events::EventBus'));
    theirs.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: Match.anyValue(),
      EventBusName: { Ref: bus },
    });
  });
});
