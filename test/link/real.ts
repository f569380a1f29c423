// The real server and a token in a machine: issued, filled and active, with lines between them in memory or over sockets.

import { randomBytes } from "node:crypto";
import { fillDevice, openDevice } from "../../host/driver/index.ts";
import type { Line } from "../../host/link/index.ts";
import { activateToken, Link, type Order, type Server, showToken, type TokenView } from "../../server/index.ts";
import { lineTo, type Machine } from "../../simulator/index.ts";
import { inOnePiece } from "../host/pair.ts";
import { blankMachine, quickClock } from "./token.ts";

export interface RealToken {
  readonly name: string;
  readonly machine: Machine;
  /** How the server sees it. */
  view(server: Server): TokenView;
}

const PAD_SECTORS = 64;
/** Issues a token into a machine. */
export async function issueToken(server: Server, order: Partial<Order> = {}): Promise<RealToken> {
  const padLength = order.padLength ?? PAD_SECTORS * 4096;
  const issue = server.issue({ burnUnit: 1, tariff: "money", price: 10_000n, limit: 5000n, ...order, padLength });
  const pad = new Uint8Array(randomBytes(padLength));
  const machine = blankMachine(padLength / 4096);
  const device = await openDevice(lineTo(machine), { clock: quickClock });
  const provenance = { provenance: "csprng", claimedMinEntropy: 8, samplesTested: 0 } as const;
  const health = { longestRepetition: 0, highestProportion: 0, sourceName: "test" };
  await fillDevice(device, { ...issue.parameters, side: "low", ...provenance, ...health }, inOnePiece(pad));
  await device.close();
  issue.write(pad);
  const name = issue.finish();
  activateToken(server.token, name);
  return { name, machine, view: (server) => showToken(server.token, name) };
}

/** A line to a server without a socket: bytes arrive a turn later, in order. */
export function lineToServer(server: Server): Line {
  let hear = (_bytes: Uint8Array) => {};
  let tell = (_reason?: Error) => {};
  let open = true;
  const link = new Link(server.token, {
    send: (bytes) => {
      const copy = bytes.slice();
      setImmediate(() => {
        if (open) hear(copy);
      });
    },
    end: () => {
      setImmediate(() => {
        if (open) tell();
        open = false;
      });
    },
  });
  return {
    write: async (bytes) => {
      if (!open) throw new Error("the line has ended");
      const copy = bytes.slice();
      setImmediate(() => link.receive(copy));
    },
    onData: (listener) => {
      hear = listener;
    },
    onClose: (listener) => {
      tell = listener;
    },
    close: async () => {
      open = false;
      setImmediate(() => link.closed());
    },
  };
}
