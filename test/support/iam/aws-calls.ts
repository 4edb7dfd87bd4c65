import { contextOf } from './conditions.ts';
import type { Place } from './deployed.ts';
import type { Request, Statement } from './evaluate.ts';

/** A call of an AWS API as a client sends it. */
export interface Call {
  /** As it stands in the signature, such as `dynamodb`. */
  readonly service: string;
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** Where the calls go, and what encrypts there what is stored. */
export interface Home extends Place {
  /** Encrypts the table. */
  readonly tableKeyArn?: string;
  /** Encrypts the secrets. Undefined: AWS's own key, which allows everybody who may use the secret. */
  readonly secretsKeyArn?: string;
  /** The own policies of keys, by their ARNs. */
  readonly keyPolicies?: ReadonlyMap<string, readonly Statement[]>;
}

/**
 * What AWS asks IAM about a call: one request for each action that the call needs, those that a service makes to KMS
 * for its caller included.
 *
 * @throws Error for a call that isn't known here
 * @see https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
 */
export function requestsOf(call: Call, home: Home): readonly Request[] {
  const requests = Object.hasOwn(SERVICES, call.service) ? SERVICES[call.service]?.(call, home) : undefined;
  if (requests === undefined)
    throw new Error(
      `${call.service}:${call.operation} is not known to the evaluator: add it to aws-calls.ts.`,
    );
  return requests;
}

type Mapping = (call: Call, home: Home) => readonly Request[] | undefined;

const SERVICES: Readonly<Record<string, Mapping>> = {
  dynamodb: (call, home) => {
    const tables =
      call.operation === 'BatchGetItem'
        ? Object.keys(call.input.RequestItems as object)
        : [call.input.TableName];
    if (!/^(?:BatchGetItem|DeleteItem|DescribeTable|GetItem|PutItem|Scan|UpdateItem)$/.test(call.operation))
      return undefined;
    return tables.flatMap((table) => {
      const own = request(call, arn(home, 'dynamodb', String(table), 'table/'));
      const { tableKeyArn } = home;
      if (tableKeyArn === undefined || call.operation === 'DescribeTable') return [own];
      // Whoever reads or writes has the table's key decrypted. DynamoDB itself makes and wraps it.
      const context = {
        'aws:dynamodb:tableName': String(table).split('/').at(-1) ?? '',
        'aws:dynamodb:subscriberId': home.account,
      };
      return [own, keyUse('Decrypt', tableKeyArn, context, viaService('dynamodb', home))];
    });
  },

  secretsmanager: (call, home) => {
    const { operation, input } = call;
    if (operation === 'ListSecrets') return [request(call, '*')];
    const secretArn = arnOfSecret(home, String(operation === 'CreateSecret' ? input.Name : input.SecretId));
    const uses = SECRET_OPERATIONS[operation];
    if (uses === undefined) return undefined;
    const key =
      input.KmsKeyId === undefined ? home.secretsKeyArn : arn(home, 'kms', String(input.KmsKeyId), 'key/');
    if (key === undefined) return [request(call, secretArn)];
    const context = { SecretARN: secretArn, SecretVersionId: String(input.ClientRequestToken ?? 'any') };
    return [
      request(call, secretArn),
      ...uses.map((use) => keyUse(use, key, context, viaService('secretsmanager', home))),
    ];
  },

  kms: (call, home) => {
    const { operation, input } = call;
    if (!/^(?:Decrypt|DescribeKey|Encrypt|GenerateDataKey)$/.test(operation)) return undefined;
    if (typeof input.KeyId !== 'string' || input.KeyId.includes('alias/')) return undefined;
    const context = (input.EncryptionContext ?? {}) as Record<string, string>;
    return [keyUse(operation, arn(home, 'kms', input.KeyId, 'key/'), context)];
  },

  events: (call, home) => {
    const { operation, input } = call;
    if (operation === 'DescribeRule')
      return [request(call, arn(home, 'events', String(input.Name), 'rule/'))];
    if (operation !== 'PutEvents') return undefined;
    const entries = input.Entries as { EventBusName?: string; Source: string; DetailType: string }[];
    return entries.map(({ EventBusName = 'default', Source, DetailType }) =>
      request(call, arn(home, 'events', EventBusName, 'event-bus/'), {
        'events:source': Source,
        'events:detail-type': DetailType,
      }),
    );
  },

  lambda: (call, home) => {
    const action = call.operation === 'Invoke' ? 'InvokeFunction' : call.operation;
    if (!/^(?:InvokeFunction|GetFunctionConfiguration|GetFunctionConcurrency)$/.test(action))
      return undefined;
    return [
      request(
        { ...call, operation: action },
        arn(home, 'lambda', String(call.input.FunctionName), 'function:'),
      ),
    ];
  },

  logs: (call, home) => {
    const { operation, input } = call;
    // A query that has been started is known by its id alone.
    if (operation === 'GetQueryResults' || operation === 'StopQuery') return [request(call, '*')];
    if (operation !== 'FilterLogEvents' && operation !== 'StartQuery') return undefined;
    return [request(call, `${arn(home, 'logs', String(input.logGroupName), 'log-group:')}:log-stream:`)];
  },

  sqs: (call, home) =>
    call.operation === 'GetQueueAttributes'
      ? [request(call, arn(home, 'sqs', String(call.input.QueueUrl).split('/').at(-1) ?? '', ''))]
      : undefined,

  // Named by its name, a stack is asked for with any id.
  cloudformation: (call, home) =>
    call.operation === 'DescribeStacks'
      ? [request(call, `${arn(home, 'cloudformation', String(call.input.StackName), 'stack/')}/*`)]
      : undefined,
};

/** What each has Secrets Manager do with the secret's key. */
const SECRET_OPERATIONS: Readonly<Record<string, readonly string[]>> = {
  // The key is tried first.
  CreateSecret: ['GenerateDataKey', 'Decrypt'],
  GetSecretValue: ['Decrypt'],
  PutSecretValue: ['GenerateDataKey'],
  DeleteSecret: [],
  DescribeSecret: [],
  ListSecretVersionIds: [],
  RestoreSecret: [],
  UpdateSecretVersionStage: [],
};

function request({ service, operation }: Call, resource: string, keys: Record<string, string> = {}): Request {
  return { action: `${service}:${operation}`, resource, context: contextOf(keys) };
}

function keyUse(
  operation: string,
  resource: string,
  encryptionContext: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string>> = {},
): Request {
  const pairs = Object.entries(encryptionContext);
  return {
    action: `kms:${operation}`,
    resource,
    context: contextOf({
      ...Object.fromEntries(pairs.map(([key, value]) => [`kms:EncryptionContext:${key}`, value])),
      ...(pairs.length > 0 && { 'kms:EncryptionContextKeys': pairs.map(([key]) => key) }),
      ...more,
    }),
  };
}

const viaService = (service: string, { region }: Place) => ({
  'kms:ViaService': `${service}.${region}.${region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'}`,
});

/** The ARN of what is named by its ARN, or by its name after the kind. */
function arn({ account, region }: Place, service: string, name: string, kind: string): string {
  return name.startsWith('arn:') ? name : `arn:aws:${service}:${region}:${account}:${kind}${name}`;
}

/** Secrets Manager ends the ARN of each secret with six characters of its own. */
function arnOfSecret(place: Place, id: string): string {
  return id.startsWith('arn:') ? id : `${arn(place, 'secretsmanager', id, 'secret:')}-a1B2c3`;
}
