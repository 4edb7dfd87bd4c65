import { LambdaClient } from '@aws-sdk/client-lambda';
import { App, CfnOutput, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Construct } from 'constructs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { requireSameMajor, VERSION, versionOf } from '../../cli/shared/function-version.ts';
import { OAuthTokenRefresher } from '../../infra/oauth-token-refresher.ts';
import { OAuthTokenRefresherStack } from '../../infra/stack.ts';
import { cli } from '../support/cli.ts';
import { type StackStub, startStackStub } from '../support/stack-stub.ts';
import { templateOf } from '../support/synthesized.ts';

let stub: StackStub;
const environment = { ...process.env };
beforeAll(async () => {
  stub = await startStackStub({
    outputs: {},
    configuration: undefined,
    reservedConcurrency: undefined,
    rules: {},
    runs: [],
    deadLetters: 0,
    keyState: undefined,
    denied: [],
  });
  const keys = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
  Object.assign(process.env, stub.environment, keys);
});
beforeEach(() => {
  stub.state.outputs = {};
  stub.state.configuration = {};
  stub.state.denied = [];
});
afterAll(async () => {
  process.env = environment;
  await stub.close();
});

/** Asks for a dry run. @returns what was said, and which services were asked for what */
async function invoke(...where: string[]) {
  const before = stub.asked.length;
  const args = ['invoke', '{"dryRun": true}', '--region', 'eu-west-3', '--json', ...where];
  const { code, stdout, stderr } = await cli(args);
  return { code, stderr, said: JSON.parse(stdout), asked: stub.asked.slice(before) };
}

const OWN = { AccountsTableName: 'accounts', FunctionName: 'own', SecretNamePrefix: 'oauth/' };
const described = (version: string) => ({ Description: `A text (oauth-token-refresher ${version})` });

describe('a function of another major version is refused, and nothing is done', () => {
  const refusal = (name: string, version: string, next: string) => ({
    code: 'OTHER_VERSION',
    message: `The function ${name} has version ${version}, and this command line ${VERSION}: they don't go together, so nothing was done. Use the command line of that version: npx oauth-token-refresher@${next}.`,
  });

  test('a newer one of a stack', async () => {
    stub.state.outputs = { ...OWN, Version: '2.4.1' };
    const { code, said, asked } = await invoke('--stack', 's');
    expect({ code, said }).toEqual({ code: 1, said: { error: refusal('own', '2.4.1', '2') } });
    expect(asked).toEqual(['DescribeStacks']);
  });

  test('an older one that is named by hand', async () => {
    stub.state.configuration = described('0.0.7');
    const { code, said, asked } = await invoke('--function', 'by-hand');
    const next = '0.0, or deploy the newer function first (docs/upgrading.md)';
    expect({ code, said }).toEqual({ code: 1, said: { error: refusal('by-hand', '0.0.7', next) } });
    expect(asked).toEqual(['GetFunctionConfiguration']);
  });

  test('one of a stack that does not say its version', async () => {
    stub.state.outputs = { ...OWN, Version: '' };
    stub.state.configuration = described('0.77.0');
    const { said, asked } = await invoke('--stack', 's');
    expect(said.error).toEqual(refusal('own', '0.77.0', '0.77'));
    expect(asked).toEqual(['DescribeStacks', 'GetFunctionConfiguration']);
  });

  test('one that is named beside a stack, whatever the stack’s own is', async () => {
    stub.state.outputs = OWN;
    stub.state.configuration = described('0.77.0');
    const { said } = await invoke('--stack', 's', '--function', 'other');
    expect(said.error).toEqual(refusal('other', '0.77.0', '0.77'));
  });
});

