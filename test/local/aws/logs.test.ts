import { randomUUID } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  FilterLogEventsCommand,
  PutLogEventsCommand,
  paginateFilterLogEvents,
} from '@aws-sdk/client-cloudwatch-logs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startLocalAws } from '../../../local/aws/server.ts';
import { clientSettings } from '../../support/aws-endpoint.ts';

const functionName = `refresher-${randomUUID()}`;
const logGroupName = `/aws/lambda/${functionName}`;
const directory = mkdtempSync(join(tmpdir(), 'logs-'));
const functionLogFile = join(directory, 'function.log');
const start = Date.now() - 60_000;
const finished = (n: number) =>
  JSON.stringify({
    message: 'Run finished.',
    timestamp: new Date(start + n * 1_000).toISOString(),
    scanned: n,
  });
const line = (n: number) =>
  JSON.stringify({ message: 'Account="x"', timestamp: new Date(start + n * 1_000).toISOString() });
const lines = [finished(1), line(2), finished(3), finished(5)];

let client: CloudWatchLogsClient;
let close: () => Promise<void>;

/** In another emulator we create a group; the local one shows the function's log file. */
beforeAll(async () => {
  const external = process.env.AWS_ENDPOINT_URL;
  const local = external ? undefined : await startLocalAws({ functionName, functionLogFile });
  client = new CloudWatchLogsClient(clientSettings(external ?? local?.url ?? ''));
  close = async () => {
    client.destroy();
    await local?.close();
    rmSync(directory, { recursive: true });
  };
  appendFileSync(functionLogFile, `${lines.join('\n')}\n    at a stack (of:an:error)\n`);
  if (local !== undefined) return;
  await client.send(new CreateLogGroupCommand({ logGroupName }));
  await client.send(new CreateLogStreamCommand({ logGroupName, logStreamName: 'one' }));
  const logEvents = lines.map((message) => ({
    message,
    timestamp: Date.parse(JSON.parse(message).timestamp),
  }));
  await client.send(new PutLogEventsCommand({ logGroupName, logStreamName: 'one', logEvents }));
});
afterAll(() => close());

describe('FilterLogEvents', () => {
  test('finds a phrase, oldest first', async () => {
    const { events = [] } = await client.send(
      new FilterLogEventsCommand({ logGroupName, filterPattern: '"Run finished."' }),
    );
    expect(events.map(({ message }) => message)).toEqual([finished(1), finished(3), finished(5)]);
    expect(events[0]).toMatchObject({ timestamp: start + 1_000, logStreamName: expect.any(String) });
  });

  test('finds everything without a pattern', async () => {
    const { events = [] } = await client.send(new FilterLogEventsCommand({ logGroupName }));
    expect(events).toHaveLength(lines.length);
  });

  test('finds what was written between two times', async () => {
    const { events = [] } = await client.send(
      new FilterLogEventsCommand({ logGroupName, startTime: start + 2_000, endTime: start + 4_000 }),
    );
    expect(events.map(({ message }) => message)).toEqual([line(2), finished(3)]);
  });

  test('comes page by page', async () => {
    const seen: (string | undefined)[] = [];
    for await (const { events = [] } of paginateFilterLogEvents({ client, pageSize: 2 }, { logGroupName }))
      seen.push(...events.map(({ message }) => message));
    expect(seen).toEqual(lines);
  });

  test('does not find a group that is not there', async () => {
    const request = new FilterLogEventsCommand({ logGroupName: `${logGroupName}-other` });
    await expect(client.send(request)).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: 'The specified log group does not exist.',
    });
  });
});
