import { globSync, readFileSync } from 'node:fs';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AccountPrincipal, Role } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { afterAll, describe, expect, test } from 'vitest';
import { OAuthTokenRefresher } from '../../infra/oauth-token-refresher.ts';
import { loadFixture } from '../lambda/load-fixture.ts';
import { startPatientAws } from '../support/aws-endpoint.ts';
import { contextOf } from '../support/iam/conditions.ts';
import { type Deployed, deploy } from '../support/iam/deployed.ts';
import { decide, decideForPrincipal, type Principal, type Statement } from '../support/iam/evaluate.ts';
import { createGuardedWorld } from '../support/iam/guarded-world.ts';
import { fileServers } from '../support/world-test.ts';

const { aws, provider } = await fileServers(startPatientAws());

/** What the role allows and no call of the function's needs: who does, or who says so. */
const NOT_BY_THE_FUNCTION: Readonly<Record<string, string>> = {
  'logs:CreateLogStream on Logs': "Lambda writes the function's log",
  'logs:PutLogEvents on Logs': "Lambda writes the function's log",
  'xray:PutTraceSegments on *': 'Lambda sends traces',
  'xray:PutTelemetryRecords on *': 'Lambda sends traces',
  'sqs:SendMessage on DeadLetterQueue': 'Lambda puts there what the function could not take',
  'kms:Encrypt on TableKey':
    "DynamoDB's guide asks it of whoever uses a table; only AWS can show that nobody needs it",
  'kms:GenerateDataKey on TableKey': 'the same',
  'kms:Encrypt on EscrowKey': 'the code of 0.1.0, while it is being replaced',
};

describe("the function's role", () => {
  test('allows nothing that no call needs, but for what has a reason', { timeout: 120_000 }, async () => {
    const world = await createGuardedWorld(aws.url);
    afterAll(() => world.close());
    // What 0.1.0 wrote: claims, its kind of escrow, accounts that need a person.
    await loadFixture('0.1.0', world, provider);
    await world.run();
    await world.run({ accountIds: ['in-escrow'], force: true });
    // A store that fails: escrow, and back.
    await world.profile('crm', provider.profile);
    await world.account({ accountId: 'stuck', oauthProfile: 'crm' }, provider.issue('stuck'));
    aws.inject(({ operation }) => (operation === 'PutSecretValue' ? { kind: 'throttle' } : undefined));
    await world.run({ accountIds: ['stuck'] }, 20_000);
    aws.inject(undefined);
    expect(await world.item('stuck')).toHaveProperty('escrow');
    await world.runAt(600, { accountIds: ['stuck'] });
    expect(await world.item('stuck')).not.toHaveProperty('escrow');

    const unused = world.guard.unused().map(plainName);
    expect(unused.sort()).toEqual(Object.keys(NOT_BY_THE_FUNCTION).sort());
  });

  test('stands before every function test', () => {
    const open = globSync('test/lambda/function/*.test.ts').filter((file) =>
      /\bcreateWorld\b/.test(readFileSync(file, 'utf8')),
    );
    expect(open).toEqual([]);
  });
});

/** With what the resource is called in the construct. */
const plainName = (allowed: string) =>
  allowed.replace(/arn:\S+Tokens([A-Za-z]+?)[0-9A-F]{8}\S*$/, '$1').replace(/arn:aws:kms:\S+$/, 'EscrowKey');

const HERE = { account: '111122223333', region: 'eu-central-1' };
const ELSEWHERE = '444455556666';

/** A construct in somebody's stack, with what is granted to a role of theirs, as deployed. */
function granted(
  grant: (refresher: OAuthTokenRefresher, grantee: Role) => void,
  place = HERE,
): { readonly deployed: Deployed; readonly statements: readonly Statement[] } {
  const stack = new Stack(new App({ analyticsReporting: false }), 'Theirs');
  const refresher = new OAuthTokenRefresher(stack, 'Tokens', {
    secretsEncryptionKey: new Key(stack, 'SecretsKey'),
  });
  const person = new Role(stack, 'Person', { assumedBy: new AccountPrincipal(HERE.account) });
  grant(refresher, person);
  const deployed = deploy(Template.fromStack(stack).toJSON() as never, place);
  return { deployed, statements: deployed.identity('Person') };
}

