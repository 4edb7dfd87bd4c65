import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import { createFunctionProcess, type FunctionProcess } from '../../local/function-process.ts';
import { listen } from '../../local/shared/listen.ts';
import { bodyOf, withoutLeftOut } from '../deploy/emulated-aws.ts';
import { fits } from './log-pattern.ts';

/** A call that arrived, before anything is done. */
export interface Call {
  /** Such as `secretsmanager.PutSecretValue`. */
  readonly operation: string;
  readonly body: string;
  readonly region: string;
  /** The function's, and not a person's. */
  readonly byFunction: boolean;
}

/** What is answered instead, after `wait` milliseconds; without a `type` it is then done all the same. */
export interface Fault {
  readonly type?: string;
  readonly wait?: number;
}

/**
 * An AWS account with the function in it: moto, and in front of it what moto lacks. It runs the function, keeps its log and
 * finds lines in it, knows who wrote secrets (CloudTrail), minds disabled keys, restores a table as it was, and lets calls fail.
 */
export interface DrillAws {
  readonly url: string;
  /** The environment in which tools reach it. */
  readonly environment: Readonly<Record<string, string>>;
  /** The function that is invoked, and the Region where it is. */
  functionName: string;
  region: string;
  module: string;
  /** Decides which calls go wrong, until it is set anew, or somebody deploys so that drift is reverted. */
  fault: ((call: Call) => Fault | undefined) | undefined;
  /** Other functions use up what the AWS account may run at once. */
  concurrencyIsUsedUp: boolean;
  /** What a restored table holds, as DynamoDB's JSON; undefined: what the table holds now. */
  backup: readonly unknown[] | undefined;
  /** Seconds by which the clock of the machine is wrong that Lambda runs the function on. */
  clockError: number;
  /** Names of event types that arrived on the bus. */
  readonly told: string[];
  /** The function's log. */
  readonly log: { readonly timestamp: number; readonly message: string }[];
  /** Who wrote secrets, besides the function. */
  readonly writers: string[];
  /** Runs the function as its rule does, so many seconds from now. @returns what it returned, or its error's name */
  invoke(event: unknown, options?: { later?: number; timeout?: number }): Promise<unknown>;
  close(): Promise<void>;
}

export interface DrillAwsOptions {
  /** Where moto listens. */
  readonly emulator: string;
  /** The function's. */
  readonly module: string;
}

const LAMBDA = /^\/2015-03-31\/functions\/([^/]+)\/(invocations|configuration)/;
/** What moto takes for a queue's address. */
const QUEUE_HOST = /https:\/\/sqs\.[a-z0-9-]+\.amazonaws\.com/g;

