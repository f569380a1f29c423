// What `npm start -- --json` says of the token, and what its keys mean. Money in minor units, as strings.

import process from "node:process";
import type { Shop } from "./shop.ts";
import type { Deed, TokenStory } from "./story.ts";

export const TOKEN_KEYS = `  token           the token's part:
    name, pids (server, device, client: the host's own), tty, ports (server, tap), address (where the server listens), directory
    value         issued; device and server: the balance as each says at the end
    charged       sent, fetched, cut, crashed, computed, spent: what each step cost; their sum is what is gone
    sha256        sent, received: of the file that went to the server and came back
    bytesSkipped  pad bytes that the power cut made useless
    output        what the program answered
    refusal       the code with which service stopped
    marks         device and server: up, down, split, as each says
    books         entries, sums (of each asset: 0), disagreements (none)
    wire          what the witness saw: calls, links, boxes (up, down), bytesUsed, bytesReused (0), disagreements (none)
    undestroyed   bytes that hid a text and are not zero on the chip: 0
    durations     milliseconds of each step
`;

export function tokenResult(shop: Shop, story: TokenStory, undestroyed: number): object {
  const { sent, fetched, cut, crashed, computed, spent, audit, testimony, device, server } = story;
  const steps = { sent, fetched, cut, crashed, computed, spent };
  const each = <T>(of: (deed: Deed) => T) =>
    Object.fromEntries(Object.entries(steps).map(([name, deed]) => [name, of(deed)]));
  const { calls, links, boxes, bytesUsed, bytesReused, disagreements } = testimony;
  return {
    name: shop.issued.name,
    pids: { server: shop.server.pid, device: shop.device.pid, client: process.pid },
    tty: shop.device.tty,
    ports: { server: Number(shop.server.address.split(":").at(-1)), tap: shop.tap.port },
    address: shop.server.address,
    directory: shop.directory,
    value: { issued: shop.issued.balance, device: device.balance, server: server.balance },
    charged: each(({ charged }) => charged),
    sha256: story.sha256,
    bytesSkipped: story.bytesSkipped,
    output: story.output,
    refusal: story.refusal,
    marks: {
      device: { up: device.up, down: device.down, split: device.split },
      server: { up: server.up, down: server.down, split: server.split },
    },
    books: {
      entries: audit.entries,
      sums: Object.fromEntries(audit.assets.map(({ asset, sum }) => [asset, sum])),
      disagreements: audit.disagreements,
    },
    wire: { calls, links, boxes, bytesUsed, bytesReused, disagreements },
    undestroyed,
    durations: each(({ milliseconds }) => milliseconds),
  };
}
