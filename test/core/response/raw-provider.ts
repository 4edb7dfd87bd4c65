import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** What a raw provider sends: bytes, a pause between packets in milliseconds, or an abrupt end of the connection. */
export type Sent = string | Buffer | number | 'RESET' | 'OPEN';

/** A token provider as bytes: nothing makes its answers well-formed. It rotates strictly, whatever it then answers. */
export interface RawProvider {
  readonly url: string;
  /** The one refresh token that is good now. */
  readonly liveRefreshToken: string;
  readonly liveAccessToken: string;
  /** Requests that took effect, and those that presented a spent token. */
  readonly grants: number;
  readonly spentTwice: number;
  /** Sets what is answered to the next request. */
  answerWith(make: (access: string, refresh: string) => readonly Sent[]): void;
  close(): void;
}

export async function startRawProvider(): Promise<RawProvider> {
  let make: (access: string, refresh: string) => readonly Sent[] = () => [];
  const state = {
    liveRefreshToken: 'refresh-token-0000',
    liveAccessToken: 'access-token-0000',
    grants: 0,
    spentTwice: 0,
  };
  const server: Server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    let request = '';
    socket.on('data', (chunk) => {
      request += chunk.toString('latin1');
      const [head = '', body] = request.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (body === undefined || body.length < length) return;
      const presented = new URLSearchParams(body).get('refresh_token');
      request = '';
      if (presented !== state.liveRefreshToken) {
        state.spentTwice++;
        socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n{"error":"invalid_grant"}');
        return;
      }
      state.grants++;
      const number = String(state.grants).padStart(4, '0');
      state.liveRefreshToken = `refresh-token-${number}`;
      state.liveAccessToken = `access-token-${number}`;
      void send(socket, make(state.liveAccessToken, state.liveRefreshToken));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    get liveRefreshToken() {
      return state.liveRefreshToken;
    },
    get liveAccessToken() {
      return state.liveAccessToken;
    },
    get grants() {
      return state.grants;
    },
    get spentTwice() {
      return state.spentTwice;
    },
    answerWith: (next) => {
      make = next;
    },
    close: () => server.close(),
  };
}

async function send(socket: Socket, parts: readonly Sent[]): Promise<void> {
  for (const part of parts) {
    if (part === 'OPEN') return;
    if (part === 'RESET') {
      // What was written goes out first; the reset follows in the same moment.
      socket.resetAndDestroy();
      return;
    }
    if (typeof part === 'number') await new Promise((resolve) => setTimeout(resolve, part));
    else socket.write(part);
  }
  socket.end();
}
