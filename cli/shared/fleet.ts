import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { type CallableAddresses, flawOfPrivateCidr } from '../../adapters/oauth/addresses.ts';
import { systemClock } from '../../adapters/system-clock.ts';
import type { Clock } from '../../core/clock.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import { withoutKnownSecrets } from '../../core/redaction/redaction.ts';
import { callersPath } from '../../local/callers-path.ts';
import { awsSettings, LOCAL_FUNCTION_NAME, LOCAL_TABLE_NAME } from '../../local/clients.ts';
import { LocalKeyError } from '../../local/local-key.ts';
import { type Found, findRunningSystem } from '../../local/running-system.ts';
import { CliError, EXIT } from './cli-error.ts';
import {
  type Choice,
  chooseFleet,
  DEFAULT_STACK,
  type FleetOptions,
  overruling,
  STACK_VARIABLE,
} from './fleet-options.ts';
import { requireSameMajor, versionOf } from './function-version.ts';
import { type Deployed, readOutputs } from './stack-outputs.ts';

/** Where the accounts are that a command acts on: a deployed stack, or the local system. */
export interface Fleet {
  readonly kind: 'aws' | 'local';
  /** For people: which one it is, on AWS with its Region. */
  readonly label: string;
  readonly tableName: string;
  readonly secretNamePrefix: string;
  readonly functionName: string;
  /** Who chose it. */
  readonly chosenBy: Choice['by'] | 'a local system that runs here';
  /** For people: what named another fleet, and lost. */
  readonly overruled?: string;
  /** The stack's other outputs, by name. Empty if the parts were named by hand. */
  readonly outputs: Readonly<Record<string, string>>;
  /** The local system's data; undefined on AWS. */
  readonly dataDirectory?: string;
  /** Seconds between two runs of the local system. On AWS the rules tell. */
  readonly every?: number;
  /** As the function's ALLOW_HTTP_LOOPBACK and PRIVATE_ADDRESS_CIDRS; the local authorization server speaks plain http. */
  readonly addresses: CallableAddresses;
  /** What an AWS client needs to reach it. */
  readonly config: AwsConfig;
  readonly table: DynamoDBDocumentClient;
  readonly secrets: SecretsManagerClient;
  readonly lambda: LambdaClient;
  readonly clock: Clock;
}

