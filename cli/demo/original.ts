// The observer's copy of a pad, as it was made: what it says about a box, from its bytes alone. Kept for the demonstration
// and for nothing else, since nobody could check the claim without it. A real pad has two copies.

import { open } from "node:fs/promises";
import type { IdentityContent } from "../../host/image/index.ts";
import { type Direction, type PadShape, Poly1305 } from "../../host/protocol/index.ts";
import { inspectFile } from "../image-file.ts";

/** A pad as it was made. */
export interface OriginalPad {
  readonly bytes: Buffer;
  readonly shape: PadShape;
  /** 16 bytes in hexadecimal. */
  readonly padId: string;
}

// What an item has around its text, and a slice before the key of it (SPEC section 2), as the observers know it.
export const HEADER_BYTES = 4;
export const TAG_BYTES = 16;
export const KEY_BYTES = 32;

/** A part of the pad; what lies outside of it reads as zero. */
export function padBytes({ bytes }: OriginalPad, offset: number, length: number): Uint8Array {
  const part = new Uint8Array(length);
  if (offset >= 0) part.set(bytes.subarray(offset, offset + length));
  return part;
}

/** The text that a ciphertext hides when its box lies at an offset. */
export function textUnder(pad: OriginalPad, offset: number, ciphertext: Uint8Array): Uint8Array {
  const key = padBytes(pad, offset + KEY_BYTES, ciphertext.length);
  return ciphertext.map((byte, i) => byte ^ (key[i] as number));
}

/** The tag that a box with this text must have (SPEC section 2). */
export function tagOf(
  pad: OriginalPad,
  direction: Direction,
  kind: number,
  offset: number,
  text: Uint8Array,
): Uint8Array {
  const n = text.length;
  const message = Buffer.alloc(32 + Math.ceil(n / 16) * 16 + 16);
  message[0] = 1;
  message[1] = direction === "up" ? 0 : 1;
  message[2] = kind;
  message.writeUInt16LE(n, 4);
  message.writeUInt32LE(offset, 8);
  message.write(pad.padId, 16, "hex");
  message.set(text, 32);
  message.writeUInt32LE(32, message.length - 16);
  message.writeUInt32LE(n, message.length - 8);
  const mac = new Poly1305(padBytes(pad, offset, KEY_BYTES));
  mac.update(message);
  return mac.digest();
}

/** The pad in an image: its shape, where it begins, and what the device records of it. */
export function padOf(image: string): { shape: PadShape; address: number; identity: IdentityContent } {
  const { pad, identity } = inspectFile(image);
  if (pad === null || !identity?.content) throw new Error(`${image} holds no pad in use.`);
  const { padLength, slots, burnUnit } = pad.marks;
  return { shape: { padLength, slots, burnUnit }, address: pad.address, identity: identity.content };
}

/** A part of a file. */
export async function bytesOf(path: string, position: number, length: number): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
