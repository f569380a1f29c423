// A tap on the wire: a port that passes every byte on to another one, both ways, and lets somebody see it. Whoever stands
// between a token and its server sees as much.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Wire } from "./witness.ts";

export interface Tap {
  readonly port: number;
  /** Connections that came. */
  readonly connections: number;
  close(): Promise<void>;
}

/** Lays a tap before a TCP port of this machine; `see` is asked once for each connection. */
export async function layTap(target: number, see: () => Wire): Promise<Tap> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((host) => {
    connections++;
    const wire = see();
    const server = connect(target, "127.0.0.1");
    pass(host, server, wire.up);
    pass(server, host, wire.down);
    for (const socket of [host, server]) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Whatever ends one of two sockets ends the other. */
function pass(from: Socket, to: Socket, see: (bytes: Uint8Array) => void): void {
  from.on("data", (bytes: Buffer) => {
    see(bytes);
    if (!to.write(bytes)) {
      from.pause();
      to.once("drain", () => from.resume());
    }
  });
  from.once("end", () => to.end());
  from.once("close", () => to.destroy());
  from.on("error", () => to.destroy());
}
