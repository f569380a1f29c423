// A server that listens, whatever it speaks: how it begins, where it is, and how it ends.

import type { AddressInfo, Server, Socket } from "node:net";
import { TokenError } from "../token/index.ts";

/** How long the other side may take to close a line that has ended, whatever it sends meanwhile. */
export const LINGER_MS = 2000;

export interface Listener {
  /** Where it is reached, with the port that it got. */
  readonly address: string;
  close(): Promise<void>;
}

/** @throws TokenError ADDRESS_IN_USE, LISTEN_FAILED */
export function listening(
  server: Server,
  scheme: string,
  host: string,
  port: number,
  closing: () => void = () => {},
): Promise<Listener> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  const written = (name: string) => (name.includes(":") ? `[${name}]` : name);
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const address = `${scheme}://${written(host)}:${port}`;
      if (error.code === "EADDRINUSE") reject(new TokenError("ADDRESS_IN_USE", { address }, error));
      else reject(new TokenError("LISTEN_FAILED", { address, reason: error.code ?? "failed" }, error));
    });
    server.listen({ host, port }, () => {
      const { address, port: got } = server.address() as AddressInfo;
      resolve({
        address: `${scheme}://${written(address)}:${got}`,
        close: () =>
          new Promise((done) => {
            closing();
            server.close(() => done());
            for (const socket of sockets) socket.destroySoon();
          }),
      });
    });
  });
}
