import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { projectRoot } from '../../build/project.ts';
import { createFunctionProcess, type FunctionProcess } from '../../local/function-process.ts';
import { listen } from '../../local/shared/listen.ts';
import { startEmulatedAws } from '../deploy/emulated-aws.ts';
import { reportCounts } from '../faults/counts.ts';
import { PREFIX } from './names.ts';
import { stackOutputs } from './stack.ts';

/**
 * Rehearses `npm run smoke` against moto, whole, with a provider that fails, with Ctrl-C, and killed, and looks at what it
 * leaves behind and prints: `EMULATOR_URL=http://localhost:5617 node test/smoke/rehearsal.ts`. Words pick trials by name.
 */
const emulator = process.env.EMULATOR_URL;
if (emulator === undefined) {
  console.error('Run: moto_server -p 5617 & EMULATOR_URL=http://localhost:5617 node test/smoke/rehearsal.ts');
  process.exit(2);
}
await fetch(`${emulator}/moto-api/reset`, { method: 'POST' });

/** What a trial does while the stack is being deployed. */
let onDeploy = () => {};

/** The provider's code in a process, as its function URL would run it. */
let provider: FunctionProcess | undefined;
let providerFails = false;
const providerServer = createServer(async (request, response) => {
  const event = { headers: request.headers, body: await textOf(request) };
  provider ??= createFunctionProcess({
    module: join(projectRoot, 'test/smoke/provider/index.mjs'),
    environment: { ...aws.environment, GRANTS_TABLE_NAME: (await stackOutputs()).GrantsTableName ?? '' },
  });
  const invocation = await provider.invoke(event);
  if (providerFails || invocation.kind === 'failed') return response.writeHead(502).end();
  const { statusCode, headers, body } = invocation.payload as {
    statusCode: number;
    headers: Record<string, string>;
    body: string;
  };
  return response.writeHead(statusCode, headers).end(body);
});
const functionUrl = `http://127.0.0.1:${await listen(providerServer, 0)}/`;
const aws = await startEmulatedAws({
  emulator,
  deployedModule: () => join(projectRoot, 'dist/function/index.mjs'),
  environment: { ALLOW_HTTP_LOOPBACK: 'true' },
  functionUrl,
  onDeploy: () => onDeploy(),
});
Object.assign(process.env, aws.environment);
const secrets = new SecretsManagerClient();
await run('node_modules/aws-cdk/bin/cdk', ['bootstrap']);
// Somebody else's, of whatever name: it must stay.
await secrets.send(new CreateSecretCommand({ Name: `${PREFIX}foreign`, SecretString: '{}' }));

type Send = (signal: 'SIGINT' | 'SIGKILL') => void;

interface Trial {
  readonly name: string;
  readonly args: readonly string[];
  /** Null if it is killed. */
  readonly exits: number | null;
  /** Lines that are printed, in this order. */
  readonly prints: readonly RegExp[];
  /** The stack and its secrets stay. */
  readonly leavesAll?: boolean;
  /** Called for each line that is printed. */
  onLine?(line: string, send: Send): void;
}

const TRIALS: readonly Trial[] = [
  {
    name: 'without --yes it says what it would do, and does nothing',
    args: [],
    exits: 2,
    prints: [/1\. A refresh token is exchanged/, /costs less than/, /Nothing was done/],
  },
  {
    name: 'all holds that an emulator can show',
    args: ['--yes'],
    exits: 0,
    prints: [
      /✓ The stack is deployed/,
      /✓ A refresh token is exchanged/,
      /✓ The successor is exchanged/,
      /✓ If the secret can't be written, .* permission_missing, in escrow/,
      /✓ The event bus .* OAuth Account Failing, permission_missing/,
      /– The alarm .* only AWS can show this/,
      /✓ If the secret can be written again/,
      /✓ The event bus .* OAuth Account Recovered/,
      /– The schedule .* only AWS can show this/,
      /✓ Everything is destroyed/,
    ],
  },
  {
    name: 'a provider that fails is seen, and all is destroyed',
    args: ['--yes'],
    exits: 1,
    prints: [
      /✓ The stack is deployed/,
      /✗ A refresh token is exchanged.* provider_unavailable/,
      /– The successor .* not tried/,
      /✓ Everything is destroyed/,
    ],
    onLine: () => {
      providerFails = true;
    },
  },
  {
    name: 'Ctrl-C while it deploys: all is destroyed',
    args: ['--yes'],
    exits: 130,
    prints: [/Stopping, and destroying/, /✗ stopped by Ctrl-C/, /✓ Everything is destroyed/],
    onLine: (line, send) => {
      if (line.startsWith('Deploying')) onDeploy = () => send('SIGINT');
      if (line.startsWith('Stopping')) onDeploy = () => {};
    },
  },
  {
    name: 'Ctrl-C in the middle: all is destroyed',
    args: ['--yes'],
    exits: 130,
    prints: [
      /✓ A refresh token is exchanged/,
      /Stopping, and destroying/,
      /✗ .* stopped by Ctrl-C/,
      /✓ Everything is destroyed/,
    ],
    onLine: (line, send) => {
      providerFails = false;
      if (line.startsWith('✓ A refresh token')) send('SIGINT');
    },
  },
  {
    name: 'left by a killed one: all is there',
    args: ['--yes'],
    exits: null,
    prints: [/✓ A refresh token is exchanged/],
    leavesAll: true,
    onLine: (line, send) => {
      if (line.startsWith('✓ A refresh token')) send('SIGKILL');
    },
  },
  {
    name: 'left by a killed one: another one does not begin',
    args: ['--yes'],
    exits: 2,
    prints: [/another trial runs, or one left it.* --destroy/],
    leavesAll: true,
  },
  {
    name: 'left by a killed one: --destroy deletes it',
    args: ['--destroy'],
    exits: 0,
    prints: [/✓ Everything is destroyed/],
  },
];

