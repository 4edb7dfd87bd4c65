import { describe, expect, test } from 'vitest';
import { type Conditions, conditionsHold, contextOf } from './conditions.ts';
import { decide, decideForPrincipal, type Statement } from './evaluate.ts';

const ask = (
  statements: readonly Statement[],
  action: string,
  resource: string,
  keys: Record<string, string | string[]> = {},
) => decide(statements, { action, resource, context: contextOf(keys) }).kind;

const allow = (
  Action: string | string[],
  Resource: string | string[],
  Condition?: Conditions,
): Statement => ({
  Effect: 'Allow',
  Action,
  Resource,
  ...(Condition && { Condition }),
});

/** Examples of AWS's user guides; each names its page. */
describe('conditions, as the guides say:', () => {
  const condition: Conditions = {
    'ForAllValues:StringLike': { 'dynamodb:requestedAttributes': ['PostDateTime', 'Message', 'Tags'] },
  };
  const denied: Conditions = {
    'ForAnyValue:StringLike': { 'dynamodb:requestedAttributes': ['ID', 'PostDateTime'] },
  };
  const arnPattern = 'arn:aws:someservice:*:111122223333:finance/*';
  const arnValue = 'arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt';
  const viaService: Conditions = {
    StringEquals: { 'kms:ViaService': ['ec2.us-west-2.amazonaws.com', 'rds.us-west-2.amazonaws.com'] },
  };

  test.each([
    // reference_policies_multi-value-conditions
    {
      name: 'ForAllValues holds if every value of the request is in the policy',
      condition,
      keys: { 'dynamodb:requestedAttributes': ['PostDateTime', 'Message'] },
      holds: true,
    },
    {
      name: 'ForAllValues fails if one value of the request is not in the policy',
      condition,
      keys: { 'dynamodb:requestedAttributes': ['PostDateTime', 'UserName'] },
      holds: false,
    },
    { name: 'ForAllValues holds if the request has no such key', condition, keys: {}, holds: true },
    {
      name: 'ForAnyValue holds if one value of the request is in the policy',
      condition: denied,
      keys: { 'dynamodb:requestedAttributes': ['UserName', 'Message', 'PostDateTime'] },
      holds: true,
    },
    {
      name: 'ForAnyValue fails if no value of the request is in the policy',
      condition: denied,
      keys: { 'dynamodb:requestedAttributes': ['UserName'] },
      holds: false,
    },
    { name: 'ForAnyValue fails if the request has no such key', condition: denied, keys: {}, holds: false },
    // reference_policies_elements_condition_operators
    {
      name: 'StringLike with wildcards goes over colons',
      condition: { StringLike: { key: arnPattern } },
      keys: { key: arnValue },
      holds: true,
    },
    {
      name: 'ArnLike compares part by part',
      condition: { ArnLike: { key: arnPattern } },
      keys: { key: arnValue },
      holds: false,
    },
    {
      name: 'StringEquals minds the case of values',
      condition: { StringEquals: { 'aws:PrincipalTag/job-category': 'iamuser-admin' } },
      keys: { 'aws:PrincipalTag/job-category': 'IAMuser-admin' },
      holds: false,
    },
    {
      name: 'the case of keys does not matter',
      condition: { StringEquals: { 'AWS:SourceAccount': '111122223333' } },
      keys: { 'aws:sourceaccount': '111122223333' },
      holds: true,
    },
    {
      name: 'a key that the request does not have fails',
      condition: { StringEquals: { 'aws:PrincipalTag/job-category': 'iamuser-admin' } },
      keys: {},
      holds: false,
    },
    {
      name: 'a negated operator holds if the request has no such key',
      condition: { StringNotLike: { 's3:prefix': 'home/*' } },
      keys: {},
      holds: true,
    },
    {
      name: 'IfExists holds if the request has no such key',
      condition: { StringLikeIfExists: { 'ec2:InstanceType': ['t1.*', 't2.*', 'm3.*'] } },
      keys: {},
      holds: true,
    },
    {
      name: 'IfExists compares what the request has',
      condition: { StringLikeIfExists: { 'ec2:InstanceType': ['t1.*', 't2.*', 'm3.*'] } },
      keys: { 'ec2:InstanceType': 'c5.large' },
      holds: false,
    },
    {
      name: 'Null true holds without the key',
      condition: { Null: { 'aws:TokenIssueTime': 'true' } },
      keys: {},
      holds: true,
    },
    {
      name: 'Null true fails with the key',
      condition: { Null: { 'aws:TokenIssueTime': 'true' } },
      keys: { 'aws:TokenIssueTime': '2026-01-01T00:00:00Z' },
      holds: false,
    },
    {
      name: 'Bool compares true and false',
      condition: { Bool: { 'aws:SecureTransport': 'false' } },
      keys: { 'aws:SecureTransport': 'true' },
      holds: false,
    },
    // kms/latest/developerguide/policy-conditions
    {
      name: 'several values of one key are alternatives',
      condition: viaService,
      keys: { 'kms:ViaService': 'rds.us-west-2.amazonaws.com' },
      holds: true,
    },
    {
      name: 'a key used directly has no kms:ViaService',
      condition: viaService,
      keys: {},
      holds: false,
    },
    {
      name: 'all conditions of a statement must hold',
      condition: { ...viaService, StringLike: { 'kms:EncryptionContext:AppName': 'Example*' } },
      keys: { 'kms:ViaService': 'ec2.us-west-2.amazonaws.com', 'kms:EncryptionContext:AppName': 'Other' },
      holds: false,
    },
    {
      name: 'kms:EncryptionContextKeys with ForAnyValue asks for one of the keys',
      condition: { 'ForAnyValue:StringEquals': { 'kms:EncryptionContextKeys': 'AppName' } },
      keys: { 'kms:EncryptionContextKeys': ['AppName', 'FilePath'] },
      holds: true,
    },
  ])('$name', ({ condition, keys, holds }) => {
    expect(conditionsHold(condition, contextOf(keys))).toBe(holds);
  });
});

