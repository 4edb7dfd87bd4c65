import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import { createFunctionProcess, type FunctionProcess } from '../../local/function-process.ts';
import { listen } from '../../local/shared/listen.ts';

/** An AWS account to deploy to: an emulator, and a server in front of it that runs functions, for which the emulator needs Docker. */
export interface EmulatedAws {
  /** The environment in which AWS's tools and SDKs reach it. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** The deployed function, as Lambda's API describes it. */
interface FunctionConfiguration {
  readonly Environment: { readonly Variables: Readonly<Record<string, string>> };
}

export interface EmulatedAwsOptions {
  /** Where the emulator listens. */
  readonly emulator: string;
  /** Finds the deployed module, when the function is first invoked. */
  readonly deployedModule: () => string;
  /** Added to the deployed function's environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What stands for the function URL of a template, which the emulator doesn't know. */
  readonly functionUrl?: string;
  /** A stack is about to be created. */
  readonly onDeploy?: () => void;
}

const INVOCATION = /^\/2015-03-31\/functions\/([^/]+)\/invocations/;

/** Invocations run the deployed module with its deployed environment. Everything else goes to the emulator. */
export async function startEmulatedAws(options: EmulatedAwsOptions): Promise<EmulatedAws> {
  const started = new Map<string, FunctionProcess>();
  let url = '';
  const environment = () => ({
    AWS_ENDPOINT_URL: url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'emulated',
    AWS_SECRET_ACCESS_KEY: 'emulated',
  });
  const functionNamed = async (name: string) => {
    const known = started.get(name);
    if (known !== undefined) return known;
    const response = await fetch(`${options.emulator}/2015-03-31/functions/${name}/configuration`, {
      headers: {
        authorization: 'AWS4-HMAC-SHA256 Credential=emulated/20260101/us-east-1/lambda/aws4_request',
      },
    });
    if (!response.ok) return undefined;
    const { Environment } = (await response.json()) as FunctionConfiguration;
    const fn = createFunctionProcess({
      module: options.deployedModule(),
      environment: { ...Environment.Variables, ...environment(), ...options.environment },
    });
    started.set(name, fn);
    return fn;
  };
  const invoke = async (name: string, request: IncomingMessage, response: ServerResponse) => {
    const fn = await functionNamed(decodeURIComponent(name));
    if (fn === undefined)
      return response.writeHead(404, { 'x-amzn-errortype': 'ResourceNotFoundException' }).end('{}');
    const text = (await bodyOf(request)).toString();
    const invocation = await fn.invoke(text === '' ? {} : JSON.parse(text));
    if (invocation.kind === 'returned')
      return response.writeHead(200).end(JSON.stringify(invocation.payload));
    const { errorType, errorMessage } = invocation;
    return response
      .writeHead(200, { 'x-amz-function-error': 'Unhandled' })
      .end(JSON.stringify({ errorType, errorMessage }));
  };
  const forward = (request: IncomingMessage, response: ServerResponse, body?: Buffer) => {
    const headers = { ...request.headers, ...(body && { 'content-length': String(body.length) }) };
    const onward = send(
      new URL(request.url ?? '/', options.emulator),
      { method: request.method ?? 'GET', headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.writeHead(502).end());
    if (body === undefined) request.pipe(onward);
    else onward.end(body);
  };
  const mayPut = createResourcePolicies();
  const forwardSecret = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await bodyOf(request);
    if (mayPut(String(request.headers['x-amz-target']), body)) forward(request, response, body);
    else response.writeHead(400).end(JSON.stringify({ __type: 'AccessDeniedException', message: 'denied' }));
  };
  const server = createServer((request, response) => {
    const [, name] = INVOCATION.exec(request.url ?? '') ?? [];
    if (name !== undefined) void invoke(name, request, response);
    else if (request.method === 'PUT' && /\.json\?/.test(request.url ?? ''))
      void bodyOf(request).then((body) =>
        forward(request, response, withoutLeftOut(body, options.functionUrl)),
      );
    else if (/\/cloudformation\//.test(String(request.headers.authorization)))
      void bodyOf(request).then((body) => {
        if (/\bAction=CreateStack\b/.test(body.toString())) options.onDeploy?.();
        forward(request, response, body);
      });
    else if (/^secretsmanager\./.test(String(request.headers['x-amz-target'])))
      void forwardSecret(request, response);
    else forward(request, response);
  });
  // The emulator finds a template's bucket only under the name localhost.
  url = `http://localhost:${await listen(server, 0)}`;
  return {
    environment: environment(),
    close: async () => {
      for (const fn of started.values()) fn.kill();
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
    },
  };
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The emulator keeps policies of secrets and doesn't obey them. This one obeys those that deny writing. */
function createResourcePolicies(): (target: string, body: Buffer) => boolean {
  const denied = new Set<string>();
  return (target, body) => {
    const { SecretId = '', ResourcePolicy = '' } = JSON.parse(body.toString() || '{}');
    if (target.endsWith('.PutResourcePolicy') && ResourcePolicy.includes('"Deny"')) denied.add(SecretId);
    if (target.endsWith('.DeleteResourcePolicy')) denied.delete(SecretId);
    return !(target.endsWith('.PutSecretValue') && denied.has(SecretId));
  };
}

/**
 * The emulator's CloudFormation leaves alarms and function URLs out, and then refuses what speaks of their attributes: the
 * dashboard, and outputs. Its event bus refuses each event if a rule has a target that is no queue.
 */
export function withoutLeftOut(template: Buffer, functionUrl = ''): Buffer {
  const { Resources = {}, ...rest } = JSON.parse(template.toString());
  const typeOf = (id: string) => (Resources as Record<string, { Type: string }>)[id]?.Type;
  const isQueue = ({ Arn }: { Arn?: { 'Fn::GetAtt'?: string[] } }) =>
    typeOf(Arn?.['Fn::GetAtt']?.[0] ?? '') === 'AWS::SQS::Queue';
  const text = JSON.stringify({ ...rest, Resources }, (name, value) => {
    if (name === 'Targets' && Array.isArray(value)) return value.filter(isQueue);
    const [id] = value?.['Fn::GetAtt'] ?? [];
    if (typeOf(id) === 'AWS::CloudWatch::Alarm') return `arn:aws:cloudwatch:alarm:${id}`;
    return typeOf(id) === 'AWS::Lambda::Url' ? functionUrl : value;
  });
  return Buffer.from(text);
}