describe('a function of this version is invoked', () => {
  test('of a stack, without a further call', async () => {
    stub.state.outputs = OWN;
    expect(await invoke('--stack', 's')).toMatchObject({ code: 0, asked: ['DescribeStacks', 'Invoke'] });
  });

  test('by its name', async () => {
    stub.state.configuration = described(VERSION);
    const { code, asked } = await invoke('--function', 'own');
    expect({ code, asked }).toEqual({ code: 0, asked: ['GetFunctionConfiguration', 'Invoke'] });
  });

  test('and so is one whose version nobody may read, or that says none', async () => {
    stub.state.denied = ['GetFunctionConfiguration'];
    expect(await invoke('--function', 'own')).toMatchObject({ code: 0 });
    stub.state.denied = [];
    stub.state.configuration = { Description: 'Made with other tools' };
    expect(await invoke('--function', 'own')).toMatchObject({ code: 0 });
  });
});

test.each([
  { name: 'an older minor version goes with a newer one', version: '1.2.0', own: '1.9.3', refused: false },
  { name: 'another major one does not', version: '1.9.0', own: '2.0.0', refused: true },
  { name: 'at 0.x the minor version counts as the major', version: '0.2.0', own: '0.3.0', refused: true },
  { name: 'a patch never does', version: '0.3.0', own: '0.3.9', refused: false },
  { name: 'a release candidate is of its version', version: '0.3.0-rc.1', own: '0.3.0', refused: false },
  { name: 'what is no version is let pass', version: 'main', own: '0.3.0', refused: false },
])('$name', ({ version, own, refused }) => {
  const check = () => requireSameMajor('own', version, own);
  if (refused) expect(check).toThrow(/has version/);
  else expect(check).not.toThrow();
});

test('a function of 0.1.0, the last version that did not say it, is known by its description', async () => {
  stub.state.configuration = { Description: 'Keeps OAuth access tokens fresh' };
  expect(await versionOf(new LambdaClient({ region: 'eu-west-3' }), 'own')).toBe('0.1.0');
});

test('the construct says its version where the command line reads it', async () => {
  const template = templateOf();
  const [fn] = Object.values(template.findResources('AWS::Lambda::Function'));
  expect(template.findOutputs('Version').Version?.Value).toBe(VERSION);
  expect(fn?.Properties.Description).toBe(
    `Keeps OAuth access tokens fresh (oauth-token-refresher ${VERSION})`,
  );
});

/**
 * The outputs of a stack of the user's, each with a value that names where it comes from. `add` gets the stack and what prints
 * the outputs of a construct, as the construct has to do it: those of our own stack, in the construct's scope.
 */
function outputsOf(add: (stack: Stack, print: (construct: Construct) => void) => void) {
  const names = Object.keys(templateOf().findOutputs('*'));
  const stack = new Stack(new App(), 'Users');
  add(stack, (construct) => {
    for (const name of names)
      new CfnOutput(construct, name, {
        value: name === 'Version' ? VERSION : `${construct.node.path.replace('Users/', '')}:${name}`,
      });
  });
  return Object.fromEntries(
    Object.entries(Template.fromStack(stack).findOutputs('*')).map(([key, { Value }]) => [key, Value]),
  );
}

