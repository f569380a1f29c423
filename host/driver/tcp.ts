// A device behind a TCP port: a simulator, or a serial port that another host serves.

import { connect, type Socket } from "node:net";
import { DriverError } from "./errors.ts";
import type { Transport } from "./transport.ts";

const CONNECT_MS = 10_000;

/** Opens a TCP connection to a device; one that ends before it gave a byte ends with DEVICE_IN_USE. @throws DriverError NO_DEVICE */
export async function openTcp(address: string, host: string, port: number): Promise<Transport> {
  const socket = connect({ host, port, noDelay: true });
  await connected(socket, address);

  let heard = false;
  let reason: Error | undefined;
  socket.once("data", () => {
    heard = true;
  });
  socket.on("error", (error) => {
    reason = error;
  });
  // Who serves a device serves one host at a time, and closes the connection of another at once.
  const explain = (cause: Error | undefined) => (heard ? cause : new DriverError("DEVICE_IN_USE", { address }, cause));
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => (error ? reject(explain(error)) : resolve()));
      }),
    onData: (listener) => {
      socket.on("data", listener);
    },
    onClose: (listener) => {
      if (socket.closed) listener(explain(reason));
      else socket.once("close", () => listener(explain(reason)));
    },
    close: async () => {
      socket.destroy();
    },
  };
}

function connected(socket: Socket, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => {
      socket.destroy();
      reject(new DriverError("NO_DEVICE", { address }, cause));
    };
    const expire = () => fail(new Error(`no connection within ${CONNECT_MS} ms`));
    socket.setTimeout(CONNECT_MS, expire);
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.setTimeout(0);
      socket.off("timeout", expire);
      socket.off("error", fail);
      resolve();
    });
  });
}
