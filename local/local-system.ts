import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AuthorizationServer, startAuthorizationServer } from './authorization-server/server.ts';
import { type LocalAws, startLocalAws } from './aws/server.ts';
import {
  awsEnvironment,
  createLocalClients,
  LOCAL_ESCROW_KEY,
  LOCAL_FUNCTION_NAME,
  LOCAL_TABLE_NAME,
  type LocalClients,
  provision,
} from './clients.ts';
import { prepareDataDirectory } from './data-directory.ts';
import { createFunctionProcess, type FunctionProcess } from './function-process.ts';
import { localKeys } from './local-key.ts';
import { announce, findRunningSystem, withdraw } from './running-system.ts';
import { createSampleAccounts, SAMPLE_CLIENTS, writeSampleProfiles } from './sample-accounts.ts';

export interface LocalSystem {
  readonly aws: LocalAws;
  readonly authorizationServer: AuthorizationServer;
  readonly clients: LocalClients;
  readonly function: FunctionProcess;
  close(): Promise<void>;
}

interface LocalSystemOptions {
  readonly dataDirectory: string;
  /** The first of two ports. If one is taken, a free one is used. */
  readonly port: number;
  /** Seconds between two runs, for other commands to read. */
  readonly every?: number;
  /** Gets what the person should know about the start. */
  readonly say: (line: string) => void;
}

/** The refresh window: a run each minute, and some time to finish it, must fit into it. */
const REFRESH_WINDOW_SECONDS = 75;

/** The same as is deployed. It also starts faster than its source. */
const BUILT_FUNCTION = fileURLToPath(new URL('../dist/function/index.mjs', import.meta.url));

/** The function is not built. */
export class NotBuilt extends Error {
  readonly code = 'NOT_BUILT';
}

/** Another local system uses the same data. */
export class AlreadyRunning extends Error {
  readonly code = 'ALREADY_RUNNING';
}

/**
 * Starts the endpoints, creates table, key, profiles and sample accounts if they are missing, and prepares the function
 * in its own process, with the environment of a deployed one.
 *
 * @throws NotBuilt, AlreadyRunning or DataDirectoryInUseError if another process uses `dataDirectory`, DataDirectoryError if it
 * can't be used, LocalKeyError
 */
export async function startLocalSystem({
  dataDirectory,
  port,
  every,
  say,
}: LocalSystemOptions): Promise<LocalSystem> {
  if (!existsSync(BUILT_FUNCTION))
    throw new NotBuilt('The function is not built. Run "npm run build" first; "npm start" does so itself.');
  const other = await findRunningSystem(dataDirectory);
  if (other.kind === 'running')
    throw new AlreadyRunning(
      `A local system already runs on this data (process ${other.system.pid}). Stop it first, or use another directory with --data.`,
    );
  const release = prepareDataDirectory(dataDirectory, say);
  const keys = localKeys(dataDirectory, 'make');
  mkdirSync(join(dataDirectory, 'logs'), { recursive: true, mode: 0o700 });
  const functionLogFile = join(dataDirectory, 'logs', 'function.log');
  const settings = {
    ACCOUNTS_TABLE_NAME: LOCAL_TABLE_NAME,
    ESCROW_KEY_ID: LOCAL_ESCROW_KEY,
    REFRESH_WINDOW_SECONDS: String(REFRESH_WINDOW_SECONDS),
    ALLOW_HTTP_LOOPBACK: 'true',
  };
  let fn: FunctionProcess | undefined;
  const aws = await onFreePort(port, say, (on) =>
    startLocalAws({
      port: on,
      keys,
      dataDirectory: join(dataDirectory, 'aws'),
      // Tokens of a minute would use up a secret's versions within a day. So a day is ten minutes long here.
      secretsManager: { protectedVersionSeconds: 600, maxVersions: 30 },
      functionName: LOCAL_FUNCTION_NAME,
      functionEnvironment: settings,
      functionLogFile,
      invoke: async (payload) => {
        const invocation = await fn?.invoke(payload);
        if (invocation?.kind === 'returned') return { payload: invocation.payload };
        const { errorType = 'Error', errorMessage = 'The function is not running' } = invocation ?? {};
        return { payload: { errorType, errorMessage }, functionError: 'Unhandled' };
      },
    }),
  );
  const authorizationServer = await onFreePort(port === 0 ? 0 : port + 1, say, (on) =>
    startAuthorizationServer({
      port: on,
      databaseFile: join(dataDirectory, 'authorization-server.sqlite'),
      clients: SAMPLE_CLIENTS,
    }),
  );
  const clients = createLocalClients(aws.url, LOCAL_TABLE_NAME, keys);
  const state = await provision(clients);
  await writeSampleProfiles(clients, authorizationServer);
  if (state === 'new')
    await createSampleAccounts(clients, authorizationServer, Math.floor(Date.now() / 1000));
  fn = createFunctionProcess({
    module: BUILT_FUNCTION,
    logFile: functionLogFile,
    environment: {
      ...awsEnvironment(aws.url, keys),
      ...settings,
    },
  });
  const running = {
    pid: process.pid,
    endpoint: aws.url,
    issuer: authorizationServer.issuer,
    ...(every !== undefined && { every }),
  };
  announce(dataDirectory, running, keys);
  const gone = () => withdraw(dataDirectory);
  // Also if somebody presses Ctrl-C twice.
  process.once('exit', gone);
  const started = fn;
  return {
    aws,
    authorizationServer,
    clients,
    function: started,
    close: async () => {
      process.off('exit', gone);
      gone();
      started.kill();
      await authorizationServer.close();
      await aws.close();
      release();
    },
  };
}

async function onFreePort<T>(
  port: number,
  say: (line: string) => void,
  start: (port: number) => Promise<T>,
): Promise<T> {
  try {
    return await start(port);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'PORT_IN_USE') throw error;
    say(`Port ${port} is taken by another program; using a free one instead.`);
    return await start(0);
  }
}
