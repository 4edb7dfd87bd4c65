import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Reason } from '../../core/reason.ts';
import { awsEnvironment } from '../../local/clients.ts';

export interface PopulationOptions {
  readonly accounts: number;
  /** How many of them are due; only these have a secret. */
  readonly due: number;
  /** How many profiles share the accounts; 1 by default. */
  readonly profiles?: number;
  /** `mixed`: some need a person, fail, or are disabled, and tokens end within an hour. By default all are healthy. */
  readonly states?: 'healthy' | 'mixed';
  /** Who has a token secret; only the due ones by default. */
  readonly secrets?: 'due' | 'all';
}

/** The function that questions are asked about. */
export const ASKED_FUNCTION = 'bench-function';

/** What the command line finds where it asks about a population. */
export interface AskedFleet {
  /** The function's bundle. */
  readonly module: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly population: Population;
}

export interface TroubledOptions {
  readonly population: Population;
  /** How many profiles the sound accounts have. The troubled ones share these. */
  readonly profiles: number;
  /** Accounts for each trouble that an account can have. */
  readonly copies: number;
  /** Accounts of each profile that is in trouble itself. */
  readonly accountsOfEach: number;
}

/** Accounts in trouble: which kind, and the reason that they must show after a run. */
export type Troubled = readonly {
  readonly name: string;
  readonly accountId: string;
  readonly shows: Reason | undefined;
}[];

export interface Aftermath {
  /** Kinds of trouble that no account shows as it should, with what they show instead. */
  readonly unseen: Readonly<Record<string, string>>;
  readonly spentTwice: number;
}

/** An accounts table with its secrets. */
export interface Population {
  readonly table: string;
  readonly prefix: string;
  readonly accounts: number;
  readonly accountIds: readonly string[];
}

interface Conditions {
  /** How long the token endpoint takes to answer. */
  readonly delayMilliseconds: number;
  /** More writes to Secrets Manager are throttled. No limit by default. */
  readonly writesPerSecond?: number | undefined;
}

/** What the servers saw since `begin`. */
export interface Traffic {
  /** By operation. The names of calls for a profile or for escrow say so. */
  readonly calls: Readonly<Record<string, number>>;
  readonly connections: number;
  /** When the first call came, milliseconds on the server's monotonic clock. */
  readonly firstCallAt: number | undefined;
  /** When each store succeeded, milliseconds on the server's monotonic clock. */
  readonly stores: readonly number[];
  /** The account of each store, in the same order. */
  readonly storesByAccount: readonly string[];
  readonly throttled: number;
}

/** The stored secrets, compared with the provider's grants. */
export interface Judgement {
  /** Accounts whose stored refresh token is no longer good. */
  readonly lost: number;
  readonly spentTwice: number;
  /** How many accounts were refreshed how often. */
  readonly refreshes: Readonly<Record<number, number>>;
}

export interface ServerMethods {
  populate(options: PopulationOptions): Promise<Population>;
  /** Adds accounts in every kind of trouble to a population. */
  trouble(options: TroubledOptions): Promise<Troubled>;
  aftermath(which: { readonly population: Population; readonly troubled: Troubled }): Promise<Aftermath>;
  begin(conditions: Conditions): Promise<void>;
  traffic(argument?: undefined): Promise<Traffic>;
  judge(population: Population): Promise<Judgement>;
  /** Lets the function `ASKED_FUNCTION` be invoked over a population, and gives it a log. */
  serve(fleet: AskedFleet): Promise<void>;
}

/** The local AWS endpoint and a token endpoint, in their own process. */
export interface Servers extends ServerMethods {
  /** The environment for a program to find the servers and the population. */
  environment(population: Population): Record<string, string>;
  close(): void;
}

export async function startServers(): Promise<Servers> {
  const child: ChildProcess = fork(fileURLToPath(new URL('server-process.ts', import.meta.url)), {
    execArgv: ['--max-old-space-size=4096'],
  });
  const [{ url, escrowKeyId, tokenEndpoint, profile }] = await once(child, 'message');
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  child.on('message', ({ id, result, error }: { id: number; result?: unknown; error?: string }) => {
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) waiter?.resolve(result);
    else waiter?.reject(new Error(error));
  });
  child.on('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`The servers ended with ${code}.`));
  });
  let ids = 0;
  const ask =
    (method: keyof ServerMethods) =>
    (argument?: unknown): Promise<never> =>
      new Promise((resolve, reject) => {
        const id = ++ids;
        waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
        child.send({ id, method, argument });
      });
  return {
    populate: ask('populate'),
    trouble: ask('trouble'),
    aftermath: ask('aftermath'),
    begin: ask('begin'),
    traffic: ask('traffic'),
    judge: ask('judge'),
    serve: ask('serve'),
    environment: ({ table, prefix }) => ({
      ...awsEnvironment(url),
      ACCOUNTS_TABLE_NAME: table,
      SECRET_NAME_PREFIX: prefix,
      ESCROW_KEY_ID: escrowKeyId,
      ALLOW_HTTP_LOOPBACK: 'true',
      TOKEN_ENDPOINT: tokenEndpoint,
      CLIENT_ID: profile.client_id,
      CLIENT_SECRET: profile.client_secret,
    }),
    close: () => child.disconnect(),
  };
}
