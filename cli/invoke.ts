import { parseArgs } from 'node:util';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { callersPath } from '../local/callers-path.ts';
import { awsSettings } from '../local/clients.ts';
import { LOCAL_FUNCTION_NAME } from '../local/local-system.ts';
import { CliError } from './shared/cli-error.ts';
import { findLocalSystem } from './shared/fleet.ts';
import { jsonIn } from './shared/run-function.ts';

const HELP = `Invokes the function by hand.

  npm run -s invoke                                    the local one, while npm start runs
  npm run -s invoke -- '{"dryRun": true}'              with an event
  npm run -s invoke -- --function NAME '{"dryRun": true}'
                                                    a deployed one, with the usual AWS credentials and region
Prints the result as JSON. Exit codes: 0 done, 1 the function failed or could not be reached, 2 wrong usage.`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const usage = readUsage(args);
  if (usage.kind === 'help') {
    console.log(HELP);
    return 0;
  }
  if (usage.kind === 'wrong') {
    console.error(`${usage.message}\n\n${HELP}`);
    return 2;
  }
  try {
    const target = await targetOf(usage.functionName, usage.dataDirectory);
    const { client, functionName } = target;
    const where =
      usage.functionName === undefined ? 'here' : await client.config.region().catch(() => 'no Region');
    console.error(`Invoking the function ${functionName} (${where}).`);
    return await invoke(target, usage.event);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    console.error(error.message);
    return error.exitCode;
  }
}

type Usage =
  | {
      readonly kind: 'invoke';
      readonly functionName: string | undefined;
      readonly dataDirectory: string;
      readonly event: string;
    }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly message: string };

function readUsage(args: string[]): Usage {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        function: { type: 'string' },
        data: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) return { kind: 'help' };
    if (positionals.length > 1)
      return { kind: 'wrong', message: 'There is more than one event. Is it quoted?' };
    const event = positionals[0] ?? '{}';
    JSON.parse(event);
    const dataDirectory = values.data === undefined ? '.local' : callersPath(values.data, process.env);
    return { kind: 'invoke', functionName: values.function, dataDirectory, event };
  } catch (error) {
    if (error instanceof SyntaxError) return { kind: 'wrong', message: 'The event is not JSON.' };
    return { kind: 'wrong', message: error instanceof Error ? error.message : String(error) };
  }
}

interface Target {
  readonly client: LambdaClient;
  readonly functionName: string;
}

async function targetOf(functionName: string | undefined, dataDirectory: string): Promise<Target> {
  // A run may take as long as the function may: the client must not give up before, nor invoke a second time.
  const patient = { maxAttempts: 1, requestHandler: { requestTimeout: 910_000 } };
  if (functionName !== undefined) return { client: new LambdaClient(patient), functionName };
  const running = await findLocalSystem(dataDirectory, dataDirectory);
  if (running === undefined)
    throw new CliError(
      'NO_LOCAL_SYSTEM',
      'No local system runs here. Start it with "npm start", or name a deployed function with --function.',
    );
  return {
    client: new LambdaClient({ ...patient, ...awsSettings(running.system.endpoint, running.keys) }),
    functionName: LOCAL_FUNCTION_NAME,
  };
}

async function invoke({ client, functionName }: Target, event: string): Promise<number> {
  try {
    const answer = await client.send(
      new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(event) }),
    );
    const payload = jsonIn(answer.Payload);
    if (answer.FunctionError !== undefined) {
      const { errorType, errorMessage } = (payload ?? {}) as { errorType?: unknown; errorMessage?: unknown };
      console.error(`The function failed: ${errorType}: ${errorMessage}`);
      return 1;
    }
    if (typeof (payload as { runId?: unknown } | null)?.runId !== 'string') {
      console.error('The function returned no result of a run. Is it the right function?');
      return 1;
    }
    console.log(JSON.stringify(payload, null, 2));
    return 0;
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    console.error(`The function "${functionName}" could not be invoked: ${name}: ${message}`);
    return 1;
  }
}
