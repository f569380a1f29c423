// What of a twin is still needed: the calls that may come, what up and down have not reached, and nothing else.

import { downEnd, SLOT_BYTES, upBase } from "../../host/protocol/index.ts";
import { keptFrom } from "./answers.ts";
import type { TokenServer } from "./core.ts";
import type { Pad } from "./pads.ts";

const PAGE_BYTES = 4096;

/** Whether between two states of a pad in a link whole pages, or the call, may have come to be used. */
export function mayBurn(server: TokenServer, before: Pad, after: Pad): boolean {
  if (before.opened !== after.opened) return true;
  const page = (pad: Pad) => Math.floor((upBase(pad) + pad.up) / PAGE_BYTES);
  const pageDown = (pad: Pad) => Math.floor(keptEnd(server, pad) / PAGE_BYTES);
  return page(before) !== page(after) || pageDown(before) !== pageDown(after);
}

/** Where down ends of which the twin is still needed: for what comes, and to open recorded answers again. */
function keptEnd(server: TokenServer, pad: Pad): number {
  return downEnd(pad) - keptFrom(pad, server.config.limits.recordedBytes);
}

/**
 * Has the vault forget what is used, once that is durable. Of a tariff that only marks what was used, nothing is destroyed.
 * A twin that is lost or damaged is reported when it is read, not here.
 */
export function keepAlive(server: TokenServer, pad: Pad): void {
  if (server.config.tariffs.get(pad.tariff)?.exhaustion === "index") return;
  // The slot of the last call stays until a box of its link was opened: its ready may come again.
  const slot = pad.heard === 0 || (pad.linked === pad.heard && pad.opened) ? pad.heard : pad.heard - 1;
  try {
    server.vault.keep(pad.name, [
      { start: SLOT_BYTES * slot, end: upBase(pad) },
      { start: upBase(pad) + pad.up, end: keptEnd(server, pad) },
    ]);
    server.burnLater();
  } catch (error) {
    server.log.error({ err: error, token: pad.name }, "used pad bytes were not burned");
  }
}
