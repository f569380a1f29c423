// Items: what the two ends of a pad send each other, one behind the other, in a bundle or a link (SPEC section 2). A header
// says what an item is and where it ends; whether it is genuine only the pad can tell.

import { TEXT_MAX_BYTES } from "./pad.ts";

/** The kinds of items; the index is the number on the wire. */
const KINDS = [
  "slot",
  "data",
  "last",
  "opening",
  "welcome",
  "ready",
  "receipt",
  "grant",
  "addresses",
  "state",
] as const;
export type ItemKind = (typeof KINDS)[number];

/** The number of each kind on the wire. */
export const KIND_NUMBER: Readonly<Record<ItemKind, number>> = Object.fromEntries(
  KINDS.map((kind, number) => [kind, number]),
) as Record<ItemKind, number>;

/** The kind of this number, or null when there is none. */
export function kindOf(number: number): ItemKind | null {
  return KINDS[number] ?? null;
}

export const HEADER_BYTES = 4;
export const TAG_BYTES = 16;
/** A list of addresses: what it says of itself, and what a page of the identity holds. */
export const ADDRESSES_MAX_BYTES = 228;

/** How long the text of an item may be, from and to. */
const TEXT_BYTES: Readonly<Record<ItemKind, readonly [least: number, most: number]>> = {
  slot: [16, 16],
  data: [0, TEXT_MAX_BYTES],
  last: [0, TEXT_MAX_BYTES],
  opening: [16, 16],
  welcome: [48, 48],
  ready: [64, 64],
  receipt: [48, 48],
  grant: [4, 4],
  addresses: [10, ADDRESSES_MAX_BYTES],
  state: [20, 20],
};

/** What a header announces. Sizes in bytes. */
export interface ItemShape {
  readonly kind: ItemKind;
  readonly textLength: number;
  /** Of the whole item. */
  readonly length: number;
}

/** What the four bytes of a header announce, or null when there is no such item. */
export function itemShape(header: Uint8Array): ItemShape | null {
  const textLength = (header[0] as number) | ((header[1] as number) << 8);
  const kind = kindOf(header[2] as number);
  if (kind === null || header[3] !== 0) return null;
  const [least, most] = TEXT_BYTES[kind];
  if (textLength < least || textLength > most) return null;
  return { kind, textLength, length: HEADER_BYTES + textLength + (kind === "slot" ? 0 : TAG_BYTES) };
}

/** The item with which a call or a segment begins: the tag of a slot, in clear (20 bytes). */
export function slotItem(tag: Uint8Array): Uint8Array {
  if (tag.length !== TAG_BYTES) throw new RangeError(`${tag.length} bytes where a tag belongs`);
  const item = new Uint8Array(HEADER_BYTES + TAG_BYTES);
  item[0] = TAG_BYTES;
  item.set(tag, HEADER_BYTES);
  return item;
}
