// Lines over WebSocket, for browsers and for whom a proxy lets nothing else through: whole items in binary messages. A socket
// is a line at the door from its beginning, whether it ever becomes a WebSocket or not.

import { createServer } from "node:http";
import type { Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { Line, Link } from "../token/index.ts";
import type { Door } from "./door.ts";
import { LINGER_MS, type Listener, listening } from "./listener.ts";

const MESSAGE_MAX_BYTES = 65_536;
/** Bytes that may wait in a socket before the link is asked to pause. */
const BUFFERED_BYTES = 65_536;
/** How long a request to upgrade may take where the door lets it, and how often that is looked at. */
const UPGRADE_MS = 10_000;
const LOOK_MS = 1000;

/** Listens at an address; port 0 is any that is free. @throws TokenError ADDRESS_IN_USE, LISTEN_FAILED */
export function listenWebSocket(door: Door, host: string, port: number): Promise<Listener> {
  const times = { headersTimeout: UPGRADE_MS, requestTimeout: UPGRADE_MS, connectionsCheckingInterval: LOOK_MS };
  const server = createServer(times, (_request, response) => {
    response.writeHead(426, { connection: "close" }).end();
  });
  const sockets = new WebSocketServer({ server, maxPayload: MESSAGE_MAX_BYTES, perMessageDeflate: false });
  const comers = new WeakMap<Socket, Comer>();
  server.on("connection", (socket: Socket) => {
    const comer = new Comer(socket);
    comer.link = door.admit(comer);
    if (comer.link === null) {
      socket.destroy();
      return;
    }
    const { link } = comer;
    comers.set(socket, comer);
    socket.on("close", () => door.leave(link));
  });
  sockets.on("connection", (web, { socket }) => comers.get(socket)?.upgraded(web));
  sockets.on("error", () => {}); // Those of `server`, which are looked at there.
  return listening(server, "ws", host, port, () => {
    for (const socket of sockets.clients) socket.terminate();
  });
}

/** A line that is a socket first, and a WebSocket then. */
class Comer implements Line {
  link: Link | null = null;
  readonly #socket: Socket;
  #web: WebSocket | null = null;
  #told = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  upgraded(web: WebSocket): void {
    this.#web = web;
    web.on("message", (message, isBinary) => {
      if (isBinary) this.link?.receive(message as Buffer);
      else this.end();
    });
    web.on("error", () => web.terminate());
  }

  send(bytes: Uint8Array): boolean {
    const web = this.#web;
    if (web === null) return true;
    this.#told = true;
    web.send(bytes, () => {
      if (web.bufferedAmount <= BUFFERED_BYTES) this.link?.drained();
    });
    return web.bufferedAmount <= BUFFERED_BYTES;
  }

  end(): void {
    // To one that was told nothing nothing is still on its way.
    if (this.#web === null || !this.#told) {
      this.#socket.destroy();
      return;
    }
    this.#web.close();
    setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
  }

  flow(on: boolean): void {
    if (on) this.#web?.resume();
    else this.#web?.pause();
  }
}
