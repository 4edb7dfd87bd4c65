import { EventEmitter } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import dynalite, { type DynaliteResponse } from 'dynalite';
import { AwsError } from '../protocol/aws-error.ts';
import { type AwsRequest, type AwsResponse, parseJson } from '../protocol/protocol.ts';

interface Dynamodb {
  /** @throws AwsError */
  handle(request: AwsRequest): Promise<AwsResponse>;
  /** Closes the store. Call it when nothing is being handled. */
  close(): Promise<void>;
}

/**
 * Opens DynamoDB on `dynamodb/` in the directory, or in memory. As in AWS, a new table is CREATING for a moment: wait
 * for it.
 */
export function openDynamodb(dataDirectory: string | undefined): Dynamodb {
  const path = dataDirectory === undefined ? undefined : join(dataDirectory, 'dynamodb');
  if (path !== undefined) mkdirSync(path, { recursive: true });
  const server = dynalite({
    ...(path !== undefined && { path }),
    createTableMs: 0,
    deleteTableMs: 0,
    updateTableMs: 0,
  });

  return {
    // We hide the sockets from dynalite: it would end the process if a client goes away during a request.
    handle: async ({ method, url, headers, body }) => {
      refuseLongExpressions(body);
      return await new Promise((resolve) => {
        const request = Object.assign(new EventEmitter(), { method, url, headers });
        server.emit('request', request, new ResponseRecorder(resolve));
        request.emit('data', body);
        request.emit('end');
      });
    },

    // dynalite only closes its store together with a server that has listened.
    close: () =>
      new Promise((resolve, reject) =>
        server.listen(0, '127.0.0.1', () => server.close((error) => (error ? reject(error) : resolve()))),
      ),
  };
}

/** DynamoDB's limit for one expression. dynalite doesn't have it. */
const MAX_EXPRESSION_BYTES = 4_096;

function refuseLongExpressions(body: Buffer): void {
  if (body.length <= MAX_EXPRESSION_BYTES) return;
  for (const [name, value] of Object.entries(parseJson(body) as object)) {
    const size = name.endsWith('Expression') && typeof value === 'string' ? Buffer.byteLength(value) : 0;
    if (size > MAX_EXPRESSION_BYTES)
      throw new AwsError(
        'ValidationException',
        `Invalid ${name}: Expression size has exceeded the maximum allowed size; expression size: ${size}`,
      );
  }
}

class ResponseRecorder implements DynaliteResponse {
  statusCode = 200;
  readonly #headers: Record<string, string> = {};
  readonly #done: (answer: AwsResponse) => void;

  constructor(done: (answer: AwsResponse) => void) {
    this.#done = done;
  }

  setHeader(name: string, value: string | number): void {
    this.#headers[name] = String(value);
  }

  end(body = ''): void {
    this.#done({ status: this.statusCode, headers: this.#headers, body });
  }
}
