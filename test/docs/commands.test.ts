import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { DynamoDBClient, PutItemCommand, ScanCommand, type ScanCommandInput } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AwsEndpoint,
  awsEndpoint,
  clientSettings,
  createAccountsTable,
} from '../support/aws-endpoint.ts';

/** Commands on pages for people to paste, as far as we can try them without AWS. */
const pages = ['docs/runbook.md', 'docs/upgrading.md', 'docs/deploy.md'];

/** The shell blocks of a page, those within lists too. */
function shellBlocks(page: string): string[] {
  const text = readFileSync(page, 'utf8');
  return [...text.matchAll(/^( *)```sh\n([\s\S]*?)^\1```$/gm)].map(([, indent = '', block = '']) =>
    block.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );
}

describe('shell blocks', () => {
  test.each(pages)('of %s are valid in bash', (page) => {
    const blocks = shellBlocks(page);
    expect(blocks.length).toBeGreaterThan(3);
    for (const block of blocks) execFileSync('bash', ['-n', '-c', block]);
  });
});

/** The options of a command, as the shell hands them over. */
function optionsOf(command: string): Record<string, string> {
  const script = `aws() { printf '%s\\0' "$@"; }; TABLE=accounts; ${command}`;
  const words = execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\0').slice(2, -1);
  const options: Record<string, string> = {};
  words.forEach((word, index) => {
    if (word.startsWith('--')) options[word.slice(2)] = words[index + 1] ?? '';
  });
  return options;
}

describe('scans', () => {
  const scans = pages.flatMap((page) =>
    shellBlocks(page)
      .flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'))
      .filter((line) => /^\s*aws dynamodb scan\b/.test(line) && line.includes('--filter-expression'))
      .map((line) => ({ page, options: optionsOf(line) })),
  );
  let endpoint: AwsEndpoint;
  let client: DynamoDBClient;

  beforeAll(async () => {
    endpoint = await awsEndpoint();
    client = new DynamoDBClient(clientSettings(endpoint.url));
    await createAccountsTable(client, 'accounts');
    const now = Math.floor(Date.now() / 1000);
    const lease = (expiresAt: number) => ({
      M: { owner: { S: 'run-1' }, expiresAt: { N: String(expiresAt) } },
    });
    for (const item of [
      { accountId: { S: 'plain' } },
      { accountId: { S: 'leased' }, lease: lease(now + 60) },
      { accountId: { S: 'was-leased' }, lease: lease(now - 60) },
      { accountId: { S: 'escrowed' }, escrow: { M: { kind: { S: 'answer' }, at: { N: '1' } } } },
      { accountId: { S: 'endless' }, doesNotExpire: { BOOL: true } },
      { accountId: { S: 'person' }, status: { S: 'reauthorization_required' } },
    ])
      await client.send(new PutItemCommand({ TableName: 'accounts', Item: item }));
  });

  afterAll(async () => {
    client.destroy();
    await endpoint.close();
  });

  test.each(scans)('of $page find what they say: $options', async ({ options }) => {
    const found = await client.send(
      new ScanCommand({
        TableName: options['table-name'],
        FilterExpression: options['filter-expression'],
        ...parsed(options, 'expression-attribute-names', 'ExpressionAttributeNames'),
        ...parsed(options, 'expression-attribute-values', 'ExpressionAttributeValues'),
      }),
    );
    const expected: Readonly<Record<string, string>> = {
      'lease.expiresAt > :now': 'leased',
      'attribute_exists(escrow)': 'escrowed',
      'doesNotExpire = :yes': 'endless',
    };
    expect(found.Items?.map(({ accountId }) => accountId?.S)).toEqual([
      expected[options['filter-expression'] ?? ''],
    ]);
  });

  test('are there', () => expect(scans.length).toBeGreaterThanOrEqual(3));
});

function parsed(options: Record<string, string>, name: string, member: keyof ScanCommandInput) {
  const json = options[name];
  return json === undefined ? {} : { [member]: JSON.parse(json) };
}