describe('a construct in another stack', () => {
  const two = () =>
    outputsOf((stack, print) => {
      print(new OAuthTokenRefresher(stack, 'Tokens', { secretNamePrefix: 'sales/' }));
      print(
        new OAuthTokenRefresher(new Construct(stack, 'Back-end'), 'Tokens_2', { secretNamePrefix: 'it/' }),
      );
    });

  test('is found by the outputs that it prints, whatever else the stack prints', async () => {
    stub.state.outputs = outputsOf((stack, print) => {
      print(new OAuthTokenRefresher(stack, 'Tokens'));
      for (const name of ['FunctionName', 'TokensFunctionName', 'OtherAccountsTableName'])
        new CfnOutput(stack, name, { value: 'not-it' });
      new CfnOutput(new Construct(stack, 'Api'), 'FunctionName', { value: 'not-it' });
    });
    expect(await invoke('--stack', 's')).toMatchObject({
      code: 0,
      stderr: 'Acting on Tokens in the stack s (eu-west-3).\n',
    });
    const { stderr } = await cli(['--stack', 's', '--region', 'eu-west-3', '--table', 't', 'invoke']);
    expect(stderr).toBe('Acting on Tokens in the stack s (eu-west-3), table t.\n');
  });

  test('of which there are two has to be named, and both are listed', async () => {
    stub.state.outputs = two();
    const { code, said, asked } = await invoke('--stack', 's');
    expect({ code, said }).toEqual({
      code: 1,
      said: {
        error: {
          code: 'CONSTRUCT_UNNAMED',
          message:
            'The stack s has 2 token refreshers. Say which one: --construct Tokens or --construct BackendTokens2.',
        },
      },
    });
    expect(asked).toEqual(['DescribeStacks']);
  });

  test.each([
    { named: 'Tokens', stderr: 'Acting on Tokens in the stack s (eu-west-3).\n' },
    { named: 'BackendTokens2', stderr: 'Acting on BackendTokens2 in the stack s (eu-west-3).\n' },
    { named: 'Back-end/Tokens_2', stderr: 'Acting on BackendTokens2 in the stack s (eu-west-3).\n' },
  ])('is the one that is named $named', async ({ named, stderr }) => {
    stub.state.outputs = two();
    expect(await invoke('--stack', 's', '--construct', named)).toMatchObject({ code: 0, stderr });
  });

  test('that is not there is refused with those that are', async () => {
    stub.state.outputs = two();
    const { said } = await invoke('--stack', 's', '--construct', 'Mail box');
    expect(said.error).toEqual({
      code: 'NO_CONSTRUCT',
      message:
        "The stack s has no construct 'Mail box' with outputs. Use --construct Tokens or --construct BackendTokens2.",
    });
    stub.state.outputs = OWN;
    expect((await invoke('--stack', 's', '--construct', 'Refresher')).said.error.message).toBe(
      'The stack s has no construct Refresher with outputs. Use no --construct.',
    );
  });

  test('beside the one of an OAuthTokenRefresherStack has to be named; the stack’s own need not be', async () => {
    const stack = new OAuthTokenRefresherStack(new App(), 'Ours');
    const own = Object.keys(Template.fromStack(stack).findOutputs('*')).map((name) => [name, `own:${name}`]);
    stub.state.outputs = { ...two(), ...Object.fromEntries(own), Version: VERSION };
    expect(await invoke('--stack', 's')).toMatchObject({ stderr: 'Acting on the stack s (eu-west-3).\n' });
    expect(await invoke('--stack', 's', '--construct', 'Tokens')).toMatchObject({
      stderr: 'Acting on Tokens in the stack s (eu-west-3).\n',
    });
  });

  test('whose id has the same letters as another’s is never guessed', async () => {
    stub.state.outputs = outputsOf((stack, print) => {
      print(new OAuthTokenRefresher(stack, 'Tokens-1', { secretNamePrefix: 'sales/' }));
      print(new OAuthTokenRefresher(stack, 'Tokens1', { secretNamePrefix: 'it/' }));
    });
    for (const more of [[], ['--construct', 'Tokens-1']])
      expect((await invoke('--stack', 's', ...more)).said.error).toEqual({
        code: 'STACK_UNSUITABLE',
        message:
          'The stack s has constructs whose ids have the same letters and digits. Name the parts of one with --table and --function.',
      });
  });

  test('that prints no outputs is said to be missing, with what to do', async () => {
    stub.state.outputs = { TokensFunctionName: 'users-own', TokensAccountsTableName: 'users-own' };
    const { said } = await invoke('--stack', 's');
    expect(said.error).toMatchObject({
      code: 'STACK_UNSUITABLE',
      message: expect.stringMatching(
        /^The stack s has no outputs AccountsTableName and FunctionName\. .*docs\/deploy\.md/,
      ),
    });
  });
});
