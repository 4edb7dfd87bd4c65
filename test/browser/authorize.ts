import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { buildFunction } from '../../build/function.ts';
import type { RunResult } from '../../lambda/run-result.ts';
import { type LocalSystem, startLocalSystem } from '../../local/local-system.ts';
import { reportCounts } from '../faults/counts.ts';
import { type Chromium, startChromium } from './chromium.ts';

const HELP = `A real Chromium completes "authorize" at the local authorization server.

  npm run test:browser                            needs Chromium on PATH, or CHROMIUM_PATH
  npm run test:browser -- --screenshots <dir>     keeps pictures of each page`;

const results: boolean[] = [];

async function main(pictures: string | undefined): Promise<number> {
  const data = mkdtempSync(join(tmpdir(), 'browser-'));
  await buildFunction();
  const system = await startLocalSystem({ dataDirectory: data, port: 0, say: () => undefined });
  const chromium = await startChromium(pictures);
  try {
    await run(system, {});
    for (const story of stories) await story({ system, chromium, data });
    claim(
      'nothing was asked for that is not on this machine',
      chromium.elsewhere.length === 0,
      chromium.elsewhere,
    );
  } finally {
    await chromium.close();
    await system.close();
    rmSync(data, { recursive: true });
  }
  const broken = results.filter((held) => !held).length;
  console.log(`${results.length - broken} held, ${broken} did not`);
  reportCounts(results.length - broken, broken);
  return broken === 0 ? 0 : 1;
}

function claim(what: string, held: boolean, found?: unknown): void {
  results.push(held);
  console.log(`${held ? '✓' : '✗'} ${what}${held ? '' : `: ${JSON.stringify(found)}`}`);
}

interface Stage {
  readonly system: LocalSystem;
  readonly chromium: Chromium;
  readonly data: string;
}

