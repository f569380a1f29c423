/** Vectors of kind run: a text of any length as boxes at consecutive marks, in the engine and by two simulated devices. */
import type { Engine } from "../../host/engine/index.ts";
import { type Bytes, bytesOf, type Expected, expectBytes, expectEqual, hex } from "./bytes.ts";
import { type Pair, placesOf, twinsOf } from "./pair.ts";

export interface RunVector extends Pair {
  readonly kind: "run";
  readonly mark: number;
  readonly text: Bytes;
  readonly expect: { readonly items: Expected; readonly consumes: number };
}

const LONGEST = 4096;
const FRAME = 20;

export function runRunOnEngine(engine: Engine, vector: RunVector): void {
  const { burnUnit, direction, expect } = vector;
  const pad = bytesOf(vector.pad);
  const text = bytesOf(vector.text);
  const { slots } = placesOf(vector);
  const shape = { padLength: pad.length, burnUnit, slots: { low: slots, high: slots }, padId: bytesOf(vector.padId) };
  const place = { pad: shape, direction, mark: vector.mark };
  const sealed: Uint8Array[] = [];
  let done = 0;
  let mark = vector.mark;
  for (const piece of engine.sealRun(place, text.length)) {
    piece.text.set(text.subarray(done, done + piece.text.length));
    piece.slices.set(pad.subarray(piece.offset, piece.offset + piece.slices.length));
    done += piece.text.length;
    mark = piece.mark;
    sealed.push(piece.seal().slice());
  }
  const items = new Uint8Array(Buffer.concat(sealed));
  expectBytes("the boxes", items, expect.items);
  expectEqual("pad bytes used", mark - vector.mark, expect.consumes);

  const opened: Uint8Array[] = [];
  let taken = 0;
  for (const piece of engine.openRun(place)) {
    const next = items.subarray(taken, taken + piece.items.length);
    piece.items.set(next);
    taken += next.length;
    const { slices, offset } = piece.take(next.length);
    slices.set(pad.subarray(offset, offset + slices.length));
    opened.push(piece.open().slice());
  }
  expectBytes("the text", new Uint8Array(Buffer.concat(opened)), hex(text));
}

export function runRunOnDevice(vector: RunVector): void {
  const { direction, mark, expect } = vector;
  const text = bytesOf(vector.text);
  const { sealer, opener } = twinsOf(vector, mark);
  const items: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < text.length; at += LONGEST) {
    const kind = { u32: at + LONGEST >= text.length ? 2 : 1 };
    const part = hex(text.subarray(at, at + LONGEST));
    const sealed = sealer.must("SEAL", [kind, part]);
    const [offset, item] = [hex(sealed.subarray(4, 8)), sealed.subarray(8)];
    expectEqual("length of the box", item.length, FRAME + part.length / 2);
    expectBytes("kind and text", opener.must("OPEN", [offset, hex(item)]), hex(bytesOf([kind, part])));
    items.push(item);
  }
  expectBytes("the boxes", new Uint8Array(Buffer.concat(items)), expect.items);
  const used = mark + expect.consumes;
  sealer.expectInfo(direction === "up" ? { upUsed: used } : { downUsed: used });
}