let held = 0;
let broken = 0;
const words = process.argv.slice(2);
for (const trial of TRIALS.filter(({ name }) => words.every((word) => name.includes(word)))) {
  const known = new Set<string>();
  const { code, printed } = await run('test/smoke/smoke.ts', trial.args, async (line, send) => {
    trial.onLine?.(line, send);
    for (const secret of await storedSecrets()) known.add(secret);
  });
  provider?.kill();
  provider = undefined;
  const wrong = [
    ...(code === trial.exits ? [] : [`it exits with ${code}, not ${trial.exits}`]),
    ...missing(trial.prints, printed),
    ...([...known].some((secret) => printed.includes(secret)) ? ['it prints a secret'] : []),
    ...(trial.args.length > 0 && known.size === 0 && trial.exits === 0 ? ['no secret was seen'] : []),
    ...(await wrongIn(trial.leavesAll ?? false)),
  ];
  console.log(`${wrong.length === 0 ? '✓' : '✗'} ${trial.name}`);
  if (wrong.length === 0) held++;
  else {
    broken++;
    console.log(`  ${wrong.join('\n  ')}\n${printed.replaceAll(/^/gm, '  | ')}`);
  }
}
await aws.close();
providerServer.close();
reportCounts(held, broken);
console.log(`${held} trials ended as they should, ${broken} did not`);
process.exitCode = broken === 0 && held > 0 ? 0 : 1;

/** Runs a program of ours with Node.js. `onLine` is told each line, and may send it a signal. */
async function run(
  module: string,
  args: readonly string[],
  onLine: (line: string, send: Send) => Promise<void> = async () => {},
): Promise<{ code: number | null; printed: string }> {
  const child = spawn(process.execPath, [module, ...args], {
    cwd: projectRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  const told: Promise<void>[] = [];
  const send: Send = (signal) => {
    child.kill(signal);
    // Under npm one Ctrl-C comes twice.
    setTimeout(() => child.kill(signal), 100);
  };
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      printed += chunk;
      for (const line of chunk.toString().split('\n').filter(Boolean)) told.push(onLine(line, send));
    });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  await Promise.all(told);
  return { code, printed };
}

/** What is there and should not be, or the other way round. */
async function wrongIn(leavesAll: boolean): Promise<string[]> {
  const isDeployed = (await stackOutputs()).WitnessUrl !== undefined;
  const names = await secretNames();
  return [
    ...(isDeployed === leavesAll ? [] : [`the stack is ${isDeployed ? 'still' : 'not'} there`]),
    ...(names.length === (leavesAll ? 4 : 1) && names.includes(`${PREFIX}foreign`)
      ? []
      : [`there: ${names}`]),
  ];
}

function missing(expected: readonly RegExp[], printed: string): string[] {
  const lines = printed.split('\n');
  let at = 0;
  for (const line of expected) {
    const found = lines.findIndex((one, index) => index >= at && line.test(one));
    if (found === -1) return [`it does not print ${line}`];
    at = found;
  }
  return [];
}

async function secretNames(): Promise<string[]> {
  const { SecretList = [] } = await secrets.send(new ListSecretsCommand({}));
  return SecretList.map(({ Name = '' }) => Name);
}

/** Every token and client secret that is stored now. */
async function storedSecrets(): Promise<string[]> {
  const texts = (await secretNames()).map(async (SecretId) => {
    const { SecretString = '{}' } = await secrets
      .send(new GetSecretValueCommand({ SecretId }))
      .catch(() => ({ SecretString: '{}' }));
    const { refresh_token, access_token, client_secret } = JSON.parse(SecretString);
    return [refresh_token, access_token, client_secret].filter((one) => typeof one === 'string');
  });
  return (await Promise.all(texts)).flat();
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
