// Where lines come in: TCP and WebSocket, with bounds on how many there are and how long one may be silent.

import { parseListenAddress } from "../../host/protocol/index.ts";
import { TokenError } from "../token/index.ts";
import type { Door } from "./door.ts";
import type { Listener } from "./listener.ts";
import { listenTcp } from "./tcp.ts";
import { listenWebSocket } from "./websocket.ts";

export { Door } from "./door.ts";
export type { Listener } from "./listener.ts";

/** Listens at tcp://host:port or ws://host:port. @throws TokenError BAD_LISTEN_ADDRESS, ADDRESS_IN_USE, LISTEN_FAILED */
export function listenAt(door: Door, address: string): Promise<Listener> {
  const parts = parseListenAddress(address);
  if (parts === null) return Promise.reject(new TokenError("BAD_LISTEN_ADDRESS", { address }));
  const { scheme, host, port } = parts;
  return scheme === "tcp" ? listenTcp(door, host, port) : listenWebSocket(door, host, port);
}
