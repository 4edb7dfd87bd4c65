import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';

/** What can be looked for in X-Ray. Never a token. */
export interface Annotations {
  readonly accountId: string;
  readonly oauthProfile: string;
  readonly reason?: string | undefined;
}

/** One part of the work for an account, as it has ended. Times are milliseconds since the epoch. */
export interface Part {
  readonly name: 'exchange' | 'store';
  readonly begun: number;
  readonly ended: number;
  readonly annotations: Annotations;
  readonly httpStatus?: number | undefined;
  readonly failed: boolean;
}

/** Tells X-Ray how long a part took. Neither waits nor fails, and keeps no process alive. */
export type Trace = (part: Part) => void;

/** Parts of one run that are told whatever they are: a trace of X-Ray's has room for 500 KB. */
const MOST = 400;
/** And then as many that have failed. */
const MOST_FAILED = 400;

/**
 * The subsegments of one invocation, where tracing is on and X-Ray wants this one: then Lambda's environment names the trace, and
 * the address of the daemon that takes them by UDP.
 */
export function createTrace(environment: Readonly<Record<string, string | undefined>>): Trace {
  const trace = sampledTrace(environment._X_AMZN_TRACE_ID);
  const address = daemonAddress(environment.AWS_XRAY_DAEMON_ADDRESS);
  if (trace === undefined || address === undefined) return () => {};
  let told = 0;
  let toldFailed = 0;
  return (part) => {
    if (told < MOST) told++;
    else if (part.failed && toldFailed < MOST_FAILED) toldFailed++;
    else return;
    send(`${HEADER}\n${JSON.stringify(subsegment(part, trace))}`, address);
  };
}

const HEADER = JSON.stringify({ format: 'json', version: 1 });

function subsegment({ name, begun, ended, annotations, httpStatus, failed }: Part, trace: SampledTrace) {
  return {
    type: 'subsegment',
    id: randomBytes(8).toString('hex'),
    trace_id: trace.root,
    parent_id: trace.parent,
    name,
    start_time: begun / 1000,
    end_time: ended / 1000,
    annotations,
    ...(httpStatus !== undefined && { http: { response: { status: httpStatus } } }),
    ...(failed && { fault: true }),
  };
}

interface SampledTrace {
  readonly root: string;
  readonly parent: string;
}

/** @param header such as `Root=1-…;Parent=…;Sampled=1` */
function sampledTrace(header = ''): SampledTrace | undefined {
  const fields = new Map(header.split(';').map((field) => field.split('=') as [string, string]));
  const [root, parent] = [fields.get('Root'), fields.get('Parent')];
  return root === undefined || parent === undefined || fields.get('Sampled') !== '1'
    ? undefined
    : { root, parent };
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** @param text `HOST:PORT`, or `tcp:HOST:PORT udp:HOST:PORT` */
function daemonAddress(text = ''): Address | undefined {
  const [, host, port] = /(?:^|udp:)([\w.-]+):(\d{1,5})(?: |$)/.exec(text) ?? [];
  return host === undefined || Number(port) > 65_535 ? undefined : { host, port: Number(port) };
}

let socket: Socket | undefined;

function send(text: string, { host, port }: Address): void {
  try {
    // Where nobody listens, nobody is told: the error is heard, or it would end the process.
    socket ??= createSocket('udp4')
      .on('error', () => {})
      .unref();
    socket.send(text, port, host, () => {});
  } catch {
    // Without a socket there is no trace. The work goes on.
  }
}
