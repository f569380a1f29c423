// What a newcomer reads of the token's job while it happens.

import { count, type Screen } from "../screen.ts";
import type { Shop } from "./shop.ts";
import type { Deed, TokenListener, TokenStory } from "./story.ts";

/** Says who takes part. */
export function showShop(screen: Screen, { server, device, tap, issued, original }: Shop): void {
  screen.heading("4  A server sells a token");
  screen.fact("Server", `process ${server.pid}, at ${server.address}: keeps the token's twin, and its money`);
  screen.fact("Token", `${device.tty}, process ${device.pid}: ${count(original.bytes.length)} bytes of pad, new`);
  screen.fact("Value", `${issued.balance} ${issued.asset}, prepaid; who bought it, nobody knows`);
  screen.fact("Witness", `on the wire between them, at port ${tap.port}, with a copy of the pad for this job alone`);
}

/** Tells each step. @param file its name, as it is shown */
export function tellToken(screen: Screen, file: string): TokenListener {
  const money = ({ charged, balance }: Deed): void => screen.detail(`${charged} charged, ${balance} left`);
  return {
    called: ({ balance, milliseconds }, call) => {
      screen.heading("5  The token calls, and does not say who it is", milliseconds);
      screen.detail(`16 bytes of its pad, which only its twin can look up: call ${call}, balance ${balance}`);
    },
    sent: (sent) => {
      screen.heading(`6  It has the server keep ${file}`, sent.milliseconds);
      screen.detail(`${count(sent.bytes)} bytes, in sealed boxes`);
      money(sent);
    },
    fetched: (deed, sha256) => {
      screen.heading("   and gets it back", deed.milliseconds);
      screen.digests(sha256);
      money(deed);
    },
    cut: (sent, bytesSkipped) => {
      screen.heading("7  Once more, and it loses its power in the middle of a box", sent.milliseconds);
      screen.detail(
        `It boots, calls anew, and goes on: ${count(bytesSkipped)} bytes of pad skipped, nothing used twice`,
      );
      money(sent);
    },
    crashed: (sent) => {
      screen.heading("8  Once more, and the server is killed in the middle (kill -9)", sent.milliseconds);
      screen.detail(
        "It starts again with its books; the token calls anew and goes on: nothing lost, nothing charged twice",
      );
      money(sent);
    },
    computed: (deed, output) => {
      screen.heading("9  It has the server compute the sum of 1 to 100", deed.milliseconds);
      screen.detail(`“${output}”`);
      money(deed);
    },
    spent: (deed, requests, refusal) => {
      screen.heading("10 It spends what is left", deed.milliseconds);
      screen.detail(`${requests} small requests, and then: ${refusal}. Service stops; what was refused is not charged`);
      money(deed);
    },
  };
}

/** Both ends, the books and the witness, side by side. */
export function showTokenEnd(screen: Screen, shop: Shop, story: TokenStory, undestroyed: number): void {
  const { device, server, audit, testimony } = story;
  const { calls, links, boxes, bytesUsed, bytesReused, disagreements } = testimony;
  screen.heading("Where token and server stand");
  screen.columns(
    ["token", "server"],
    [
      [`value, of ${shop.issued.balance}`, device.balance, server.balance],
      ["up: used", count(device.up), count(server.up)],
      ["down: used", count(device.down), count(server.down)],
    ],
  );
  const sums = audit.assets.map(({ asset, sum }) => `${asset} ${sum}`).join(", ");
  const balanced = audit.disagreements.length === 0;
  screen.verdicts([
    [
      balanced,
      `The books: ${count(audit.entries)} entries, every balance derived again; all accounts together: ${sums}`,
    ],
    [
      disagreements.length === 0,
      `The witness read the whole wire: ${calls} calls, ${links} links, ${count(boxes.up)} boxes up, ${count(boxes.down)} down; every tag fits`,
    ],
    [bytesReused === 0, `Bytes of pad: ${count(bytesUsed)} used once, ${count(bytesReused)} used twice`],
    [undestroyed === 0, "On the token's chip, all that it used is destroyed"],
  ]);
  for (const sentence of disagreements) screen.detail(`✗ ${sentence}`);
}
