// Lines to a server: TCP as it is, and WebSocket with whole items in binary messages (SPEC section 13). A line is a
// transport that can be asked to wait, so that a server that sends faster than the device opens fills no memory.

import { type EventEmitter, once } from "node:events";
import { connect } from "node:net";
import type { Transport } from "../driver/index.ts";
import { parseAddress } from "../protocol/index.ts";
import { LinkFailure } from "./errors.ts";

/** A transport to a server. One that cannot wait leaves out both of the other methods. */
export interface Line extends Transport {
  /** Asks for no more bytes until `resume`. */
  pause?(): void;
  resume?(): void;
}

/** Silence after which the operating system asks whether the other end is there. */
const KEEPALIVE_MS = 30_000;
/** A message holds whole items, and not many. */
const MESSAGE_MAX_BYTES = 1_048_576;

/**
 * Opens a line to `tcp://host:port`, `ws://host:port` or `wss://host:port`, whose certificate must be good.
 * @throws LinkFailure BAD_LINK_ADDRESS; what the network says, as it is
 */
export async function openLine(address: string): Promise<Line> {
  const parts = parseAddress(address);
  if (parts === null) throw new LinkFailure("BAD_LINK_ADDRESS", { address });
  return parts.scheme === "tcp" ? openTcp(parts.host, parts.port) : openWebSocket(address);
}

async function openTcp(host: string, port: number): Promise<Line> {
  const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS });
  const reason = await opened(socket, "connect");
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    onData: (listener) => {
      socket.on("data", listener);
      socket.on("end", () => socket.destroy());
    },
    onClose: (listener) => {
      if (socket.closed) listener(reason());
      else socket.once("close", () => listener(reason()));
    },
    close: async () => {
      socket.destroySoon();
    },
    pause: () => {
      socket.pause();
    },
    resume: () => {
      socket.resume();
    },
  };
}

async function openWebSocket(address: string): Promise<Line> {
  // Loaded here, so that a host that speaks TCP only needs no more than Node.
  const { WebSocket } = await import("ws");
  const socket = new WebSocket(address, { perMessageDeflate: false, maxPayload: MESSAGE_MAX_BYTES });
  const reason = await opened(socket, "open");
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.send(bytes, { binary: true }, (error) => (error ? reject(error) : resolve()));
      }),
    onData: (listener) => {
      socket.on("message", (data) => listener(new Uint8Array(data as Buffer)));
    },
    onClose: (listener) => {
      if (socket.readyState === WebSocket.CLOSED) listener(reason());
      else socket.once("close", () => listener(reason()));
    },
    close: async () => {
      socket.close();
    },
    pause: () => {
      socket.pause();
    },
    resume: () => {
      socket.resume();
    },
  };
}

/** Waits until a socket says that it is open; what it gives tells the error that ended the socket later, if one did. */
async function opened(socket: EventEmitter, event: "connect" | "open"): Promise<() => Error | undefined> {
  await once(socket, event); // Rejects with an error that comes first.
  let reason: Error | undefined;
  socket.on("error", (error: Error) => {
    reason = error;
  });
  return () => reason;
}
