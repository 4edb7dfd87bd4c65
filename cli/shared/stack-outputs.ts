import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { CliError, EXIT } from './cli-error.ts';
import type { Fleet } from './fleet.ts';
import { DEFAULT_STACK, STACK_VARIABLE } from './fleet-options.ts';
import { shellWord } from './shell-word.ts';

/** Values by name, such as `FunctionName`. */
type Outputs = Readonly<Record<string, string>>;

/** Where in a stack the outputs are. */
interface StackPart {
  readonly stackName: string;
  /** The construct, by its id, or its path within the stack. Undefined: the only one. */
  readonly construct: string | undefined;
}

/** Those without which nothing can be done. */
interface Parts extends Outputs {
  readonly AccountsTableName: string;
  readonly FunctionName: string;
}

export interface Deployed {
  readonly tableName: string;
  readonly functionName: string;
  /** For people: the stack, and which construct where it is not the stack's own. */
  readonly label: string;
  readonly outputs: Outputs;
}

/**
 * Reads the outputs of a deployed construct, under their plain names.
 *
 * @throws CliError saying what is missing, or which constructs there are
 */
export async function readOutputs(
  part: StackPart,
  config: { readonly region?: string; readonly endpoint?: string },
): Promise<Deployed> {
  const { stackName } = part;
  try {
    const { Stacks } = await new CloudFormationClient(config).send(
      new DescribeStacksCommand({ StackName: stackName }),
    );
    const all = (Stacks?.[0]?.Outputs ?? []).flatMap(({ OutputKey, OutputValue }) =>
      OutputKey === undefined || OutputValue === undefined ? [] : [[OutputKey, OutputValue] as const],
    );
    return choose(all, part);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw notFound(stackName, error, isAbsent(error) ? await fleetStacks(config) : []);
  }
}

type Entries = readonly (readonly [key: string, value: string])[];

function choose(all: Entries, { stackName, construct }: StackPart): Deployed {
  const own: Outputs = Object.fromEntries(all);
  // The stack's own outputs go first: whoever puts another construct into that stack names it.
  if (construct === undefined && isComplete(own)) return deployed(`the stack ${stackName}`, own);
  const found = outputsOfConstructs(all);
  const asked = construct === undefined ? undefined : idIn(construct);
  const fitting = found.filter(({ id }) => asked === undefined || asked === id);
  const [one] = fitting;
  if (one !== undefined && fitting.length === 1)
    return deployed(`${one.id} in the stack ${stackName}`, one.outputs);
  const ids = [...new Set(found.map(({ id }) => id))];
  if (ids.length < found.length)
    throw new CliError(
      'STACK_UNSUITABLE',
      `The stack ${stackName} has constructs whose ids have the same letters and digits. Name the parts of one with --table and --function.`,
    );
  const choices = ids.map((id) => `--construct ${id}`).join(' or ');
  if (asked === undefined && ids.length > 1)
    throw new CliError(
      'CONSTRUCT_UNNAMED',
      `The stack ${stackName} has ${ids.length} token refreshers. Say which one: ${choices}.`,
    );
  if (asked !== undefined && (ids.length > 0 || isComplete(own)))
    throw new CliError(
      'NO_CONSTRUCT',
      `The stack ${stackName} has no construct ${shellWord(construct ?? '')} with outputs. Use ${isComplete(own) ? ['no --construct', ...ids.map((id) => `--construct ${id}`)].join(' or ') : choices}.`,
    );
  throw new CliError(
    'STACK_UNSUITABLE',
    `The stack ${stackName} has no outputs AccountsTableName and FunctionName. Name another with --stack, or both parts with --table and --function. A construct in a stack of your own prints them if its props say so (docs/deploy.md).`,
  );
}

function deployed(label: string, outputs: Parts): Deployed {
  return { label, outputs, tableName: outputs.AccountsTableName, functionName: outputs.FunctionName };
}

function isComplete(outputs: Outputs): outputs is Parts {
  return outputs.AccountsTableName !== undefined && outputs.FunctionName !== undefined;
}

/** What the CDK leaves of a construct's path in its outputs' keys. */
const idIn = (path: string) => path.replaceAll(/[^A-Za-z0-9]/g, '');

/** The CDK ends the key of whatever is within a construct with a hash of its path. */
const IN_A_CONSTRUCT = /^(.+)[0-9A-F]{8}$/;