const may = (
  statements: readonly Statement[],
  action: string,
  resource: string,
  keys: Record<string, string | string[]> = {},
) => decide(statements, { action, resource, context: contextOf(keys) }).kind === 'allowed';

const secretIn = ({ account, region }: typeof HERE, name: string) =>
  `arn:aws:secretsmanager:${region}:${account}:secret:${name}`;

describe('grantReadAccount', () => {
  const { deployed, statements } = granted((refresher, grantee) =>
    expect(refresher.grantReadAccount(grantee, 'tenant/acme').success).toBe(true),
  );
  const acme = secretIn(HERE, 'oauth/accounts/tenant/acme-a1B2c3');
  const through = { 'kms:ViaService': 'secretsmanager.eu-central-1.amazonaws.com' };
  const key = deployed.arnOf('SecretsKey');

  test('allows reading the secret of that account, with its key', () => {
    expect(may(statements, 'secretsmanager:GetSecretValue', acme)).toBe(true);
    expect(may(statements, 'kms:Decrypt', key, { ...through, 'kms:EncryptionContext:SecretARN': acme })).toBe(
      true,
    );
  });

  test.each([
    {
      name: 'an account whose id begins the same',
      action: 'secretsmanager:GetSecretValue',
      resource: `${acme}-a1B2c3`,
    },
    {
      name: 'another account',
      action: 'secretsmanager:GetSecretValue',
      resource: secretIn(HERE, 'oauth/accounts/tenant/other-a1B2c3'),
    },
    {
      name: 'a profile',
      action: 'secretsmanager:GetSecretValue',
      resource: secretIn(HERE, 'oauth/profiles/crm-a1B2c3'),
    },
    { name: 'writing', action: 'secretsmanager:PutSecretValue', resource: acme },
    { name: 'using the key directly', action: 'kms:Decrypt', resource: key },
    {
      name: 'using the key for another secret',
      action: 'kms:Decrypt',
      resource: key,
      keys: { ...through, 'kms:EncryptionContext:SecretARN': secretIn(HERE, 'oauth/accounts/other-a1B2c3') },
    },
    { name: 'reading the table', action: 'dynamodb:GetItem', resource: deployed.arnOf('TokensAccounts') },
  ])('does not allow $name', ({ action, resource, keys = {} }) => {
    expect(may(statements, action, resource, keys)).toBe(false);
  });

  test.each(['*', 'acme-??????', 'a b', ''])('refuses "%s", which is no name of a secret', (accountId) => {
    expect(() => granted((refresher, grantee) => refresher.grantReadAccount(grantee, accountId))).toThrow(
      /can't be in a secret's name/,
    );
  });
});

describe('addReaderPolicy', () => {
  test('makes a managed policy with the same statements, and prints its ARN', () => {
    const { deployed, statements } = granted((refresher, grantee) => {
      refresher.grantReadAccount(grantee, 'acme');
      refresher.addReaderPolicy('acme');
    });
    expect(deployed.identity('TokensReaderacme')).toEqual(statements);
    expect(deployed.outputs()).toEqual({
      [`TokensReaderacmeArn${suffixOf(deployed, 'TokensReaderacmeArn')}`]:
        deployed.nameOf('TokensReaderacme'),
    });
  });
});

const suffixOf = (deployed: Deployed, prefix: string) =>
  Object.keys(deployed.outputs())
    .find((name) => name.startsWith(prefix))
    ?.slice(prefix.length);