/** Each goes on where the one before it ended. */
const stories: readonly ((stage: Stage) => Promise<void>)[] = [
  async ({ system, chromium, data }) => {
    const command = start(data, 'authorize', 'acme', '--profile', 'crm', '--name', 'Acme CRM');
    await chromium.page.goto(await command.address);
    await looksGood(chromium, '1-login');
    await signIn(chromium, 'alice');
    await looksGood(chromium, '2-consent');
    await click(chromium, 'button[value="allow"]');
    await looksGood(chromium, '3-connected');
    claim(
      'the page says that it worked, and for whom',
      await says(chromium, 'Acme CRM is connected', 'alice'),
    );
    claim('the code is not left in the address', !chromium.page.url().includes('code='), chromium.page.url());
    const html = await chromium.page.content();
    claim('no token is on the page', !html.includes(String((await tokens(system, 'acme')).refresh_token)));
    claim('the command ends with 0', (await command.ended) === 0, await command.ended);
    const before = await tokens(system, 'acme');
    const result = await run(system, { accountIds: ['acme'], force: true });
    const after = await tokens(system, 'acme');
    claim('the next run refreshes the account', result.refreshed === 1, result);
    claim('its refresh token was rotated', before.refresh_token !== after.refresh_token);
  },
  async ({ system, chromium, data }) => {
    await chromium.fresh();
    const command = start(data, 'authorize', 'tv', '--profile', 'mail', '--device');
    const address = await command.address;
    await chromium.page.goto(address.replace(/\?.*/, ''));
    await looksGood(chromium, '4-device-code');
    await chromium.page.type('[name=user_code]', 'WRONGCODE');
    await click(chromium, 'button');
    await looksGood(chromium, '5-device-wrong-code');
    claim('a wrong code is refused', await says(chromium, 'No device is waiting with this code'));
    // The address with the code in it goes on by itself.
    await chromium.page.goto(address);
    await chromium.page.waitForSelector('button[name="abort"]');
    await looksGood(chromium, '6-device-confirm');
    await click(chromium, 'button:not(.secondary)');
    await signIn(chromium, 'alice');
    await click(chromium, 'button[value="allow"]');
    await looksGood(chromium, '7-device-done');
    claim('the device is told connected', await says(chromium, 'Your device is connected'));
    claim('--device ends with 0', (await command.ended) === 0, await command.ended);
    const result = await run(system, { accountIds: ['tv'], force: true });
    claim('the next run refreshes the account of the device', result.refreshed === 1, result);
  },
  async ({ system, chromium, data }) => {
    await chromium.fresh();
    await system.authorizationServer.revokeGrant(String((await tokens(system, 'acme')).refresh_token));
    await run(system, { accountIds: ['acme'], force: true });
    claim('a revoked grant is not believed at once', told(system, 'acme') === 'OAuth Account Failing');
    await anHourAgo(system, 'acme');
    await run(system, { accountIds: ['acme'], force: true });
    claim(
      'the revoked grant is told of',
      told(system, 'acme') === 'OAuth Reauthorization Required',
      told(system, 'acme'),
    );
    const listed = await start(data, 'accounts', 'list', '--json').printed;
    const statuses = statusesUpTo('acme', listed);
    claim(
      'accounts list shows it first, among those that need a person',
      statuses.length > 0 && statuses.every((status) => status === 'reauthorization_required'),
      statuses,
    );
    const command = start(data, 'authorize', 'acme');
    await chromium.page.goto(await command.address);
    await signIn(chromium, 'alice');
    await click(chromium, 'button[value="allow"]');
    await looksGood(chromium, '8-repaired');
    claim('the page says that it works again', await says(chromium, 'Acme CRM works again'));
    claim('authorize again ends with 0', (await command.ended) === 0, await command.ended);
    claim(
      'the recovery is told of',
      told(system, 'acme') === 'OAuth Account Recovered',
      told(system, 'acme'),
    );
  },
  async ({ system, chromium, data }) => {
    await chromium.fresh();
    const before = await tokens(system, 'acme');
    const denied = start(data, 'authorize', 'acme');
    await chromium.page.goto(await denied.address);
    await signIn(chromium, 'alice');
    await click(chromium, 'button[value="cancel"]');
    await looksGood(chromium, '9-denied');
    claim('a denial is told on the page', await says(chromium, 'was not authorized again', 'not allowed'));
    claim('… and ends with 1', (await denied.ended) === 1, await denied.ended);
    await chromium.fresh();
    const other = start(data, 'authorize', 'acme');
    const address = await other.address;
    await chromium.page.goto(`${new URL(address).origin}/callback?code=x&state=forged`);
    await looksGood(chromium, '10-foreign-answer');
    claim('a foreign answer is refused on the page', await says(chromium, 'belongs to another sign-in'));
    await chromium.page.goto(address);
    await signIn(chromium, 'bob');
    await click(chromium, 'button[value="allow"]');
    await looksGood(chromium, '11-another-person');
    claim(
      "another person's grant is refused on the page",
      await says(chromium, 'was not authorized again', 'somebody else'),
    );
    claim('… and ends with 1', (await other.ended) === 1, await other.ended);
    claim('nothing has changed', JSON.stringify(before) === JSON.stringify(await tokens(system, 'acme')));
  },
  async ({ chromium, data }) => {
    await chromium.fresh();
    const command = start(data, 'authorize', 'acme');
    const address = await command.address;
    await chromium.page.goto(address);
    // The page is loaded again, in the browser that has the cookie.
    await chromium.page.goto(address);
    claim(
      'the start address leads to the sign-in, also twice in one browser',
      (await chromium.page.$('#login')) !== null,
    );
    await chromium.fresh();
    await chromium.page.goto(address);
    await looksGood(chromium, '12-started-twice');
    claim('a second browser is told that the sign-in was stopped', await says(chromium, 'was stopped'));
    claim('… and it ends with 1', (await command.ended) === 1, await command.ended);
  },
  async ({ chromium, data }) => {
    await chromium.fresh();
    const command = start(data, 'authorize', 'pasted', '--profile', 'crm', '--paste');
    let last = '';
    chromium.page.on('request', (request) => {
      if (request.isNavigationRequest()) last = request.url();
    });
    await chromium.page.goto(await command.address);
    await signIn(chromium, 'carol');
    // Nothing listens there: the browser shows that, and keeps the address.
    await click(chromium, 'button[value="allow"]').catch(() => undefined);
    command.paste(`${last}\n`);
    claim(
      '--paste takes the address at which the browser ended',
      (await command.ended) === 0,
      last.slice(0, 40),
    );
  },
];