export async function startDrillAws({ emulator, module }: DrillAwsOptions): Promise<DrillAws> {
  const log: DrillAws['log'] = [];
  const processes = new Map<string, FunctionProcess>();
  let url = '';

  /** Asks moto. */
  const askLambda = async (path: string) =>
    await fetch(`${emulator}${path}`, { headers: signedFor('lambda', aws.region) });
  const askJson = async (
    target: string,
    { service, region }: { service: string; region: string },
    input: object,
  ): Promise<unknown> => {
    const headers = { 'x-amz-target': target, 'content-type': 'application/x-amz-json-1.1' };
    const signed = { ...headers, ...signedFor(service, region) };
    const response = await fetch(emulator, { method: 'POST', headers: signed, body: JSON.stringify(input) });
    return response.json();
  };

  const processOf = async (later: number) => {
    const response = await askLambda(`/2015-03-31/functions/${aws.functionName}/configuration`);
    const { Environment } = (await response.json()) as { Environment: { Variables: Record<string, string> } };
    const key = JSON.stringify([aws.module, Environment, later, aws.clockError, aws.region]);
    const known = processes.get(key);
    if (known !== undefined) return known;
    const started = createFunctionProcess({
      module: aws.module,
      preload: [new URL('../support/shifted-clock.ts', import.meta.url).href],
      environment: {
        ...Environment.Variables,
        ...environment(),
        AWS_REGION: aws.region,
        // The front must know whose clock a call is to see.
        AWS_ACCESS_KEY_ID: `function${later}`,
        CLOCK_OFFSET_SECONDS: String(later + aws.clockError),
        ALLOW_HTTP_LOOPBACK: 'true',
      },
    });
    processes.set(key, started);
    return started;
  };
  const stopProcesses = () => {
    for (const one of processes.values()) one.kill();
    processes.clear();
  };
  const throttled = async () => {
    const response = await askLambda(`/2019-09-30/functions/${aws.functionName}/concurrency`);
    const { ReservedConcurrentExecutions: reserved } = (await response.json()) as Record<string, number>;
    return reserved === 0 || (aws.concurrencyIsUsedUp && reserved === undefined);
  };
  const invoke: DrillAws['invoke'] = async (event, { later = 0, timeout } = {}) => {
    if (await throttled()) return 'TooManyRequestsException';
    const fn = await processOf(later);
    const invocation = await fn.invoke(event, timeout);
    const timestamp = Date.now();
    log.push(...fn.takeLog().map((message) => ({ timestamp, message })));
    return invocation.kind === 'returned' ? invocation.payload : invocation;
  };

  /** What is answered here rather than by moto; undefined: moto does. */
  async function answer(call: Call, path: string): Promise<{ status: number; body: object } | undefined> {
    const input = () => JSON.parse(call.body || '{}') as Record<string, unknown>;
    const [, , what] = LAMBDA.exec(path) ?? [];
    if (what === 'invocations') {
      const result = await invoke(JSON.parse(call.body || '{}'));
      if (typeof result === 'string')
        return { status: 429, body: { Type: 'User', message: 'Rate exceeded' } };
      return { status: 200, body: result as object };
    }
    switch (call.operation) {
      case 'logs.FilterLogEvents': {
        const { filterPattern, startTime = 0 } = input() as { filterPattern: string; startTime: number };
        const events = log.filter(
          ({ timestamp, message }) => timestamp >= startTime && fits(filterPattern, message),
        );
        return { status: 200, body: { events, searchedLogStreams: [] } };
      }
      case 'cloudtrail.LookupEvents':
        return { status: 200, body: { Events: aws.writers.map((Username) => ({ Username })) } };
      case 'kms.Decrypt':
      case 'kms.GenerateDataKey': {
        const { KeyId } = input();
        if (KeyId === undefined) return undefined;
        const { KeyMetadata } = (await askJson(
          'TrentService.DescribeKey',
          { service: 'kms', region: call.region },
          { KeyId },
        )) as {
          KeyMetadata?: { KeyState: string };
        };
        if (KeyMetadata?.KeyState === 'Enabled') return undefined;
        const type = KeyMetadata?.KeyState === 'Disabled' ? 'DisabledException' : 'KMSInvalidStateException';
        return refusal(type);
      }
      case 'lambda.UpdateFunctionConfiguration':
        aws.clockError = 0;
        stopProcesses();
        return undefined;
      default:
        return undefined;
    }
  }

  /** moto can't read the policies of keys that its own CloudFormation makes. */
  const makePoliciesReadable = async ({ region }: Call) => {
    const kms = { service: 'kms', region };
    const Statement = [{ Effect: 'Allow', Principal: { AWS: '*' }, Action: 'kms:*', Resource: '*' }];
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
    const { Keys } = (await askJson('TrentService.ListKeys', kms, {})) as { Keys: { KeyId: string }[] };
    for (const { KeyId } of Keys)
      await askJson('TrentService.PutKeyPolicy', kms, { KeyId, PolicyName: 'default', Policy });
  };

  /** What follows from a call that moto has carried out. */
  async function after(call: Call): Promise<void> {
    if (/Action=(Create|Update)Stack\b/.test(call.body)) await makePoliciesReadable(call);
    const input = () => JSON.parse(call.body || '{}') as Record<string, unknown>;
    if (call.operation === 'events.PutEvents')
      aws.told.push(...(input().Entries as { DetailType: string }[]).map(({ DetailType }) => DetailType));
    if (call.operation === 'secretsmanager.PutSecretValue' && !call.byFunction)
      aws.writers.push('nightly-sync');
    if (call.operation === 'dynamodb.RestoreTableToPointInTime' && aws.backup !== undefined)
      for (const Item of aws.backup)
        await askJson(
          'DynamoDB_20120810.PutItem',
          { service: 'dynamodb', region: call.region },
          { TableName: input().TargetTableName, Item },
        );
  }

  /** The response with what moto can't know; undefined: it is right. */
  const corrected = (text: string, { operation }: Call) => {
    // An address of AWS would lead nowhere.
    if (text.includes('https://sqs.')) return Buffer.from(text.replaceAll(QUEUE_HOST, url));
    // Nobody's secrets were made just now.
    if (operation !== 'secretsmanager.ListSecrets') return undefined;
    const older = (_: string, name: string, at: string) => `"${name}": ${Number(at) - 3_600}`;
    return Buffer.from(text.replaceAll(/"(CreatedDate|LastChangedDate)": ([\d.]+)/g, older));
  };

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    if (path === '/drift-is-reverted') {
      aws.fault = undefined;
      response.end();
      return;
    }
    const isTemplate = request.method === 'PUT' && /\.json\?/.test(path);
    const body = await bodyOf(request);
    const authorization = String(request.headers.authorization ?? '');
    const [, later] = /Credential=function(-?\d+)\//.exec(authorization) ?? [];
    const [, region = 'us-east-1'] = /Credential=[^/]+\/\d+\/([a-z0-9-]+)\//.exec(authorization) ?? [];
    const operation = operationOf(request);
    const call = { operation, body: body.toString(), byFunction: later !== undefined, region };
    const date = new Date(Date.now() + Number(later ?? 0) * 1_000).toUTCString();
    const fault = aws.fault?.(call);
    if (fault?.wait !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.wait));
    const own = fault?.type === undefined ? await answer(call, path) : refusal(fault.type);
    if (own !== undefined) {
      response.writeHead(own.status, { date, 'content-type': 'application/x-amz-json-1.0' });
      response.end(JSON.stringify(own.body));
      return;
    }
    const sent = isTemplate ? withoutLeftOut(body) : body;
    const headers = { ...request.headers, 'content-length': String(sent.length) };
    const onward = send(
      new URL(path, emulator),
      { method: request.method ?? 'GET', headers },
      async (came) => {
        const all = await bodyOf(came);
        const out = corrected(all.toString(), call) ?? all;
        await after(call);
        const { 'transfer-encoding': _, ...kept } = came.headers;
        response.writeHead(came.statusCode ?? 502, { ...kept, date, 'content-length': String(out.length) });
        response.end(request.method === 'HEAD' ? undefined : out);
      },
    );
    onward.on('error', () => response.writeHead(502).end());
    onward.end(sent);
  }

  const server = createServer((request, response) => {
    respond(request, response).catch((error: unknown) => {
      console.error(error);
      response.writeHead(500).end();
    });
  });
  const environment = () => ({
    AWS_ENDPOINT_URL: url,
    AWS_REGION: 'us-east-1',
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'operator',
    AWS_SECRET_ACCESS_KEY: 'emulated',
    AWS_EC2_METADATA_DISABLED: 'true',
  });
  const aws: DrillAws = {
    functionName: '',
    region: 'us-east-1',
    module,
    url: '',
    environment: {},
    fault: undefined,
    concurrencyIsUsedUp: false,
    backup: undefined,
    clockError: 0,
    told: [],
    log,
    writers: [],
    invoke,
    close: async () => {
      stopProcesses();
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
    },
  };
  // moto finds a template's bucket only under the name localhost.
  url = `http://localhost:${await listen(server, 0)}`;
  return Object.assign(aws, { url, environment: environment() });
}

function refusal(type: string) {
  return { status: 400, body: { __type: type, message: 'refused by the drill' } };
}

/** moto reads the service and the Region there, and checks nothing. */
function signedFor(service: string, region: string) {
  return { authorization: `AWS4-HMAC-SHA256 Credential=drill/20260101/${region}/${service}/aws4_request` };
}

const SERVICES: Readonly<Record<string, string>> = {
  DynamoDB_20120810: 'dynamodb',
  TrentService: 'kms',
  AWSEvents: 'events',
  Logs_20140328: 'logs',
  CloudTrail_20131101: 'cloudtrail',
};

function operationOf({ method, url = '', headers }: IncomingMessage): string {
  const [, , what] = LAMBDA.exec(url) ?? [];
  if (what !== undefined) return method === 'PUT' ? 'lambda.UpdateFunctionConfiguration' : `lambda.${what}`;
  const [operation = '', prefix = ''] = String(headers['x-amz-target'] ?? '')
    .split('.')
    .reverse();
  return `${SERVICES[prefix] ?? prefix}.${operation}`;
}
