// What `npm start -- --json` prints, and what its keys mean.

import type { Verdict } from "./observer.ts";
import type { Pads } from "./pads.ts";
import type { Session } from "./session.ts";
import type { Exchange, Standing, Story } from "./story.ts";

export const KEYS = `The keys of the JSON object; A is the low side, B the high side; "before" is the file, "answer" is B's, "after" is the
file that the power cut interrupted:
  ttys            a, b: the terminals
  pids            a, b: the processes of the devices
  pair            directory, fresh (made by this start), padBytes (of each device)
  provenance      where the pad came from: "csprng" (a stream pad) or "physical"
  file            the path of the file
  bytes           before, answer, after: bytes of text
  bundleBytes     before, answer, after: bytes of the bundles
  boxes           before, answer, after: boxes of the bundles
  segments        before, answer, after: segments of the bundles
  bytesSkipped    pad bytes that the power cut made useless
  sha256          before, answer, after: each sent and received
  marks           a, b: up and down (used, burned), split, nextSlot, slots, room, as the devices say
  bytesUsed       pad bytes that ever hid a text, in all starts with this pair, as the observer saw
  bytesReused     pad bytes that ever hid two different texts: 0
  disagreements   what the observer found wrong, in sentences: none
  durations       milliseconds: pair, devices, before, answer, after, observer, total
`;

/** Milliseconds of each part of a start. */
export interface Durations {
  readonly pair: number;
  readonly devices: number;
  readonly observer: number;
  readonly total: number;
}

export function resultOf(
  { directory, fresh, original, identity }: Pads,
  { devices: { low, high } }: Session,
  file: string,
  story: Story,
  { bytesUsed, bytesReused, disagreements }: Verdict,
  { pair, devices, observer, total }: Durations,
): object {
  const { before, answer, after } = story;
  const each = <T>(of: (exchange: Exchange) => T) => ({ before: of(before), answer: of(answer), after: of(after) });
  const durations = { pair, devices, ...each(({ milliseconds }) => milliseconds), observer, total };
  return {
    ttys: { a: low.tty, b: high.tty },
    pids: { a: low.pid, b: high.pid },
    pair: { directory, fresh, padBytes: original.bytes.length },
    provenance: identity.provenance,
    file,
    bytes: each(({ textBytes }) => textBytes),
    bundleBytes: each(({ bundleBytes }) => bundleBytes),
    boxes: each(({ boxes }) => boxes),
    segments: each(({ segments }) => segments),
    bytesSkipped: after.bytesSkipped,
    sha256: each(({ sha256 }) => sha256),
    marks: { a: marksOf(story.a), b: marksOf(story.b) },
    bytesUsed,
    bytesReused,
    disagreements,
    durations: Object.fromEntries(Object.entries(durations).map(([name, ms]) => [name, Math.round(ms)])),
  };
}

function marksOf({ up, down, split, nextSlot, slots, room }: Standing): object {
  return { up, down, split, nextSlot, slots, room };
}
