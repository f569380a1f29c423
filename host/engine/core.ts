// One instance of the WebAssembly build (assembly/engine.ts): its functions, hoisted once, and its windows as views. The
// memory never grows, so the views stay good for as long as the instance lives.

import { instantiateSync } from "@assemblyscript/loader";
import type { Direction } from "../protocol/index.ts";

/** The windows of an instance and what works on them. Text, slices and items lie from the start of their window on. */
export interface Core {
  readonly padId: Uint8Array;
  readonly text: Uint8Array;
  readonly slices: Uint8Array;
  readonly items: Uint8Array;
  /** Seals `length` bytes of text into boxes, the last of them LAST if `last`; the pad stretch begins at `offset`. */
  sealBoxes(down: 0 | 1, burnUnit: number, offset: number, padBytes: number, length: number, last: 0 | 1): number;
  /** Seals `length` bytes of text into one item of this kind; its slice begins at `offset`. */
  sealItem(down: 0 | 1, kind: number, offset: number, length: number): number;
  /** Opens so many boxes. */
  openBoxes(down: 0 | 1, burnUnit: number, offset: number, padBytes: number, boxes: number): number;
}

/** Boxes that a window holds. */
export const WINDOW_BOXES = 16;

/** The direction as the functions take it. */
export function isDown(direction: Direction): 0 | 1 {
  return direction === "down" ? 1 : 0;
}

/** What a function found to be wrong with which box of the window, or null. */
export function faultIn(answer: number): { code: FaultCode; box: number } | null {
  const code = FAULTS[answer & 0xff];
  return code === null || code === undefined ? null : { code, box: answer >>> 8 };
}

const FAULTS = [null, "BOX_USED", "FLASH_FAULT", "AUTH_FAILED"] as const;
export type FaultCode = Exclude<(typeof FAULTS)[number], null>;

type Window = "text" | "slices" | "items";
type Exports = Pick<Core, "sealBoxes" | "sealItem" | "openBoxes"> & { readonly memory: WebAssembly.Memory } & {
  readonly [name in Window | `${Window}Size` | "padId"]: WebAssembly.Global;
};

/** A new instance. The module is small: this takes well under a millisecond. */
export function newCore(module: WebAssembly.Module): Core {
  // The functions as the instance has them: the loader's wrappers would double the cost of a call.
  const exports = instantiateSync(module).instance.exports as unknown as Exports;
  const view = (address: number, size: number) => new Uint8Array(exports.memory.buffer, address, size);
  return {
    padId: view(exports.padId.value, 16),
    text: view(exports.text.value, exports.textSize.value),
    slices: view(exports.slices.value, exports.slicesSize.value),
    items: view(exports.items.value, exports.itemsSize.value),
    sealBoxes: exports.sealBoxes,
    sealItem: exports.sealItem,
    openBoxes: exports.openBoxes,
  };
}