describe('grantReadAnswers', () => {
  const { deployed, statements } = granted((refresher, grantee) =>
    expect(refresher.grantReadAnswers(grantee).success).toBe(true),
  );
  const [table, tableKey, escrowKey] = ['TokensAccounts', 'TokensTableKey', 'TokensEscrowKey'].map((id) =>
    deployed.arnOf(id),
  ) as [string, string, string];

  test.each([
    { name: 'reading an item', action: 'dynamodb:GetItem', resource: table, allowed: true },
    {
      name: "having DynamoDB use the table's key",
      action: 'kms:Decrypt',
      resource: tableKey,
      keys: { 'kms:ViaService': 'dynamodb.eu-central-1.amazonaws.com' },
      allowed: true,
    },
    {
      name: 'opening what is in escrow',
      action: 'kms:Decrypt',
      resource: escrowKey,
      keys: { 'kms:EncryptionContext:use': 'escrow' },
      allowed: true,
    },
    { name: "using the table's key directly", action: 'kms:Decrypt', resource: tableKey, allowed: false },
    { name: 'opening anything else', action: 'kms:Decrypt', resource: escrowKey, allowed: false },
    { name: 'reading all items', action: 'dynamodb:Scan', resource: table, allowed: false },
    { name: 'writing an item', action: 'dynamodb:PutItem', resource: table, allowed: false },
  ])('of $name: $allowed', ({ action, resource, keys = {}, allowed }) => {
    expect(may(statements, action, resource, keys as Record<string, string>)).toBe(allowed);
  });
});

describe("a key's use through a service", () => {
  test.each([
    { name: 'in most Regions', region: 'us-gov-west-1', suffix: 'amazonaws.com' },
    { name: 'in China', region: 'cn-north-1', suffix: 'amazonaws.com.cn' },
  ])("is allowed by the partition's name of the service $name", ({ region, suffix }) => {
    const { deployed } = granted(() => {}, { ...HERE, region });
    const via = (name: string) => ({ 'kms:ViaService': `${name}.${region}.${suffix}` });
    const role = deployed.identity('TokensRole');
    expect(may(role, 'kms:Decrypt', deployed.arnOf('TokensTableKey'), via('dynamodb'))).toBe(true);
    expect(may(role, 'kms:Decrypt', deployed.arnOf('SecretsKey'), via('secretsmanager'))).toBe(true);
    expect(may(role, 'kms:Decrypt', deployed.arnOf('SecretsKey'), via('dynamodb'))).toBe(false);
  });
});

describe('the function puts events', () => {
  const { deployed } = granted(() => {});
  const bus = (name: string) => `arn:aws:events:${HERE.region}:${HERE.account}:event-bus/${name}`;

  test.each([
    { name: 'of its own', source: 'oauth-token-refresher', resource: bus('default'), allowed: true },
    { name: "in somebody else's name", source: 'billing', resource: bus('default'), allowed: false },
    { name: 'on another bus', source: 'oauth-token-refresher', resource: bus('billing'), allowed: false },
  ])('$name: $allowed', ({ source, resource, allowed }) => {
    expect(
      may(deployed.identity('TokensRole'), 'events:PutEvents', resource, { 'events:source': source }),
    ).toBe(allowed);
  });
});

