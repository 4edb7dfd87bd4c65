import type { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import type { KMSClient } from '@aws-sdk/client-kms';
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { SimulatedProcess } from './process.ts';
import type { Services } from './world.ts';

/** The SDK's clients, as one process has them. */
export interface Clients {
  readonly table: DynamoDBDocumentClient;
  readonly secrets: SecretsManagerClient;
  readonly secretsWriter: SecretsManagerClient;
  readonly kms: KMSClient;
  readonly events: EventBridgeClient;
}

/** "By default, the SDK makes three attempts", of which each is the same call with the same parameters. */
const TRIES = 3;
const TIMEOUT = 5_000;
const repeated = /Throttl|InternalServiceError|TimeoutError/;

interface Command {
  readonly input: { readonly [name: string]: unknown };
}

/** Clients whose calls go to the simulated services. */
export function clientsOf(process: SimulatedProcess, services: Services): Clients {
  const client = (service: keyof Services, tries: number) => ({
    send: async (command: Command, options: { abortSignal?: { readonly milliseconds?: number } } = {}) => {
      const operation = command.constructor.name.replace(/Command$/, '');
      const { input } = command;
      const call = {
        service,
        operation,
        about: aboutOf(input),
        effect: () => services[service](operation, input, process),
        timeout: Math.min(TIMEOUT, options.abortSignal?.milliseconds ?? TIMEOUT),
      };
      for (let attempt = 1; ; attempt++) {
        try {
          return await process.call(call);
        } catch (error) {
          const isLast = attempt === tries || !repeated.test((error as Error).name);
          const { $metadata } = error as { $metadata?: object };
          if (isLast) throw Object.assign(error as Error, { $metadata: { ...$metadata, attempts: attempt } });
          await process.clock.sleep(process.random.below(100 * 2 ** attempt));
        }
      }
    },
  });
  const clients = {
    table: client('dynamodb', TRIES),
    secrets: client('secretsmanager', TRIES),
    secretsWriter: client('secretsmanager', 1),
    kms: client('kms', TRIES),
    events: client('events', TRIES),
  };
  return clients as unknown as Clients;
}

function aboutOf(input: Command['input']): string {
  const {
    Key,
    Item,
    SecretId,
    Name,
    Entries,
    RequestItems = {},
  } = input as {
    Key?: { accountId: string };
    Item?: { accountId: string };
    SecretId?: string;
    Name?: string;
    Entries?: readonly { DetailType?: string }[];
    RequestItems?: Readonly<Record<string, { readonly Keys: readonly { readonly accountId: string }[] }>>;
  };
  const [batch] = Object.values(RequestItems);
  if (batch !== undefined) return batch.Keys[0]?.accountId ?? '';
  return Key?.accountId ?? Item?.accountId ?? SecretId ?? Name ?? Entries?.[0]?.DetailType ?? '';
}
