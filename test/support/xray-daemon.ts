import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export type Subsegment = Readonly<Record<string, unknown>> & {
  readonly annotations: Readonly<Record<string, unknown>>;
};

/** What takes subsegments by UDP, as X-Ray's daemon does. */
export interface XrayDaemon {
  /** As Lambda names it: HOST:PORT. */
  readonly address: string;
  readonly packets: readonly string[];
  /** Resolves with the subsegments when so many are there. */
  subsegments(count: number): Promise<readonly Subsegment[]>;
  close(): Promise<void>;
}

export async function startXrayDaemon(): Promise<XrayDaemon> {
  const socket = createSocket('udp4');
  const packets: string[] = [];
  socket.on('message', (message) => packets.push(message.toString()));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    packets,
    subsegments: async (count) => {
      while (packets.length < count) await once(socket, 'message', { signal: AbortSignal.timeout(5_000) });
      return packets.map((packet) => JSON.parse(packet.slice(packet.indexOf('\n') + 1)) as Subsegment);
    },
    close: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}
