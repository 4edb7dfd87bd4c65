import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CloudWatchLogsClient,
  GetQueryResultsCommand,
  StartQueryCommand,
  StopQueryCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LocalAws, startLocalAws } from '../../../local/aws/server.ts';
import { clientSettings } from '../../support/aws-endpoint.ts';

const logGroupName = '/aws/lambda/refresher';
const directory = mkdtempSync(join(tmpdir(), 'insights-'));
const functionLogFile = join(directory, 'function.log');
/** A whole minute, so that bins are known. */
const start = Math.floor(Date.now() / 60_000) * 60_000 - 600_000;
const line = (second: number, fields: object) =>
  JSON.stringify({ timestamp: new Date(start + second * 1_000).toISOString(), ...fields });

let aws: LocalAws;
let client: CloudWatchLogsClient;
beforeAll(async () => {
  const lines = [
    line(1, { id: 'a', profile: 'crm', ms: 10 }),
    line(2, { id: 'b "x"', profile: 'crm', ms: 30 }),
    line(70, { id: 'a', profile: 'mail', ms: 20 }),
    line(71, { id: 'a', profile: 'crm' }),
    'no JSON',
  ];
  appendFileSync(functionLogFile, `${lines.join('\n')}\n`);
  aws = await startLocalAws({ functionName: 'refresher', functionLogFile });
  client = new CloudWatchLogsClient(clientSettings(aws.url));
});
afterAll(async () => {
  client.destroy();
  await aws.close();
  rmSync(directory, { recursive: true });
});

const begin = (queryString: string, more: object = {}) => {
  const times = { startTime: start / 1_000, endTime: start / 1_000 + 600 };
  return client.send(new StartQueryCommand({ logGroupName, queryString, ...times, ...more }));
};
const results = (queryId: string | undefined) => client.send(new GetQueryResultsCommand({ queryId }));

async function ask(query: string) {
  const { queryId } = await begin(query);
  await results(queryId);
  const { results: rows = [] } = await results(queryId);
  return rows.map((row) => Object.fromEntries(row.map(({ field, value }) => [field, value])));
}

describe('a query', () => {
  const minute = (n: number) => new Date(start + n * 60_000).toISOString().replace('T', ' ').replace('Z', '');
  test.each([
    { query: 'filter id = "b \\"x\\"" | fields ms', rows: [{ ms: '30' }] },
    { query: 'filter id != "a" | fields id', rows: [{ id: 'b "x"' }] },
    { query: 'filter ms >= 20 and profile = "crm" | fields ms', rows: [{ ms: '30' }] },
    { query: 'filter id like "x" | fields ms', rows: [{ ms: '30' }] },
    { query: 'filter not ispresent(ms) | fields id, ms', rows: [{ id: 'a' }] },
    { query: 'fields ms | sort ms desc | limit 2', rows: [{ ms: '30' }, { ms: '20' }] },
    {
      query:
        'filter ispresent(ms) | stats count(*) as n, sum(ms) as all, max(ms) as most, min(ms) as least by profile | sort profile',
      rows: [
        { profile: 'crm', n: '2', all: '40', most: '30', least: '10' },
        { profile: 'mail', n: '1', all: '20', most: '20', least: '20' },
      ],
    },
    {
      query:
        'stats count(*) as n by profile, bin(1m) as minute | stats sum(n) as all, max(n) as busiest by profile | sort profile',
      rows: [
        { profile: 'crm', all: '3', busiest: '2' },
        { profile: 'mail', all: '1', busiest: '1' },
      ],
    },
    {
      query: 'stats count(*) as n by bin(1m) as minute | sort minute',
      rows: [
        { minute: minute(0), n: '2' },
        { minute: minute(1), n: '2' },
      ],
    },
    { query: 'filter id = "nobody" | stats max(ms) as most by profile', rows: [] },
    {
      query: 'filter profile = "mail" | fields @timestamp',
      rows: [{ '@timestamp': minute(1).replace(':00.000', ':10.000') }],
    },
  ])('$query', async ({ query, rows }) => expect(await ask(query)).toEqual(rows));

  test.each([
    'parse @message "*"',
    'filter id in ["a"]',
    'filter a = 1 or b = 2',
    'stats avg(ms) by id',
    'limit x',
    'fields a b',
    '',
  ])('"%s" is beyond what is known here', async (query) => {
    await expect(begin(query)).rejects.toMatchObject({ name: 'MalformedQueryException' });
  });

  test('runs until it is asked for again, and says what it read', async () => {
    const { queryId } = await begin('fields id');
    expect(await results(queryId)).toMatchObject({ status: 'Running', results: [] });
    const { status, statistics } = await results(queryId);
    expect({ status, statistics }).toMatchObject({ status: 'Complete', statistics: { recordsScanned: 4 } });
    expect(statistics?.bytesScanned).toBeGreaterThan(100);
  });

  test('looks at its own time alone', async () => {
    const { queryId } = await begin('fields id', { startTime: start / 1_000 + 60 });
    await results(queryId);
    expect((await results(queryId)).results).toHaveLength(2);
  });

  test('is stopped once', async () => {
    const { queryId } = await begin('fields id');
    expect((await client.send(new StopQueryCommand({ queryId }))).success).toBe(true);
    expect(await results(queryId)).toMatchObject({ status: 'Cancelled', results: [] });
    await expect(client.send(new StopQueryCommand({ queryId }))).rejects.toThrow('already ended');
  });

  test('of another group, or of no query, is an error', async () => {
    const name = 'ResourceNotFoundException';
    await expect(begin('fields id', { logGroupName: 'other' })).rejects.toMatchObject({ name });
    await expect(results('nix')).rejects.toMatchObject({ name });
  });
});
