// Lines over TCP: the items of a link as they are.

import { createServer, type Socket } from "node:net";
import type { Door } from "./door.ts";
import { type Listener, listening } from "./listener.ts";

/** How long the other side may take to close a line that has ended. */
const LINGER_MS = 2000;

/** Listens at an address; port 0 is any that is free. @throws TokenError ADDRESS_IN_USE, LISTEN_FAILED */
export function listenTcp(door: Door, host: string, port: number): Promise<Listener> {
  const server = createServer({ noDelay: true }, (socket) => serve(door, socket));
  return listening(server, "tcp", host, port);
}

function serve(door: Door, socket: Socket): void {
  const link = door.admit({
    send: (bytes) => socket.write(bytes),
    end: () => {
      socket.end();
      socket.setTimeout(LINGER_MS, () => socket.destroy());
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
