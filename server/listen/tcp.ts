// Lines over TCP: the items of a link as they are.

import { createServer, type Socket } from "node:net";
import type { Door } from "./door.ts";
import { LINGER_MS, type Listener, listening } from "./listener.ts";

/** Listens at an address; port 0 is any that is free. @throws TokenError ADDRESS_IN_USE, LISTEN_FAILED */
export function listenTcp(door: Door, host: string, port: number): Promise<Listener> {
  const server = createServer({ noDelay: true }, (socket) => serve(door, socket));
  return listening(server, "tcp", host, port);
}

function serve(door: Door, socket: Socket): void {
  const link = door.admit({
    send: (bytes) => socket.write(bytes),
    end: () => {
      // To one that was told nothing nothing is still on its way.
      if (socket.bytesWritten === 0) {
        socket.destroy();
        return;
      }
      socket.end();
      setTimeout(() => socket.destroy(), LINGER_MS).unref();
      socket.resume(); // What still comes is dropped: unread it would take the last bytes with it.
    },
    flow: (on) => (on ? socket.resume() : socket.pause()),
  });
  if (link === null) {
    socket.destroy();
    return;
  }
  socket.on("data", (bytes) => link.receive(bytes));
  socket.on("drain", () => link.drained());
  socket.on("error", () => socket.destroy());
  socket.on("close", () => door.leave(link));
}
