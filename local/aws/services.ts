import { openStore } from '../shared/store.ts';
import type { Service } from './faults.ts';
import { type AwsRequest, type AwsResponse, type Operations, runOperation } from './protocol/protocol.ts';
import { openDynamodb } from './services/dynamodb.ts';
import { eventBridge, type RecordedEvent } from './services/event-bridge.ts';
import { kms } from './services/kms.ts';
import { type Invoke, performLambda } from './services/lambda.ts';
import { logs } from './services/logs.ts';
import { defaultLimits, type Limits } from './services/secret-versions.ts';
import { secretsManager } from './services/secrets-manager.ts';

export interface ServicesOptions {
  /** Where to keep the state; in memory by default. */
  readonly dataDirectory?: string;
  readonly secretsManager?: Partial<Limits>;
  /** Milliseconds since the epoch. DynamoDB doesn't use it. */
  readonly now?: () => number;
  /** The only function that Lambda knows, and how to run it. */
  readonly functionName?: string;
  readonly invoke?: Invoke;
  /** What the function's configuration shows of its environment. */
  readonly functionEnvironment?: Readonly<Record<string, string>>;
  /** The function's log, for CloudWatch Logs. */
  readonly functionLogFile?: string;
}

interface Services {
  /** @throws AwsError */
  perform(service: Service, operation: string, request: AwsRequest): Promise<AwsResponse>;
  recordedEvents(): RecordedEvent[];
  /** Call it when nothing is being performed. */
  close(): Promise<void>;
}

/** Opens the stores and the services on them. @throws DataDirectoryInUseError */
export function openServices(options: ServicesOptions): Services {
  const { dataDirectory, now = Date.now, functionName, invoke, functionEnvironment: environment } = options;
  // First, since this one notices if another process uses the directory.
  const db = openStore(dataDirectory);
  const dynamodb = openDynamodb(dataDirectory);
  const events = eventBridge(db, now);
  const operations: Record<Exclude<Service, 'dynamodb' | 'lambda'>, Operations> = {
    secretsmanager: secretsManager(db, now, { ...defaultLimits, ...options.secretsManager }),
    kms: kms(db, now),
    events: events.operations,
    logs: logs(functionName, options.functionLogFile),
  };
  return {
    async perform(service, operation, request) {
      if (service === 'dynamodb') return dynamodb.handle(request);
      if (service === 'lambda') return performLambda(request, { functionName, invoke, environment });
      return runOperation(operations[service], operation, request);
    },
    recordedEvents: () => events.recorded(),
    close: async () => {
      await dynamodb.close();
      db.close();
    },
  };
}
