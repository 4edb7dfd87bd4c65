import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { AwsError } from '../../../local/aws/protocol/aws-error.ts';
import { errorResponse } from '../../../local/aws/protocol/protocol.ts';
import { type AwsKeys, signer, TEST_KEYS } from '../../../local/aws/protocol/signature.ts';
import { listen } from '../../../local/shared/listen.ts';
import { type Call, type Home, requestsOf } from './aws-calls.ts';
import { decide, decideForPrincipal, type Match, type Request, type Statement } from './evaluate.ts';

/** Stands between a client and an AWS endpoint, and lets through only what an identity's policies allow. */
export interface Guard {
  /** For the client's `AWS_ENDPOINT_URL`. */
  readonly url: string;
  readonly statements: readonly Statement[];
  /** The statements, with action and resource, that have allowed something. */
  used(): readonly Match[];
  /** What else the statements allow, as `action on resource`. */
  unused(): readonly string[];
  /** What was refused, in order: `action on resource`. */
  refused(): readonly string[];
  close(): Promise<void>;
}

interface GuardOptions {
  readonly statements: readonly Statement[];
  readonly home: Home;
  /** The endpoint that a call goes on to. */
  readonly endpointOf: (call: Call) => string;
  /** What the endpoint wants its requests signed with. */
  readonly keys?: AwsKeys;
}

export async function startGuard({
  statements,
  home,
  endpointOf,
  keys = TEST_KEYS,
}: GuardOptions): Promise<Guard> {
  const used: Match[] = [];
  const refused: string[] = [];

  /** The first request that is not allowed. */
  function refusal(call: Call): Request | undefined {
    for (const request of requestsOf(call, home)) {
      const decision = decide(statements, request);
      if (decision.kind !== 'allowed' || !keyAllows(request, home)) return request;
      used.push(decision.by);
    }
    return undefined;
  }

  async function respond(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await bodyOf(incoming);
    const call = callOf(incoming, body);
    let denied: Request | undefined;
    try {
      denied = refusal(call);
    } catch (error) {
      // A call that nobody has thought of: no retry of the SDK's makes it better, and no test passes.
      refused.push(String(error));
      return send(outgoing, errorResponse(new AwsError('NotKnownToTheEvaluator', String(error), 400)));
    }
    if (denied !== undefined) {
      refused.push(`${denied.action} on ${denied.resource}`);
      return send(outgoing, denialOf(call, denied));
    }
    const gone = new AbortController();
    outgoing.on('close', () => gone.abort());
    try {
      send(
        outgoing,
        await passOn(incoming, body, {
          endpoint: endpointOf(call),
          service: call.service,
          keys,
          signal: gone.signal,
        }),
      );
    } catch {
      incoming.socket.resetAndDestroy();
    }
  }

  const server = createServer({ keepAliveTimeout: 0 }, (incoming, outgoing) => {
    respond(incoming, outgoing).catch(() => incoming.socket.resetAndDestroy());
  });
  const url = `http://127.0.0.1:${await listen(server, 0)}`;
  return {
    url,
    statements,
    used: () => used,
    unused: () => unusedOf(statements, used),
    refused: () => refused,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * IAM says nothing about a key unless the key's own policy leaves it to the account.
 * @see https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
 */
function keyAllows(request: Request, { account, keyPolicies }: Home): boolean {
  const own = keyPolicies?.get(request.resource);
  const root = { AWS: `arn:aws:iam::${account}:root` };
  return own === undefined || decideForPrincipal(own, root, request).kind === 'allowed';
}

function unusedOf(statements: readonly Statement[], used: readonly Match[]): string[] {
  return statements.flatMap((statement) =>
    [statement.Action ?? []].flat().flatMap((action) =>
      [statement.Resource ?? []]
        .flat()
        .filter(
          (resource) =>
            !used.some(
              (match) =>
                match.statement === statement && match.action === action && match.resource === resource,
            ),
        )
        .map((resource) => `${action} on ${resource}`),
    ),
  );
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const LAMBDA_PATH = /^\/20\d\d-\d\d-\d\d\/functions\/([^/?]+)\/(invocations|configuration|concurrency)/;
const LAMBDA_OPERATIONS = {
  invocations: 'Invoke',
  configuration: 'GetFunctionConfiguration',
  concurrency: 'GetFunctionConcurrency',
} as const;

function callOf({ headers, url = '' }: IncomingMessage, body: Buffer): Call {
  const [, service = ''] =
    /Credential=[^/]+\/\d{8}\/[^/]+\/([^/]+)\/aws4_request/.exec(headers.authorization ?? '') ?? [];
  const [, FunctionName, what = ''] = LAMBDA_PATH.exec(url) ?? [];
  if (FunctionName !== undefined) {
    const operation = LAMBDA_OPERATIONS[what as keyof typeof LAMBDA_OPERATIONS];
    return { service, operation, input: { FunctionName: decodeURIComponent(FunctionName) } };
  }
  const target = headers['x-amz-target'];
  if (typeof target === 'string')
    return { service, operation: target.split('.').at(-1) ?? '', input: JSON.parse(body.toString()) };
  const { Action = '', ...input } = Object.fromEntries(new URLSearchParams(body.toString()));
  return { service, operation: Action, input };
}

/** Headers that belong to one connection or signature. */
const OWN =
  /^(?:host|connection|authorization|content-length|expect|transfer-encoding|x-amz-(?:date|content-sha256|security-token))$/;

async function passOn(
  { method = 'GET', url = '/', headers }: IncomingMessage,
  body: Buffer,
  {
    endpoint,
    service,
    keys,
    signal,
  }: { endpoint: string; service: string; keys: AwsKeys; signal: AbortSignal },
) {
  const target = new URL(url, endpoint);
  const kept = Object.entries(headers).flatMap(([name, value]) =>
    OWN.test(name) || typeof value !== 'string' ? [] : [[name, value]],
  );
  const again = {
    method,
    protocol: 'http:',
    hostname: target.hostname,
    path: target.pathname,
    query: Object.fromEntries(target.searchParams),
    headers: { ...Object.fromEntries(kept), host: target.host },
    body,
  };
  // moto finds the service by the signature.
  const signed = await signer(keys).sign(again, { signingService: service });
  const response = await fetch(target, {
    method,
    headers: signed.headers,
    signal,
    ...(method !== 'GET' && { body: new Uint8Array(body) }),
  });
  return {
    status: response.status,
    headers: Object.fromEntries(
      [...response.headers].filter(
        ([name]) => !/^(?:connection|keep-alive|content-length|transfer-encoding)$/.test(name),
      ),
    ),
    body: Buffer.from(await response.arrayBuffer()),
  };
}

function denialOf({ service }: Call, { action, resource }: Request) {
  const message = `not authorized to perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`;
  if (service !== 'cloudformation') return errorResponse(new AwsError('AccessDeniedException', message, 400));
  const body = `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>${message}</Message></Error></ErrorResponse>`;
  return { status: 403, headers: { 'content-type': 'text/xml' }, body };
}

interface Sent {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

function send(outgoing: ServerResponse, { status, headers, body }: Sent): void {
  outgoing.writeHead(status, headers);
  outgoing.end(body);
}