interface AwsConfig {
  readonly region?: string;
  readonly endpoint?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

const DEFAULT_DATA_DIRECTORY = '.local';
const DEFAULT_PREFIX = 'oauth/';

/**
 * Finds the fleet: the one that an option names, else the environment's stack, else the local system where one runs here,
 * else the default stack. Of a stack the names are its outputs, of which each can be overridden.
 *
 * @throws CliError saying what is missing
 */
export async function findFleet(
  given: FleetOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Fleet> {
  const { options, by, overruled } = chooseFleet(given, env);
  const fleet = await findChosen(options, env);
  if (fleet.kind === 'local' && by === 'nobody') return fleet;
  return { ...fleet, chosenBy: by, ...(overruled !== undefined && { overruled }) };
}

async function findChosen(
  options: FleetOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Fleet> {
  const { local, data, stack, construct, region, table, prefix } = options;
  const namesAws = [stack, construct, region, table, prefix, options.function].some(
    (option) => option !== undefined,
  );
  const asksLocal = local === true || data !== undefined;
  if (asksLocal && namesAws)
    throw new CliError(
      'USAGE',
      '--local goes with no other name: the local system has its own names.',
      EXIT.usage,
    );
  if (namesAws) return await awsFleet(options, env);
  const called = data ?? DEFAULT_DATA_DIRECTORY;
  const dataDirectory = data === undefined ? DEFAULT_DATA_DIRECTORY : callersPath(data, env);
  const running = await findLocalSystem(dataDirectory, called);
  if (running !== undefined) return localFleet(running, dataDirectory, called);
  if (!asksLocal) return await awsFleet(options, env);
  throw new CliError(
    'NO_LOCAL_SYSTEM',
    `No local system runs on ${called}. Start it with "npm start", or name a deployed stack with --stack.`,
  );
}

/** Enough to invoke a function. */
export type InvokedFunction = Pick<Fleet, 'label' | 'functionName' | 'lambda'> &
  Partial<Pick<Fleet, 'overruled'>>;

/**
 * Finds the function alone: by its name, which needs no stack, or as a part of the fleet. Where nothing names a deployed
 * one, it is the local system's: a run by hand spends refresh tokens, so it never goes to a stack that nobody has named.
 *
 * @throws CliError saying what is missing
 */
export async function findFunction(
  options: FleetOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Fleet | InvokedFunction> {
  const { local, data, stack, construct, region, table, prefix, function: functionName } = options;
  const alone = [local, data, stack, construct, table, prefix].every((option) => option === undefined);
  if (functionName !== undefined && alone) {
    const { lambda } = clientsFor(configFor(region, env));
    const label = `the function ${functionName} (${await requireRegion(lambda)})`;
    requireSameMajor(functionName, await versionOf(lambda, functionName));
    const named = env[STACK_VARIABLE];
    const overruled = named ? { overruled: overruling(named, '--function') } : {};
    return { label, functionName, lambda, ...overruled };
  }
  if (!alone || region !== undefined || chooseFleet(options, env).by !== 'nobody')
    return await findFleet(options, env);
  const running = await findLocalSystem(DEFAULT_DATA_DIRECTORY, DEFAULT_DATA_DIRECTORY);
  if (running !== undefined) return localFleet(running, DEFAULT_DATA_DIRECTORY, DEFAULT_DATA_DIRECTORY);
  throw new CliError(
    'NO_LOCAL_SYSTEM',
    'No local system runs here. Start it with "npm start", add --data DIRECTORY if it runs on other data, or name a deployed function with --function.',
  );
}

type Running = Extract<Found, { readonly kind: 'running' }>;

/**
 * The local system that uses a data directory, where it is one of the caller's own. Where a file there says that one runs
 * and none proves it, nobody knows what the caller wants to act on: not that, and not AWS in silence.
 *
 * @param called what people call the directory
 * @throws CliError
 */
async function findLocalSystem(dataDirectory: string, called: string): Promise<Running | undefined> {
  const found = await findRunningSystem(dataDirectory).catch((error: unknown) => {
    throw error instanceof LocalKeyError ? new CliError(error.code, error.message) : error;
  });
  if (found.kind !== 'unproven') return found.kind === 'running' ? found : undefined;
  throw new CliError(
    'LOCAL_SYSTEM_UNPROVEN',
    `No local system of yours runs on ${called}: the file ${found.file} ${found.why}. Nothing was sent. Delete it (rm '${found.file}'), or start a system with "npm start". To act on AWS while the file is there, add --stack NAME or --function NAME.`,
  );
}

/** @param called what people call the directory */
function localFleet({ system, keys }: Running, dataDirectory: string, called: string): Fleet {
  const config = awsSettings(system.endpoint, keys);
  return {
    kind: 'local',
    chosenBy: 'a local system that runs here',
    label: `the local system (${called})`,
    dataDirectory,
    ...(system.every !== undefined && { every: system.every }),
    tableName: LOCAL_TABLE_NAME,
    secretNamePrefix: DEFAULT_PREFIX,
    functionName: LOCAL_FUNCTION_NAME,
    outputs: {},
    addresses: { allowHttpLoopback: true },
    config,
    ...clientsFor(config),
    clock: systemClock,
  };
}

/** Without a Region's name here the SDK looks into the AWS configuration file. */
function configFor(
  region: string | undefined,
  { AWS_REGION, AWS_DEFAULT_REGION }: Readonly<Record<string, string | undefined>>,
): AwsConfig {
  const named = [region, AWS_REGION, AWS_DEFAULT_REGION].find((name) => name !== undefined && name !== '');
  return named === undefined ? {} : { region: named };
}

async function awsFleet(
  { stack, construct, region, table, prefix, function: functionName }: FleetOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Fleet> {
  const config = configFor(region, env);
  const clients = clientsFor(config);
  const where = await requireRegion(clients.lambda);
  const byHand = table !== undefined && functionName !== undefined && (stack ?? construct) === undefined;
  const { label, outputs, ...own }: Deployed = byHand
    ? { label: `the table ${table}`, outputs: {}, tableName: table, functionName }
    : await readOutputs({ stackName: stack ?? DEFAULT_STACK, construct }, config);
  const name = functionName ?? own.functionName;
  // The outputs are there without a further call.
  const said = functionName === undefined ? outputs.Version : undefined;
  requireSameMajor(name, said || (await versionOf(clients.lambda, name)));
  return {
    kind: 'aws',
    chosenBy: 'nobody',
    label: `${label} (${where})`,
    tableName: table ?? own.tableName,
    secretNamePrefix: prefix ?? outputs.SecretNamePrefix ?? DEFAULT_PREFIX,
    functionName: name,
    outputs,
    addresses: addressesOf(env),
    config,
    clock: systemClock,
    ...clients,
  };
}

function addressesOf(env: Readonly<Record<string, string | undefined>>): CallableAddresses {
  const cidrs = (env.PRIVATE_ADDRESS_CIDRS ?? '').split(',').flatMap((cidr) => cidr.trim() || []);
  const flaw = cidrs.map(flawOfPrivateCidr).find((found) => found !== undefined);
  if (flaw !== undefined)
    throw new CliError('ENVIRONMENT_INVALID', `PRIVATE_ADDRESS_CIDRS ${flaw}.`, EXIT.usage);
  return { allowHttpLoopback: env.ALLOW_HTTP_LOOPBACK === 'true', privateAddressCidrs: cidrs };
}

/** An empty AWS_REGION hides the one of the AWS configuration file, and counts as none. */
async function requireRegion({ config }: LambdaClient): Promise<string> {
  const region = await config.region().catch(() => '');
  if (region !== '') return region;
  throw new CliError(
    'NO_REGION',
    'No AWS Region is set. Use --region, or set AWS_REGION, or the region of your profile (aws configure set region). A local system needs none: start it with "npm start", or add --data DIRECTORY if it runs on other data.',
  );
}

function clientsFor(config: AwsConfig) {
  return {
    table: DynamoDBDocumentClient.from(new DynamoDBClient(config), {
      marshallOptions: { removeUndefinedValues: true },
      // By default one item with a number too large for JavaScript would make its whole page unreadable.
      unmarshallOptions: { wrapNumbers: (value: string) => Number(value) },
    }),
    secrets: quotingNothing(new SecretsManagerClient(config)),
    // A run may take as long as the function may: the client must not give up before, nor invoke a second time.
    lambda: new LambdaClient({ ...config, maxAttempts: 1, requestHandler: { requestTimeout: 910_000 } }),
  };
}

/** AWS may quote what it refuses. Its errors go to terminals, files and pages, so what was to be stored is taken out. */
function quotingNothing(client: SecretsManagerClient): SecretsManagerClient {
  client.middlewareStack.add(
    (next) => async (request) => {
      try {
        return await next(request);
      } catch (error) {
        const { SecretString } = request.input as { SecretString?: string };
        if (SecretString !== undefined && error instanceof Error)
          error.message = withoutKnownSecrets(error.message, secretsIn(SecretString));
        throw error;
      }
    },
    { step: 'initialize', name: 'quotingNothing' },
  );
  return client;
}

function secretsIn(secretText: string): readonly string[] {
  const values: unknown[] = [secretText, parseJsonObject(secretText)];
  for (const value of values)
    if (typeof value === 'object' && value !== null) values.push(...Object.values(value));
  return values.filter((value) => typeof value === 'string');
}
