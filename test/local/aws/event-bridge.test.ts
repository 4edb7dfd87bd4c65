import { randomUUID } from 'node:crypto';
import { EventBridgeClient, PutEventsCommand, type PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import { expect, test } from 'vitest';
import { contractClient } from '../../support/contract-client.ts';

const { endpoint, client } = await contractClient(EventBridgeClient);

const entry = (changes: PutEventsRequestEntry = {}): PutEventsRequestEntry => ({
  Source: 'oauth-token-refresher',
  DetailType: 'OAuth Account Recovered',
  Detail: JSON.stringify({ accountId: randomUUID() }),
  ...changes,
});

const put = (Entries: PutEventsRequestEntry[]) => client.send(new PutEventsCommand({ Entries }));

/** What the local endpoint recorded with this detail type; an external one can't be asked. */
const recorded = (detailType: string) =>
  endpoint.aws?.putEventsLog().filter((event) => event.detailType === detailType) ?? [];

test('events are accepted in order, each with its own id', async () => {
  const DetailType = randomUUID();
  const Time = new Date('2026-01-02T03:04:05Z');
  const { FailedEntryCount, Entries = [] } = await put([
    entry({ DetailType, Detail: '{"n":1}', Resources: ['arn:aws:iam::000000000000:role/any'], Time }),
    entry({ DetailType, Detail: '{"n":2}' }),
  ]);
  expect(FailedEntryCount).toBe(0);
  expect(new Set(Entries.map(({ EventId }) => EventId)).size).toBe(2);
  await put([entry({ DetailType, Detail: '{"n":3}' })]);
  if (endpoint.kind === 'external') return;
  expect(recorded(DetailType).map(({ detail }) => detail)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  expect(recorded(DetailType)[0]).toEqual({
    id: Entries[0]?.EventId,
    source: 'oauth-token-refresher',
    detailType: DetailType,
    detail: { n: 1 },
    resources: ['arn:aws:iam::000000000000:role/any'],
    time: Time.getTime(),
  });
});

test.each([
  'Source',
  'DetailType',
  'Detail',
] as const)('an entry without %s fails by itself', async (member) => {
  const DetailType = randomUUID();
  const { [member]: _, ...incomplete } = entry({ DetailType });
  const { FailedEntryCount, Entries } = await put([incomplete, entry({ DetailType })]);
  expect(FailedEntryCount).toBe(1);
  expect(Entries).toEqual([
    {
      ErrorCode: 'InvalidArgument',
      ErrorMessage: `Parameter ${member} is not valid. Reason: ${member} is a required argument.`,
    },
    { EventId: expect.any(String) },
  ]);
  if (endpoint.kind === 'local') expect(recorded(DetailType)).toHaveLength(1);
});

test.each(['{', '"text"', '[1]', 'null'])('an entry whose detail is %s fails by itself', async (Detail) => {
  // moto takes any JSON for a detail; AWS an object only.
  if (endpoint.kind === 'external' && Detail !== '{') return;
  expect(await put([entry({ Detail }), entry()])).toMatchObject({
    FailedEntryCount: 1,
    Entries: [
      { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' },
      { EventId: expect.any(String) },
    ],
  });
});

test('a source that begins with aws. is refused', async () => {
  // moto takes it.
  if (endpoint.kind === 'external') return;
  expect(await put([entry({ Source: 'aws.events' })])).toMatchObject({
    FailedEntryCount: 1,
    Entries: [{ ErrorCode: 'NotAuthorizedForSourceException' }],
  });
});

test('an event for a bus that is not there is accepted and lost', async () => {
  // moto refuses the whole request.
  if (endpoint.kind === 'external') return;
  const DetailType = randomUUID();
  const { FailedEntryCount, Entries } = await put([
    entry({ DetailType, EventBusName: `no-such-bus-${randomUUID()}` }),
    entry({ DetailType, EventBusName: 'arn:aws:events:us-east-1:000000000000:event-bus/default' }),
  ]);
  expect(FailedEntryCount).toBe(0);
  expect(Entries).toEqual([{ EventId: expect.any(String) }, { EventId: expect.any(String) }]);
  expect(recorded(DetailType)).toHaveLength(1);
});

test('a request has 1 to 10 entries', async () => {
  expect(await put(Array.from({ length: 10 }, () => entry()))).toMatchObject({ FailedEntryCount: 0 });
  const validation = { name: 'ValidationException', $metadata: { httpStatusCode: 400 } };
  await expect(put(Array.from({ length: 11 }, () => entry()))).rejects.toMatchObject(validation);
  // moto answers an empty request.
  if (endpoint.kind === 'local') await expect(put([])).rejects.toMatchObject(validation);
});

test('the entries of a request stay below 256 KB together', async () => {
  const half = entry({ Detail: JSON.stringify({ text: 'a'.repeat(128 * 1024) }) });
  expect(await put([half])).toMatchObject({ FailedEntryCount: 0 });
  // moto looks at each entry alone.
  if (endpoint.kind === 'local')
    await expect(put([half, half])).rejects.toMatchObject({ name: 'ValidationException' });
});
