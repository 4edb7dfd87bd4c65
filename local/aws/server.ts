import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { HOST, isOwnHost, isPathTarget, listen } from '../shared/listen.ts';
import { type FaultCall, type FaultRule, performWith, type Service } from './faults.ts';
import { answerProof } from './proof.ts';
import { AwsError } from './protocol/aws-error.ts';
import {
  type AwsRequest,
  type AwsResponse,
  errorResponse,
  parseJson,
  unknownOperation,
} from './protocol/protocol.ts';
import { type AwsKeys, MAX_CLOCK_SKEW_SECONDS, signatureCheck, TEST_KEYS } from './protocol/signature.ts';
import type { RecordedEvent } from './services/event-bridge.ts';
import { lambdaOperation } from './services/lambda.ts';
import { openServices, type ServicesOptions } from './services.ts';

export { DataDirectoryInUseError } from '../shared/store.ts';
export type { Fault, FaultCall, FaultRule, Service } from './faults.ts';
export type { RecordedEvent } from './services/event-bridge.ts';
export type { Invocation, Invoke } from './services/lambda.ts';
export type { Limits } from './services/secret-versions.ts';

/** A call that arrived, whether it worked or not. `at` in milliseconds since the epoch. */
interface CallRecord {
  readonly sequence: number;
  readonly service: Service;
  readonly operation: string;
  readonly at: number;
}

/** The local AWS endpoint, with the operations that this project calls. */
export interface LocalAws {
  /** For `AWS_ENDPOINT_URL`. */
  readonly url: string;
  /** What requests must be signed with. */
  readonly keys: AwsKeys;
  /** The events on the default bus, in the order they were put. */
  putEventsLog(): RecordedEvent[];
  /** From now on this rule decides which calls go wrong; undefined ends it. */
  inject(rule: FaultRule | undefined): void;
  /** From now on this listener hears of each call that was carried out, also if its response is lost. */
  onEffect(listener: ((call: FaultCall, status: number) => void) | undefined): void;
  /** The last 10,000 calls, oldest first. */
  calls(): CallRecord[];
  /** Resets open connections, finishes what is being written and closes the stores. */
  close(): Promise<void>;
}

export interface LocalAwsOptions extends ServicesOptions {
  /** 0, the default, picks a free one. */
  readonly port?: number;
  /** What requests must be signed with. By default the well-known keys of tests and benches. */
  readonly keys?: AwsKeys;
  /** How far a client's clock may be from `now`. 15 minutes by default, as in AWS. */
  readonly maxClockSkewSeconds?: number;
  /** One line of JSON for each response: time, service, operation, status, duration. Never a body. */
  readonly logFile?: string;
}

const MAX_BODY_BYTES = 4 * 1024 * 1024;
const MAX_CALL_RECORDS = 10_000;
const SERVICES: Readonly<Record<string, Service>> = {
  DynamoDB_20120810: 'dynamodb',
  secretsmanager: 'secretsmanager',
  TrentService: 'kms',
  AWSEvents: 'events',
  Logs_20140328: 'logs',
};

