// What of a twin is still needed: the calls that may come, what up and down have not reached, and nothing else.

import { downEnd, SLOT_BYTES, upBase } from "../../host/protocol/index.ts";
import { keptFrom } from "./answers.ts";
import type { TokenServer } from "./core.ts";
import type { Pad } from "./pads.ts";

const PAGE_BYTES = 4096;

/** From start up to, but not with, end, in bytes of the pad. */
interface Part {
  readonly start: number;
  readonly end: number;
}

/** The parts of a twin that are still needed. Of a tariff that only marks what was used that is all of it. */
export function needed(server: TokenServer, pad: Pad): readonly [calls: Part, boxes: Part] {
  const base = upBase(pad);
  if (server.config.tariffs.get(pad.tariff)?.exhaustion === "index") {
    return [
      { start: 0, end: base },
      { start: base, end: pad.padLength },
    ];
  }
  // The slot of the last call stays until a box of its link was opened: its ready may come again.
  const slot = pad.heard === 0 || (pad.linked === pad.heard && pad.opened) ? pad.heard : pad.heard - 1;
  return [
    { start: SLOT_BYTES * slot, end: base },
    { start: base + pad.up, end: keptEnd(server, pad) },
  ];
}

/** Where down ends of which the twin is still needed: for what comes, and to open recorded answers again. */
function keptEnd(server: TokenServer, pad: Pad): number {
  return downEnd(pad) - keptFrom(pad, server.config.limits.recordedBytes);
}

/** Whether whole pages came to be used between two states of a pad. */
export function mayBurn(server: TokenServer, before: Pad, after: Pad): boolean {
  const [calls, boxes] = needed(server, before);
  const [laterCalls, laterBoxes] = needed(server, after);
  const page = (offset: number) => Math.floor(offset / PAGE_BYTES);
  return (
    page(calls.start) !== page(laterCalls.start) ||
    page(boxes.start) !== page(laterBoxes.start) ||
    page(boxes.end - 1) !== page(laterBoxes.end - 1)
  );
}
