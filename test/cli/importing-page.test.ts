import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { awsEnvironment } from '../../local/clients.ts';
import { cli } from '../support/cli.ts';
import { createImportWorld, type ImportWorld } from '../support/import-world.ts';

const page = readFileSync('docs/importing.md', 'utf8');
const directory = mkdtempSync(join(tmpdir(), 'page-'));
let world: ImportWorld;

beforeAll(async () => {
  world = await createImportWorld();
  Object.assign(process.env, awsEnvironment(world.aws.url));
});
afterAll(async () => {
  await world.close();
  rmSync(directory, { recursive: true });
});

/** The one block of this language on the page, as a file. */
function example(language: string): string {
  const [, indent = '', text = ''] =
    new RegExp(`^( *)\`\`\`${language}\n([^]*?)\`\`\``, 'm').exec(page) ?? [];
  const path = join(directory, language);
  writeFileSync(path, text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''));
  return path;
}

test.each<[string, string[], number]>([
  ['the CSV file', [example('csv')], 2],
  ['the JSON lines', [example('json')], 2],
  ['the ServiceNow export', ['--servicenow', example('servicenow'), '--map', 'CRM default_profile=crm'], 1],
])('%s on the page can be imported', async (_, args, count) => {
  const { stdout, stderr } = await cli([...world.options, 'import', ...args]);
  expect(stderr).not.toContain('✗');
  expect(stdout).toContain(`${count}  created`);
});

test('the ServiceNow tokens on the page go to the account on the page', async () => {
  const accountId = '0a1b2c3d4e5f60718293a4b5c6d7e8f9';
  await world.removeItem(accountId);
  const files = [example('servicenow'), example('credentials'), '--tokens-in', 'clear_token'];
  await cli([...world.options, 'import', '--servicenow', ...files, '--map', 'CRM default_profile=crm']);
  expect(await world.tokens(accountId)).toMatchObject({ refresh_token: 'example-refresh-token-4' });
});
