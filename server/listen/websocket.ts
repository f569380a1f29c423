// Lines over WebSocket, for browsers and for whom a proxy lets nothing else through: whole items in binary messages.

import { createServer } from "node:http";
import { type WebSocket, WebSocketServer } from "ws";
import type { Door } from "./door.ts";
import { type Listener, listening } from "./listener.ts";

const MESSAGE_MAX_BYTES = 65_536;
/** Bytes that may wait in a socket before the link is asked to pause. */
const BUFFERED_BYTES = 65_536;
/** How long a request to upgrade may take. */
const UPGRADE_MS = 10_000;

/** Listens at an address; port 0 is any that is free. @throws TokenError ADDRESS_IN_USE, LISTEN_FAILED */
export function listenWebSocket(door: Door, host: string, port: number): Promise<Listener> {
  const server = createServer({ headersTimeout: UPGRADE_MS, requestTimeout: UPGRADE_MS }, (_request, response) => {
    response.writeHead(426, { connection: "close" }).end();
  });
  const sockets = new WebSocketServer({ server, maxPayload: MESSAGE_MAX_BYTES, perMessageDeflate: false });
  sockets.on("connection", (socket) => serve(door, socket));
  sockets.on("error", () => {}); // Those of `server`, which are looked at there.
  return listening(server, "ws", host, port, () => {
    for (const socket of sockets.clients) socket.terminate();
  });
}

function serve(door: Door, socket: WebSocket): void {
  const link = door.admit({
    send: (bytes) => {
      socket.send(bytes, () => {
        if (socket.bufferedAmount <= BUFFERED_BYTES) link?.drained();
      });
      return socket.bufferedAmount <= BUFFERED_BYTES;
    },
    end: () => socket.close(),
    flow: (on) => (on ? socket.resume() : socket.pause()),
  });
  if (link === null) {
    socket.terminate();
    return;
  }
  socket.on("message", (message, isBinary) => {
    if (isBinary) link.receive(message as Buffer);
    else socket.close();
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => door.leave(link));
}
