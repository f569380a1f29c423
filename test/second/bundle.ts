/** Bundles, written and read over two ends of a pad: docs/SPEC.md sections 3 and 11. */
import * as box from "./box.ts";
import { concat, Failure, readU32 } from "./box.ts";
import { type End, HERE } from "./end.ts";

/** The items of a text's bundle; a new segment begins before each box whose number is in `cuts`. */
export function writeBundle(end: End, text: Uint8Array, cuts: number[] = []): Uint8Array[] {
  const items: Uint8Array[] = [];
  let run = HERE;
  const begin = (number: number): void => {
    const segment = end.begin(run, number);
    if (run === HERE) run = segment.first;
    items.push(segment.slotItem, segment.opening);
  };
  begin(0);
  const boxes = Math.max(1, Math.ceil(text.length / box.LONGEST));
  for (let number = 0; number < boxes; number++) {
    for (const cut of cuts) if (cut === number) begin(number);
    const part = text.subarray(number * box.LONGEST, (number + 1) * box.LONGEST);
    items.push(end.seal(number === boxes - 1 ? box.LAST : box.DATA, part).item);
  }
  return items;
}

interface Segment {
  tag: Uint8Array;
  opening: Uint8Array;
  /** Its boxes in order; what a segment costs whose slot is gone no longer matters. */
  boxes: { offset: number; size: number; item: Uint8Array }[];
}

/** The text of a bundle, or null when it was delivered before; in both cases what it used is released. */
export function readBundle(end: End, bundle: Uint8Array): Uint8Array | null {
  if (bundle.length < 4 || readU32(bundle, 0) !== 16) throw new Failure("BAD_BUNDLE");
  const segments: Segment[] = [];
  const texts: Uint8Array[] = [];
  let delivered = false;
  let run: number | undefined;
  let number = 0;
  let mark = 0;
  let at = 0;
  let last = false;
  const take = (): { kind: number; item: Uint8Array } => {
    const next = nextItem(bundle, at);
    at += next.item.length;
    return next;
  };
  while (!last) {
    const { kind, item } = take();
    if (kind === box.OPENING) throw new Failure("BAD_BUNDLE");
    if (kind === box.SLOT) {
      const { kind: following, item: opening } = take();
      if (following !== box.OPENING) throw new Failure("BAD_BUNDLE");
      const segment: Segment = { tag: item.subarray(4), opening, boxes: [] };
      const found = unless("SLOT_UNKNOWN", delivered, () => end.find(segment.tag, opening));
      if (found) {
        run ??= found.first;
        if (found.run !== run || found.number !== number) throw new Failure("BAD_BUNDLE");
        mark = found.first;
      }
      segments.push(segment);
    } else {
      const size = box.consumed(item.length - 20, end.facts.burnUnit);
      const offset = end.offsetOf(end.opening, mark, size);
      segments.at(-1)?.boxes.push({ offset, size, item });
      const text = delivered ? null : unless("BOX_USED", number === 0, () => openWithin(end, offset, item));
      if (text) texts.push(text);
      else delivered = true;
      mark += size;
      number += 1;
      last = kind === box.LAST;
    }
  }
  if (at !== bundle.length) throw new Failure("BAD_BUNDLE");
  release(end, segments);
  return delivered ? null : concat(...texts);
}

/** All ranges in their order, then the slots, that of the first segment last; each is opened again, as only one range stays verified. */
function release(end: End, segments: Segment[]): void {
  const left = segments.filter(({ tag, opening }) => unless("SLOT_UNKNOWN", true, () => end.find(tag, opening)));
  for (const { offset, size, item } of left.flatMap(({ boxes }) => boxes)) {
    if (unless("BOX_USED", true, () => end.open(offset, item))) end.release(offset, size);
  }
  for (const { tag, opening } of left.toReversed()) end.releaseSlot(end.find(tag, opening).slot);
}

/** What `run` returns, or null when it fails with this code and may. */
function unless<Result>(code: string, may: boolean, run: () => Result): Result | null {
  try {
    return run();
  } catch (failure) {
    if (may && failure instanceof Failure && failure.code === code) return null;
    throw failure;
  }
}

/** A box outside what the end may open does not belong into the bundle. */
function openWithin(end: End, offset: number, item: Uint8Array): Uint8Array {
  try {
    return end.open(offset, item).text;
  } catch (failure) {
    if (failure instanceof Failure && failure.code === "BAD_ARGUMENT") throw new Failure("BAD_BUNDLE");
    throw failure;
  }
}

function nextItem(bundle: Uint8Array, at: number): { kind: number; item: Uint8Array } {
  if (bundle.length < at + 4) throw new Failure("TRUNCATED");
  const header = readU32(bundle, at);
  const kind = header >>> 16;
  const length = header & 0xffff;
  const allowed = kind === box.SLOT || kind === box.OPENING ? length === 16 : length <= box.LONGEST;
  if (kind > box.OPENING || !allowed) throw new Failure("BAD_BUNDLE");
  const end = at + 4 + length + (kind === box.SLOT ? 0 : 16);
  if (bundle.length < end) throw new Failure("TRUNCATED");
  return { kind, item: bundle.subarray(at, end) };
}