describe('what this evaluator does not know throws:', () => {
  test.each<{ name: string; condition: Conditions; keys?: Record<string, string | string[]> }>([
    { name: 'an operator', condition: { StringEqualsIgnoreCase: { a: 'b' } } },
    { name: 'a misspelt operator', condition: { StringEqual: { a: 'b' } } },
    { name: 'a set operator', condition: { 'ForSomeValues:StringLike': { a: 'b' } } },
    { name: 'a number', condition: { StringEquals: { a: 1 } } },
    { name: 'a policy variable', condition: { StringEquals: { 's3:prefix': `home/\${aws:username}/` } } },
    {
      name: 'an operator beside one that does not hold',
      condition: { StringEquals: { a: 'b' }, IpAddress: { 'aws:SourceIp': '203.0.113.0/24' } },
    },
    {
      name: 'several values without a set operator',
      condition: { StringEquals: { a: 'b' } },
      keys: { a: ['b', 'c'] },
    },
  ])('$name', ({ condition, keys = {} }) => {
    expect(() => conditionsHold(condition, contextOf(keys))).toThrow(/does not know/);
  });

  test('an element of a statement, also of one for another action', () => {
    const statement = { ...allow('s3:GetObject', '*'), NotResource: 'arn:aws:s3:::secret/*' };
    expect(() => ask([statement], 'sns:Publish', '*')).toThrow(/NotResource/);
  });
});

describe('a request', () => {
  const topic = 'arn:aws:sns:us-east-1:111122223333:alarms';

  test.each([
    { name: 'that nothing allows is denied', statements: [], kind: 'implicitly denied' },
    { name: 'is allowed by a statement', statements: [allow('sns:Publish', topic)], kind: 'allowed' },
    {
      name: 'is denied by a statement, whatever allows it',
      statements: [allow('sns:*', '*'), { Effect: 'Deny', Action: 'sns:Publish', Resource: topic } as const],
      kind: 'explicitly denied',
    },
    {
      name: 'matches actions whatever their case',
      statements: [allow('SNS:publish', topic)],
      kind: 'allowed',
    },
    { name: 'matches wildcards in actions', statements: [allow('sns:Pub*', topic)], kind: 'allowed' },
    { name: 'matches whole actions only', statements: [allow('sns:Pub', topic)], kind: 'implicitly denied' },
    {
      name: 'matches ? for one character',
      statements: [allow('sns:Publish', 'arn:aws:sns:us-east-1:111122223333:alarm?')],
      kind: 'allowed',
    },
    {
      name: 'minds the case of resources',
      statements: [allow('sns:Publish', topic.replace('alarms', 'Alarms'))],
      kind: 'implicitly denied',
    },
    {
      name: 'is allowed by NotAction with another action',
      statements: [{ Effect: 'Allow', NotAction: 'iam:*', Resource: '*' } as const],
      kind: 'allowed',
    },
    {
      name: 'is not allowed by NotAction with its own action',
      statements: [{ Effect: 'Allow', NotAction: ['iam:*', 'sns:*'], Resource: '*' } as const],
      kind: 'implicitly denied',
    },
  ])('$name', ({ statements, kind }) => {
    expect(ask(statements, 'sns:Publish', topic)).toBe(kind);
  });

  test('of a principal is matched by its ARN, its account, its service or everybody', () => {
    const request = { action: 'sns:Publish', resource: topic, context: contextOf({}) };
    const role = 'arn:aws:iam::111122223333:role/sender';
    const by = (Principal: unknown, who: Parameters<typeof decideForPrincipal>[1]) =>
      decideForPrincipal([{ ...allow('sns:Publish', topic), Principal }], who, request).kind;
    expect(by({ AWS: role }, { AWS: role })).toBe('allowed');
    expect(by({ AWS: 'arn:aws:iam::111122223333:root' }, { AWS: role })).toBe('allowed');
    expect(by({ AWS: 'arn:aws:iam::444455556666:root' }, { AWS: role })).toBe('implicitly denied');
    expect(by('*', { AWS: role })).toBe('allowed');
    expect(by({ Service: 'events.amazonaws.com' }, { Service: 'events.amazonaws.com' })).toBe('allowed');
    expect(by({ Service: 'cloudwatch.amazonaws.com' }, { Service: 'events.amazonaws.com' })).toBe(
      'implicitly denied',
    );
  });
});
