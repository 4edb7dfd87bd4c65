import { createServer } from 'node:http';
import { VERSION } from '../../cli/shared/function-version.ts';
import { listen } from '../../local/shared/listen.ts';

/** What a deployed stack's services answer, as far as the local endpoint has no such service. */
export interface StackState {
  /** With this version, where they name none. */
  outputs: Record<string, string>;
  /** Lambda's GetFunctionConfiguration; undefined: there is no such function. */
  configuration: Record<string, unknown> | undefined;
  reservedConcurrency: number | undefined;
  /** EventBridge's DescribeRule, by name. */
  rules: Record<string, { State: string; ScheduleExpression?: string }>;
  /** When runs over the table finished, milliseconds since the epoch. */
  runs: number[];
  /** When dry runs, and runs over named accounts, finished. */
  runsByHand?: number[];
  /** What the last run says besides, and a line of it. */
  lastRun?: object;
  line?: object;
  deadLetters: number;
  /** KMS's DescribeKey; undefined: there is no such key. */
  keyState: string | undefined;
  /** Other stacks of the AWS account and Region, with the keys of their outputs. */
  otherStacks?: Record<string, readonly string[]>;
  /** Operations that are denied. "ListStacks" stands for DescribeStacks without a name. */
  denied: string[];
}

export interface StackStub {
  readonly state: StackState;
  /** The operations that were asked for, in order. */
  readonly asked: readonly string[];
  /** For `process.env`: these services are asked here. */
  readonly environment: Record<string, string>;
  close(): Promise<void>;
}

/** CloudFormation, Lambda, EventBridge, CloudWatch Logs, SQS and KMS of one stack, to be broken one by one. */
export async function startStackStub(state: StackState): Promise<StackStub> {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const operation = operationOf(request.url ?? '', String(request.headers['x-amz-target'] ?? ''), body);
    asked.push(operation);
    const { status, answer } = state.denied.includes(operation)
      ? { status: 400, answer: { __type: 'AccessDeniedException', message: 'not authorized' } }
      : answerOf(operation, body, state);
    const xml = typeof answer === 'string';
    response.writeHead(status, {
      'content-type': xml ? 'text/xml' : 'application/x-amz-json-1.0',
      ...(!xml && '__type' in answer && { 'x-amzn-errortype': String(answer.__type) }),
    });
    response.end(xml ? answer : JSON.stringify(answer));
  });
  const url = `http://127.0.0.1:${await listen(server, 0)}`;
  if ('DeadLetterQueueUrl' in state.outputs) state.outputs.DeadLetterQueueUrl = `${url}/queue`;
  const services = ['CLOUDFORMATION', 'LAMBDA', 'EVENTBRIDGE', 'CLOUDWATCH_LOGS', 'SQS', 'KMS'];
  return {
    state,
    asked,
    environment: Object.fromEntries(services.map((service) => [`AWS_ENDPOINT_URL_${service}`, url])),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function operationOf(url: string, target: string, body: string): string {
  if (target !== '') return target.split('.')[1] ?? '';
  if (url.endsWith('/configuration')) return 'GetFunctionConfiguration';
  if (url.endsWith('/invocations')) return 'Invoke';
  return url.endsWith('/concurrency')
    ? 'GetFunctionConcurrency'
    : /StackName=/.test(body)
      ? 'DescribeStacks'
      : 'ListStacks';
}

type Answered = { status: number; answer: Record<string, unknown> | string };

function answerOf(operation: string, body: string, state: StackState): Answered {
  const fine = (answer: Record<string, unknown> | string) => ({ status: 200, answer });
  const missing = (__type = 'ResourceNotFoundException') => ({
    status: __type === 'NotFoundException' ? 400 : 404,
    answer: { __type, message: 'not found' },
  });
  const { configuration, rules, keyState } = state;
  switch (operation) {
    case 'GetFunctionConfiguration':
      return configuration === undefined ? missing() : fine(configuration);
    case 'Invoke':
      return fine({ runId: 'r' });
    case 'GetFunctionConcurrency':
      return fine(
        state.reservedConcurrency === undefined
          ? {}
          : { ReservedConcurrentExecutions: state.reservedConcurrency },
      );
    case 'DescribeRule': {
      const rule = rules[JSON.parse(body).Name];
      return rule === undefined ? { ...missing(), status: 400 } : fine(rule);
    }
    case 'FilterLogEvents': {
      const { startTime, filterPattern } = JSON.parse(body);
      const line = { timestamp: Date.now(), message: JSON.stringify(state.line ?? {}) };
      if (filterPattern !== '"Run finished."') return fine({ events: state.line ? [line] : [] });
      const events = [
        ...state.runs.map((timestamp) => loggedRun(timestamp, state.lastRun ?? {})),
        ...(state.runsByHand ?? []).map((timestamp) => loggedRun(timestamp, { accounts: [] })),
      ];
      return fine({ events: events.filter(({ timestamp }) => timestamp >= startTime) });
    }
    case 'GetQueueAttributes':
      return fine({ Attributes: { ApproximateNumberOfMessages: String(state.deadLetters) } });
    case 'DescribeKey':
      return keyState === undefined
        ? missing('NotFoundException')
        : fine({ KeyMetadata: { KeyId: 'key', KeyState: keyState } });
    case 'ListStacks':
      return fine(
        describeStacks({
          'OAuthTokenRefresher-prod': { Version: VERSION, ...state.outputs },
          ...Object.fromEntries(
            Object.entries(state.otherStacks ?? {}).map(([name, keys]) => [
              name,
              Object.fromEntries(keys.map((key) => [key, 'x'])),
            ]),
          ),
        }),
      );
    default:
      return fine(describeStacks({ s: { Version: VERSION, ...state.outputs } }));
  }
}

function loggedRun(timestamp: number, more: object) {
  return { timestamp, message: JSON.stringify({ message: 'Run finished.', scanned: 1, ...more }) };
}

function describeStacks(stacks: Record<string, Record<string, string>>): string {
  const members = Object.entries(stacks).map(([stack, outputs]) => {
    const all = Object.entries(outputs).map(
      ([name, value]) => `<member><OutputKey>${name}</OutputKey><OutputValue>${value}</OutputValue></member>`,
    );
    return `<member><StackName>${stack}</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>${all.join('')}</Outputs></member>`;
  });
  return `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks>${members.join('')}</Stacks></DescribeStacksResult></DescribeStacksResponse>`;
}