describe('the alarm topic, with its key,', () => {
  const { deployed } = granted(() => {});
  const topic = deployed.arnOf('TokensAlarmTopic');
  const key = deployed.arnOf('TokensAlarmTopicKey');
  const own = {
    'aws:SourceAccount': HERE.account,
    'aws:SourceArn': `arn:aws:cloudwatch:${HERE.region}:${HERE.account}:alarm:some`,
    'aws:SecureTransport': 'true',
  };
  const foreign = {
    ...own,
    'aws:SourceAccount': ELSEWHERE,
    'aws:SourceArn': own['aws:SourceArn'].replace(HERE.account, ELSEWHERE),
  };
  const mayPublish = (principal: Principal, keys: Record<string, string>) => {
    const asked = (id: string, action: string, resource: string) =>
      decideForPrincipal(deployed.resource(id), principal, { action, resource, context: contextOf(keys) })
        .kind;
    return [
      asked('TokensAlarmTopic', 'sns:Publish', topic),
      asked('TokensAlarmTopicKey', 'kms:GenerateDataKey', key),
    ].every((kind) => kind === 'allowed');
  };

  test.each([
    { name: "this account's alarms", Service: 'cloudwatch.amazonaws.com', keys: own, allowed: true },
    { name: "another account's alarms", Service: 'cloudwatch.amazonaws.com', keys: foreign, allowed: false },
    { name: "anybody's EventBridge", Service: 'events.amazonaws.com', keys: foreign, allowed: false },
    { name: 'EventBridge without a role', Service: 'events.amazonaws.com', keys: own, allowed: false },
  ])('takes messages of $name: $allowed', ({ Service, keys, allowed }) => {
    expect(mayPublish({ Service }, keys)).toBe(allowed);
  });

  test("takes those of the rule's role, whose key use goes through SNS", () => {
    const role = deployed.identity('TokensTellRole');
    const through = { 'kms:ViaService': 'sns.eu-central-1.amazonaws.com' };
    expect(may(role, 'sns:Publish', topic)).toBe(true);
    expect(may(role, 'kms:GenerateDataKey', key, through)).toBe(true);
    expect(may(role, 'kms:Decrypt', key, through)).toBe(true);
    expect(may(role, 'kms:Decrypt', key)).toBe(false);
    // The key's policy leaves it to IAM, for roles of this account.
    const asked = { action: 'kms:GenerateDataKey', resource: key, context: contextOf(through) };
    const byAccount = decideForPrincipal(
      deployed.resource('TokensAlarmTopicKey'),
      { AWS: deployed.arnOf('TokensTellRole') },
      asked,
    );
    expect(byAccount.kind).toBe('allowed');
  });

  test('is the target of the rule, with that role', () => {
    const stack = new Stack(new App({ analyticsReporting: false }), 'Theirs');
    new OAuthTokenRefresher(stack, 'Tokens');
    const rules = Template.fromStack(stack).findResources('AWS::Events::Rule', {
      Properties: { EventPattern: { source: ['oauth-token-refresher'] } },
    });
    const targets = Object.values(rules).flatMap(({ Properties }) => Properties.Targets);
    expect(targets).toHaveLength(1);
    expect(JSON.stringify(targets[0].RoleArn)).toContain('TokensTellRole');
    expect(JSON.stringify(targets[0].Arn)).toContain('TokensAlarmTopic');
    expect(targets[0].DeadLetterConfig).toBeDefined();
  });
});

test('the policy of an operator stays below the size that IAM allows, with all rules there can be', () => {
  const stack = new Stack(new App({ analyticsReporting: false }), 'a'.repeat(60));
  new OAuthTokenRefresher(stack, 'Tokens', {
    secretNamePrefix: `${'p'.repeat(60)}/`,
    secretsEncryptionKey: new Key(stack, 'SecretsKey'),
    segments: 48,
    schedule: Duration.minutes(1),
  });
  // As long as AWS makes the names that CloudFormation gives.
  const rules = [...Array(10)].map((_, index) => `TokensSchedule${index === 0 ? '' : index + 1}`);
  const named = ['Accounts', 'Function', 'Logs', 'DeadLetterQueue'].map((id) => `Tokens${id}`);
  const deployed = deploy(
    Template.fromStack(stack).toJSON() as never,
    { ...HERE, region: 'ap-southeast-2' },
    Object.fromEntries([...rules, ...named].map((id) => [id, 'n'.repeat(80)])),
  );
  expect(JSON.stringify({ Statement: deployed.identity('TokensOperator') }).length).toBeLessThan(6_144);
});
