import type { Statement } from './evaluate.ts';

/** Where a template is deployed. */
export interface Place {
  readonly account: string;
  readonly region: string;
}

/** A synthesized template, as JSON. */
export interface TemplateJson {
  readonly Resources: Readonly<
    Record<string, { readonly Type: string; readonly Properties?: Readonly<Record<string, unknown>> }>
  >;
  readonly Outputs?: Readonly<Record<string, { readonly Value: unknown }>>;
}

/** A template as if it were deployed: each resource has a name and an ARN, and statements have nothing to fill in. */
export interface Deployed {
  /** The name of the resource with this logical id, but for the hash. */
  nameOf(logicalId: string): string;
  arnOf(logicalId: string): string;
  /** The stack's outputs whose values are known here. */
  outputs(): Record<string, string>;
  /** The statements of the role's, or of the managed policy's, own policies. */
  identity(logicalId: string): readonly Statement[];
  /** The statements of a key's, topic's or queue's own policy. */
  resource(logicalId: string): readonly Statement[];
}

/** The CDK ends each logical id with a hash of its path. */
const HASH_LENGTH = 8;

/** @param names names of resources, by their logical ids without the hash; the others are called by these */
export function deploy(
  template: TemplateJson,
  { account, region }: Place,
  names: Readonly<Record<string, string>> = {},
): Deployed {
  const arn = (service: string, resource: string) => `arn:aws:${service}:${region}:${account}:${resource}`;
  const pseudo: Readonly<Record<string, string>> = {
    'AWS::Partition': 'aws',
    'AWS::AccountId': account,
    'AWS::Region': region,
    'AWS::URLSuffix': region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com',
    'AWS::StackName': 'Test',
  };
  const named = (id: string) => names[id.slice(0, -HASH_LENGTH)] ?? id;

  function arnById(id: string): string {
    const name = named(id);
    switch (template.Resources[id]?.Type) {
      case 'AWS::DynamoDB::Table':
        return arn('dynamodb', `table/${name}`);
      case 'AWS::KMS::Key':
        return arn('kms', `key/${name}`);
      case 'AWS::Lambda::Function':
        return arn('lambda', `function:${name}`);
      case 'AWS::Logs::LogGroup':
        return arn('logs', `log-group:${name}:*`);
      case 'AWS::Events::Rule':
        return arn('events', `rule/${name}`);
      case 'AWS::SQS::Queue':
        return arn('sqs', name);
      case 'AWS::SNS::Topic':
        return arn('sns', name);
      case 'AWS::CloudWatch::Alarm':
        return arn('cloudwatch', `alarm:${name}`);
      case 'AWS::IAM::Role':
        return `arn:aws:iam::${account}:role/${name}`;
      default:
        throw new Error(`The ARN of ${id} is not known here.`);
    }
  }

  function fill(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(fill);
    if (typeof value !== 'object' || value === null) return value;
    const [[key = '', inner] = [], ...more] = Object.entries(value);
    if (more.length === 0 && key === 'Ref') return refTo(String(inner));
    if (more.length === 0 && key === 'Fn::GetAtt') return attribute(inner as [string, string]);
    if (more.length === 0 && key === 'Fn::Join') {
      const [separator, parts] = inner as [string, unknown[]];
      return parts.map(fill).join(separator);
    }
    if (key.startsWith('Fn::')) throw new Error(`${key} is not known here.`);
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, fill(one)]));
  }

  function refTo(id: string): string {
    const known = pseudo[id];
    if (known !== undefined) return known;
    const type = template.Resources[id]?.Type;
    if (type === undefined) throw new Error(`${id} is not in the template.`);
    return type === 'AWS::SNS::Topic' ? arnById(id) : named(id);
  }

  function attribute([id, name]: [string, string]): string {
    if (name !== 'Arn') throw new Error(`${name} of ${id} is not known here.`);
    return arnById(id);
  }

  function only(logicalId: string, types?: readonly string[]): string {
    const ids = Object.keys(template.Resources).filter(
      (id) =>
        id.slice(0, -HASH_LENGTH) === logicalId &&
        (types === undefined || types.includes(template.Resources[id]?.Type ?? '')),
    );
    if (ids.length !== 1) throw new Error(`${logicalId} is ${ids.length} resources of the template.`);
    return ids[0] ?? '';
  }

  const filled = (document: unknown) => (fill(document) as { Statement: Statement[] }).Statement;

  return {
    nameOf: (logicalId) => named(only(logicalId)),
    arnOf: (logicalId) => arnById(only(logicalId)),
    outputs: () =>
      Object.fromEntries(
        Object.entries(template.Outputs ?? {}).map(([name, { Value }]) => [name, String(fill(Value))]),
      ),
    identity: (logicalId) => {
      const id = only(logicalId, ['AWS::IAM::Role', 'AWS::IAM::ManagedPolicy']);
      const { Type, Properties = {} } = template.Resources[id] ?? {};
      if (Type === 'AWS::IAM::ManagedPolicy') return filled(Properties.PolicyDocument);
      return Object.values(template.Resources)
        .filter(
          ({ Type, Properties }) =>
            Type === 'AWS::IAM::Policy' && JSON.stringify(Properties?.Roles).includes(`"${id}"`),
        )
        .flatMap(({ Properties }) => filled(Properties?.PolicyDocument));
    },
    resource: (logicalId) => {
      const id = only(logicalId);
      const own = template.Resources[id]?.Properties?.KeyPolicy;
      if (own !== undefined) return filled(own);
      return Object.values(template.Resources)
        .filter(
          ({ Type, Properties = {} }) =>
            /^AWS::(?:SNS::Topic|SQS::Queue)Policy$/.test(Type) &&
            JSON.stringify(Properties.Topics ?? Properties.Queues).includes(`"${id}"`),
        )
        .flatMap(({ Properties }) => filled(Properties?.PolicyDocument));
    },
  };
}
