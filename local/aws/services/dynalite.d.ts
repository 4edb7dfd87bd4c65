/** The part of dynalite that `dynamodb.ts` uses. The package has no types. */
declare module 'dynalite' {
  import type { EventEmitter } from 'node:events';
  import type { IncomingHttpHeaders } from 'node:http';

  export interface DynaliteRequest extends EventEmitter {
    readonly method: string;
    readonly url: string;
    readonly headers: IncomingHttpHeaders;
  }

  export interface DynaliteResponse {
    statusCode: number;
    setHeader(name: string, value: string | number): void;
    end(body?: string): void;
  }

  export interface DynaliteServer {
    emit(event: 'request', request: DynaliteRequest, response: DynaliteResponse): boolean;
    listen(port: number, host: string, listening: () => void): void;
    close(closed: (error?: Error | null) => void): void;
  }

  export default function dynalite(options: {
    readonly path?: string;
    readonly createTableMs?: number;
    readonly deleteTableMs?: number;
    readonly updateTableMs?: number;
  }): DynaliteServer;
}