/**
 * The constructs of a stack that print outputs. `OAuthTokenRefresherStack` prints plain names: `FunctionName`. So may the only
 * construct of any stack. One that has a second beside it has to print the same ones, with the same values, in its own scope:
 *
 *     new CfnOutput(refresher, 'FunctionName', { value: … });
 *
 * So the CDK makes their keys of its path within the stack, the name and a hash: `TokensFunctionName1A2B3C4D` for `Tokens`,
 * `BackendTokensFunctionName…` for `Backend/Tokens`. It counts as one with `AccountsTableName` and `FunctionName`; the others
 * are `LogGroupName`, `SecretNamePrefix`, `EscrowKeyArn`, `DeadLetterQueueUrl`, `RuleNames` and `Version`. A user's own output
 * has no hash (`TokensFunctionName`), and is never taken for it.
 */
function outputsOfConstructs(all: Entries): { readonly id: string; readonly outputs: Parts }[] {
  const within = all.flatMap(([key, value]) => {
    const [, name] = IN_A_CONSTRUCT.exec(key) ?? [];
    return name === undefined ? [] : [[name, value] as const];
  });
  return within
    .flatMap(([name]) => /^(.+)FunctionName$/.exec(name)?.[1] ?? [])
    .flatMap((id) => {
      const own = within.filter(([name]) => name.startsWith(id));
      const outputs: Outputs = Object.fromEntries(own.map(([name, value]) => [name.slice(id.length), value]));
      return isComplete(outputs) ? [{ id, outputs }] : [];
    });
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && /does not exist/.test(error.message);
}

/** @param others stacks that would do */
function notFound(stackName: string, error: unknown, others: readonly string[]): CliError {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (name === 'CredentialsProviderError')
    return new CliError(
      'NO_CREDENTIALS',
      'No AWS credentials were found. Sign in (aws sso login, or set AWS_PROFILE), start a local system with "npm start" (or add --data DIRECTORY if it runs on other data), or see docs/deploy.md.',
    );
  if (isAbsent(error))
    return new CliError(
      'NO_STACK',
      others.length === 0
        ? `There is no stack ${stackName} in this account and Region. Deploy it (docs/deploy.md), or name another with --stack and --region.`
        : `There is no stack ${stackName} in this account and Region, but there is: ${others.map((other) => `--stack ${shellWord(other)}`).join(', ')}.`,
    );
  return new CliError('STACK_UNREADABLE', `The stack ${stackName} could not be read: ${name}: ${message}`);
}

/** Stacks come by the hundred at most, and somebody waits. */
const MAX_PAGES = 10;

/**
 * Refuses to change something in the default stack, which nobody has named, where there are other stacks of this product.
 * Somebody who may not list stacks can't be told: for them it is the default, and the command says so.
 *
 * @throws CliError with the lines that say which one
 */
export async function requireOnlyOne({ config, label }: Pick<Fleet, 'config' | 'label'>): Promise<void> {
  const others = (await fleetStacks(config)).filter((name) => name !== DEFAULT_STACK);
  if (others.length === 0) return;
  const all = [DEFAULT_STACK, ...others].map(shellWord);
  throw new CliError(
    'STACK_UNNAMED',
    [
      `${all.length} stacks here have a token refresher, and nobody said which one. Nothing was changed; it would have been ${label}.`,
      'Add one of these to the command:',
      ...all.map((name) => `  --stack ${name}`),
      `or say it once: export ${STACK_VARIABLE}=NAME`,
    ].join('\n'),
    EXIT.usage,
  );
}

/** The names of the stacks that print a refresher's outputs. None where they can't be listed. */
async function fleetStacks(config: Fleet['config']): Promise<readonly string[]> {
  const client = new CloudFormationClient({ ...config, maxAttempts: 1 });
  const names: string[] = [];
  let NextToken: string | undefined;
  try {
    for (let page = 0; page < MAX_PAGES; page++) {
      const found = await client.send(new DescribeStacksCommand({ ...(NextToken && { NextToken }) }));
      for (const { StackName, Outputs = [] } of found.Stacks ?? []) {
        const keys = Outputs.map(({ OutputKey = '' }) => OutputKey);
        const has = (output: string) => keys.some((key) => key.replace(/[0-9A-F]{8}$/, '').endsWith(output));
        if (StackName !== undefined && has('AccountsTableName') && has('FunctionName')) names.push(StackName);
      }
      NextToken = found.NextToken;
      if (NextToken === undefined) break;
    }
  } catch {
    return names;
  }
  return names;
}
