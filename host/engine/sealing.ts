// Sealing a run in pieces: up to 16 boxes at a time, in windows that the caller reads text and pad straight into, so that
// nothing larger than a window is ever held, however long the text.

import { boxCost, boxOffset, downEnd, runCost, TEXT_MAX_BYTES } from "../protocol/index.ts";
import { type Core, faultIn, isDown, WINDOW_BOXES } from "./core.ts";
import { FRAME_BYTES } from "./item.ts";
import { assertPlace, faultAt, type RunPlace, type Stretch } from "./place.ts";

/** One piece of a run to seal: fill `text` and `slices`, then call `seal`. */
export interface SealingPiece extends Stretch {
  readonly text: Uint8Array;
  /**
   * The items, as a view that is good until the next piece.
   * @throws EngineError BOX_USED, FLASH_FAULT: none of them may go out then
   */
  seal(): Uint8Array;
}

/** The pieces of a text of `textLength` bytes, in order. Text and key do not stay in the windows behind the last. */
export function* sealPieces(core: Core, place: RunPlace, textLength: number): Generator<SealingPiece, void, void> {
  assertRun(place, textLength);
  const largest = Math.min(textLength, WINDOW_BOXES * TEXT_MAX_BYTES);
  try {
    yield* pieces(core, place, textLength);
  } finally {
    core.text.fill(0, 0, largest);
    core.slices.fill(0, 0, runCost(largest, place.pad.burnUnit).padBytes);
  }
}

function* pieces(core: Core, place: RunPlace, textLength: number): Generator<SealingPiece, void, void> {
  const { pad, direction } = place;
  const { boxes } = runCost(textLength, pad.burnUnit);
  const fullCost = boxCost(TEXT_MAX_BYTES, pad.burnUnit);
  core.padId.set(pad.padId);
  for (let box = 0; box < boxes; box += WINDOW_BOXES) {
    const mark = place.mark + box * fullCost;
    const length = Math.min(textLength - box * TEXT_MAX_BYTES, WINDOW_BOXES * TEXT_MAX_BYTES);
    const { boxes: count, padBytes } = runCost(length, pad.burnUnit);
    const offset = boxOffset(pad, direction, mark, padBytes);
    let sealed = false;
    yield {
      text: core.text.subarray(0, length),
      slices: core.slices.subarray(0, padBytes),
      offset,
      mark: mark + padBytes,
      seal() {
        if (sealed) throw new Error("a piece is sealed once");
        sealed = true;
        const last = box + count === boxes ? 1 : 0;
        const fault = faultIn(core.sealBoxes(isDown(direction), pad.burnUnit, offset, padBytes, length, last));
        if (fault === null) return core.items.subarray(0, length + count * FRAME_BYTES);
        const n = Math.min(length - fault.box * TEXT_MAX_BYTES, TEXT_MAX_BYTES);
        throw faultAt(place, fault.code, box + fault.box, mark + fault.box * fullCost, boxCost(n, pad.burnUnit));
      },
    };
    if (!sealed) throw new Error("every piece is sealed before the next");
  }
}

function assertRun(place: RunPlace, textLength: number): void {
  assertPlace(place);
  if (!(Number.isSafeInteger(textLength) && textLength >= 0)) throw new RangeError("a text has a length");
  const { pad, direction, mark } = place;
  const { padBytes } = runCost(textLength, pad.burnUnit);
  const start = boxOffset(pad, direction, mark, padBytes);
  if (start < 0 || start + padBytes > downEnd(pad)) throw new RangeError("the run lies outside the pad");
}
