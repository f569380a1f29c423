// Opening a run in pieces: the caller puts what comes next of it into a window, in parts of any size, reads the pad bytes
// that this needs into another, and takes the text out of a third. Errors come where their box is: text before it comes
// out first, wherever the parts were cut.

import { boxCost, boxOffset, downEnd, upBase } from "../protocol/index.ts";
import { type Core, faultIn, isDown, WINDOW_BOXES } from "./core.ts";
import { EngineError } from "./errors.ts";
import { FRAME_BYTES, itemAt } from "./item.ts";
import { assertPlace, faultAt, type RunPlace, type Stretch } from "./place.ts";

/** One piece of a run to open: fill `items`, call `take`, fill the `slices` that it gives, and call `open`. */
export interface OpeningPiece {
  /** Room for what comes next of the run. */
  readonly items: Uint8Array;
  /**
   * Says how many bytes were put into `items`, 0 when the run has no more, and gives the stretch of pad that is needed
   * now: an empty one as long as no box is whole.
   * @throws EngineError BAD_BOX, TRUNCATED
   */
  take(length: number): Stretch;
  /**
   * The text, as a view that is good until the next piece.
   * @throws EngineError AUTH_FAILED, BOX_USED, FLASH_FAULT
   */
  open(): Uint8Array;
}

/** The pieces of a run, in order, up to its LAST. Text and key do not stay in the windows behind it. */
export function* openPieces(core: Core, place: RunPlace): Generator<OpeningPiece, void, void> {
  assertPlace(place);
  core.padId.set(place.pad.padId);
  const run = new OpeningRun(core, place);
  try {
    do yield run;
    while (run.goOn());
  } finally {
    run.clear();
  }
}

class OpeningRun implements OpeningPiece {
  readonly #core: Core;
  readonly #place: RunPlace;
  /** Boxes and marks before the window, and bytes in it. */
  #boxes = 0;
  #mark: number;
  #held = 0;
  /** The whole boxes in the window, once they were taken. */
  #taken: Taken | null = null;
  #opened = false;
  #failure: EngineError | null = null;
  /** The most that was ever in the windows. */
  #largestText = 0;
  #largestSlices = 0;

  constructor(core: Core, place: RunPlace) {
    this.#core = core;
    this.#place = place;
    this.#mark = place.mark;
  }

  get items(): Uint8Array {
    return this.#core.items.subarray(this.#held);
  }

  take(length: number): Stretch {
    if (this.#taken !== null) throw new Error("a piece is taken once");
    if (!(length >= 0 && length <= this.#core.items.length - this.#held))
      throw new RangeError("that is more than the window holds");
    this.#held += length;
    this.#taken = this.#wholeBoxes(WINDOW_BOXES);
    if (this.#taken.boxes === 0 && length === 0) {
      throw new EngineError("TRUNCATED", { boxes: this.#boxes });
    }
    const { textBytes, padBytes } = this.#taken;
    this.#largestText = Math.max(this.#largestText, textBytes);
    this.#largestSlices = Math.max(this.#largestSlices, padBytes);
    return {
      slices: this.#core.slices.subarray(0, padBytes),
      offset: this.#offset(this.#mark, padBytes),
      mark: this.#mark + padBytes,
    };
  }

  open(): Uint8Array {
    if (this.#taken === null || this.#opened) throw new Error("a piece is taken, and then opened once");
    this.#opened = true;
    const { boxes, textBytes, padBytes } = this.#taken;
    const { direction, pad } = this.#place;
    const offset = this.#offset(this.#mark, padBytes);
    const fault = faultIn(this.#core.openBoxes(isDown(direction), pad.burnUnit, offset, padBytes, boxes));
    if (fault === null) return this.#core.text.subarray(0, textBytes);
    const before = this.#wholeBoxes(fault.box);
    const cost = this.#wholeBoxes(fault.box + 1).padBytes - before.padBytes;
    this.#failure = faultAt(this.#place, fault.code, this.#boxes + fault.box, this.#mark + before.padBytes, cost);
    if (fault.box === 0) throw this.#failure;
    return this.#core.text.subarray(0, before.textBytes);
  }

  /** Makes room for the next piece; false when the run has ended. */
  goOn(): boolean {
    if (this.#taken === null || !this.#opened) throw new Error("every piece is taken and opened before the next");
    if (this.#failure !== null) throw this.#failure;
    const { boxes, itemBytes, padBytes, ended } = this.#taken;
    this.#boxes += boxes;
    this.#mark += padBytes;
    this.#core.items.copyWithin(0, itemBytes, this.#held);
    this.#held -= itemBytes;
    if (ended && this.#held > 0) throw new EngineError("BAD_BOX", { box: this.#boxes });
    this.#taken = null;
    this.#opened = false;
    return !ended;
  }

  clear(): void {
    this.#core.text.fill(0, 0, this.#largestText);
    this.#core.slices.fill(0, 0, this.#largestSlices);
  }

  /** The whole boxes at the start of the window, up to `most`, to LAST or to something that is no box of this run. */
  #wholeBoxes(most: number): Taken {
    const { items } = this.#core;
    const { pad } = this.#place;
    const room = downEnd(pad) - upBase(pad) - this.#mark;
    let boxes = 0;
    let textBytes = 0;
    let itemBytes = 0;
    let padBytes = 0;
    let ended = false;
    while (boxes < most && !ended) {
      const item = itemAt(items, itemBytes, this.#held);
      if (item === null) break;
      const cost = item === "bad" ? Number.POSITIVE_INFINITY : boxCost(item.textLength, pad.burnUnit);
      if (item === "bad" || padBytes + cost > room) {
        if (boxes > 0) break;
        throw new EngineError("BAD_BOX", { box: this.#boxes });
      }
      const end = itemBytes + item.textLength + FRAME_BYTES;
      if (end > this.#held) break;
      boxes++;
      textBytes += item.textLength;
      itemBytes = end;
      padBytes += cost;
      ended = item.kind === "last";
    }
    return { boxes, textBytes, itemBytes, padBytes, ended };
  }

  #offset(mark: number, cost: number): number {
    return boxOffset(this.#place.pad, this.#place.direction, mark, cost);
  }
}

interface Taken {
  readonly boxes: number;
  readonly textBytes: number;
  readonly itemBytes: number;
  readonly padBytes: number;
  readonly ended: boolean;
}