/** Starts the endpoint on 127.0.0.1. @throws PortInUseError, DataDirectoryInUseError */
export async function startLocalAws(options: LocalAwsOptions = {}): Promise<LocalAws> {
  const { now = Date.now, keys = TEST_KEYS, maxClockSkewSeconds = MAX_CLOCK_SKEW_SECONDS } = options;
  const wrongSignature = signatureCheck({ keys, now, maxClockSkewSeconds });
  // Keeps idle connections: if we closed one just as a client uses it, the client would see a reset that no rule wanted.
  const server = createServer({ keepAliveTimeout: 0 });
  const port = await listen(server, options.port ?? 0);
  const origin = `http://${HOST}:${port}`;
  const services = openServicesOf(server, options);
  const log = options.logFile === undefined ? undefined : createWriteStream(options.logFile, { flags: 'a' });
  const closing = new AbortController();
  const underWay = new Set<Promise<unknown>>();
  const calls: CallRecord[] = [];
  let sequence = 0;
  let rule: FaultRule | undefined;
  let effect: ((call: FaultCall, status: number) => void) | undefined;

  async function perform(
    request: AwsRequest,
    service: Service,
    operation: string,
  ): Promise<AwsResponse | 'reset'> {
    sequence += 1;
    calls.push({ sequence, service, operation, at: now() });
    if (calls.length > MAX_CALL_RECORDS) calls.shift();
    const call = { service, operation, sequence, input: inputOf(request) };
    const fault = rule?.(call);
    const run = async () => {
      const performing = responseOf(() =>
        services.perform(service, operation, fault?.kind === 'stale' ? lagging(request, call) : request),
      );
      // An invocation may outlast the endpoint. It uses the stores only through requests.
      if (service !== 'lambda') underWay.add(performing);
      const answer = await performing.finally(() => underWay.delete(performing));
      effect?.(call, answer.status);
      return answer;
    };
    return performWith(fault, service, run, closing.signal);
  }

  async function responseTo(
    request: ReceivedRequest,
    target: Target | undefined,
  ): Promise<AwsResponse | 'reset'> {
    const early = unlikely(request, port) ?? answerProof(request, keys, origin);
    if (early !== undefined) return early;
    const wrong = await wrongSignature(request);
    if (wrong !== undefined) return errorResponse(wrong);
    if (target === undefined) return errorResponse(unknownOperation());
    // The stores may have been closed while we checked the signature.
    return closing.signal.aborted ? 'reset' : await perform(request, target.service, target.operation);
  }

  async function respond(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const startedAt = performance.now();
    const request = await receive(incoming);
    if (request === undefined) return;
    const target = targetOf(request);
    const answer = await responseTo(request, target);
    const entry = {
      time: new Date(now()).toISOString(),
      ...target,
      status: answer === 'reset' ? answer : answer.status,
      milliseconds: Math.round(performance.now() - startedAt),
    };
    if (!closing.signal.aborted) log?.write(`${JSON.stringify(entry)}\n`);
    if (answer === 'reset') incoming.socket.resetAndDestroy();
    else send(outgoing, answer, now());
  }

  server.on('request', respond);

  let closed: Promise<void> | undefined;
  async function close(): Promise<void> {
    const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
    closing.abort();
    server.closeAllConnections();
    await stopped;
    await Promise.allSettled(underWay);
    await services.close();
    if (log !== undefined) await new Promise<void>((resolve) => log.end(() => resolve()));
  }

  return {
    url: origin,
    keys,
    putEventsLog: () => services.recordedEvents(),
    inject: (next) => {
      rule = next;
    },
    onEffect: (listener) => {
      effect = listener;
    },
    calls: () => [...calls],
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}

function openServicesOf(server: Server, options: ServicesOptions) {
  try {
    return openServices(options);
  } catch (error) {
    server.close();
    throw error;
  }
}

/** The same request, for the version before the current one. */
function lagging(request: AwsRequest, { input }: FaultCall): AwsRequest {
  const earlier = { ...(input as object), VersionStage: 'AWSPREVIOUS' };
  return { ...request, body: Buffer.from(JSON.stringify(earlier)) };
}

interface ReceivedRequest extends AwsRequest {
  /** Bytes that were sent. Those beyond the limit are not in the body. */
  readonly size: number;
}

/** Reads a whole request; undefined if the client went away before its end. */
async function receive(incoming: IncomingMessage): Promise<ReceivedRequest | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  const { method = '', url = '', headers } = incoming;
  return { method, url, headers, body: Buffer.concat(chunks), size };
}

interface Target {
  readonly service: Service;
  readonly operation: string;
}

function targetOf(request: AwsRequest): Target | undefined {
  const lambda = lambdaOperation(request);
  if (lambda !== undefined) return { service: 'lambda', operation: lambda };
  const [prefix = '', operation = ''] = String(request.headers['x-amz-target']).split('.');
  const service = Object.hasOwn(SERVICES, prefix) ? SERVICES[prefix] : undefined;
  return service === undefined || request.method !== 'POST' ? undefined : { service, operation };
}

/**
 * Refuses requests whose signature we need not check. A web page whose name points to this machine (DNS rebinding) sends
 * its own name as the host.
 */
function unlikely({ url, headers, size }: ReceivedRequest, port: number): AwsResponse | undefined {
  if (!isOwnHost(headers.host, port))
    return errorResponse(
      new AwsError('AccessDeniedException', `Use the address ${HOST}:${port} for this endpoint.`, 403),
    );
  if (!isPathTarget(url))
    return errorResponse(new AwsError('SerializationException', 'The request target must be a path.'));
  if (size > MAX_BODY_BYTES)
    return errorResponse(
      new AwsError('RequestEntityTooLargeException', 'The body is larger than 4 MB.', 413),
    );
  return undefined;
}

async function responseOf(perform: () => Promise<AwsResponse>): Promise<AwsResponse> {
  try {
    return await perform();
  } catch (error) {
    return errorResponse(error);
  }
}

function inputOf({ body }: AwsRequest): unknown {
  try {
    return parseJson(body);
  } catch {
    return undefined;
  }
}

function send(outgoing: ServerResponse, { status, headers, body }: AwsResponse, now: number): void {
  outgoing.statusCode = status;
  // Clients with a wrong clock set it by this header.
  outgoing.setHeader('date', new Date(now).toUTCString());
  outgoing.setHeader('x-amzn-requestid', randomUUID());
  for (const [name, value] of Object.entries(headers)) outgoing.setHeader(name, value);
  outgoing.end(body);
}
