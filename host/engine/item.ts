// What stands around the text of a box on the wire (SPEC section 2): a header before it and a tag behind it.

import { type BoxKind, TEXT_MAX_BYTES } from "../protocol/index.ts";

const HEADER_BYTES = 4;
/** What a box of a run is longer than its text. */
export const FRAME_BYTES = 20;
/** Key bytes of a slice before those of the text. */
export const KEY_BYTES = 32;

/** Where in an item its text lies. */
export interface ItemShape {
  readonly kind: BoxKind;
  readonly textLength: number;
}

/**
 * What the header at `at`, in bytes up to `end`, announces: null when it is not there as a whole, "bad" when it is not that
 * of a box of a run.
 */
export function itemAt(bytes: Uint8Array, at: number, end: number = bytes.length): ItemShape | "bad" | null {
  if (at + HEADER_BYTES > end) return null;
  const textLength = bytes[at]! | (bytes[at + 1]! << 8);
  const kind = bytes[at + 2] === 1 ? "data" : bytes[at + 2] === 2 ? "last" : null;
  if (kind === null || bytes[at + 3] !== 0 || textLength > TEXT_MAX_BYTES) return "bad";
  return { kind, textLength };
}