/** A command of the command line in a process of its own. */
function start(data: string, ...args: string[]) {
  const browser = args[0] === 'authorize' ? ['--no-browser'] : [];
  const child = spawn(process.execPath, ['cli/main.ts', '--data', data, ...args, ...browser], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const address = Promise.withResolvers<string>();
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk;
    const found = /^ {2}(http:\S+(?:\?|\/start\/)\S+)\n/m.exec(said)?.[1];
    if (found !== undefined) address.resolve(found);
  });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk;
  });
  const ended = new Promise<number | null>((resolve) =>
    child.on('close', (code) => {
      address.reject(new Error(said));
      resolve(code);
    }),
  );
  address.promise.catch(() => undefined);
  return {
    address: address.promise,
    ended,
    printed: ended.then(() => printed),
    paste: (text: string) => child.stdin.end(text),
  };
}

async function looksGood(chromium: Chromium, name: string): Promise<void> {
  const problems = await chromium.look(name);
  claim(`${name}: accessible, and fits its window`, problems.length === 0, problems);
}

async function says({ page }: Chromium, ...texts: readonly string[]): Promise<boolean> {
  const text = String(await page.evaluate('document.body.innerText'));
  return texts.every((wanted) => text.includes(wanted));
}

async function signIn(chromium: Chromium, login: string): Promise<void> {
  await chromium.page.type('#login', login);
  await click(chromium, 'button[value="login"]');
}

async function click({ page }: Chromium, selector: string): Promise<void> {
  await Promise.all([page.waitForNavigation(), page.click(selector)]);
}

async function run({ function: fn }: LocalSystem, event: unknown): Promise<RunResult> {
  const invocation = await fn.invoke(event);
  if (invocation.kind === 'failed') throw new Error(invocation.errorMessage);
  return invocation.payload as RunResult;
}

async function tokens({ clients }: LocalSystem, accountId: string): Promise<Record<string, unknown>> {
  const SecretId = `oauth/accounts/${accountId}`;
  const { SecretString = '{}' } = await clients.secrets.send(new GetSecretValueCommand({ SecretId }));
  return JSON.parse(SecretString);
}

/** The statuses of the accounts that a listing shows, up to one of them. */
function statusesUpTo(accountId: string, listed: string): string[] {
  const accounts = JSON.parse(listed) as { accountId: string; status: string }[];
  return accounts
    .slice(0, accounts.findIndex((account) => account.accountId === accountId) + 1)
    .map(({ status }) => status);
}

/** The first refusal of an account was an hour ago, without anybody waiting for that. */
async function anHourAgo({ clients }: LocalSystem, accountId: string): Promise<void> {
  await clients.table.send(
    new UpdateCommand({
      TableName: clients.tableName,
      Key: { accountId },
      UpdateExpression: 'SET failure.since = failure.since - :hour',
      ExpressionAttributeValues: { ':hour': 3_660 },
    }),
  );
}

/** The last event told of an account. */
function told({ aws }: LocalSystem, accountId: string): string | undefined {
  return aws
    .putEventsLog()
    .filter(({ detail }) => (detail as { accountId?: unknown }).accountId === accountId)
    .at(-1)?.detailType;
}

const { values } = parseArgs({
  options: { screenshots: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
});
if (values.help) console.log(HELP);
else process.exitCode = await main(values.screenshots);
