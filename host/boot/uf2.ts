// UF2, the file that a board in boot mode takes on its drive: blocks of 512 bytes, each with the address of the page that it
// carries, so that a drive can write them as they come. What this reads and writes is the plain form that the RP2040's boot
// program takes: one family, one run of whole pages, blocks in order. A file that is anything else is refused before any of
// it reaches a board: a boot program takes what it understands and says nothing about the rest.
//
// Sources: "USB Flashing Format (UF2)", Microsoft; RP2040 data sheet, section 2.8.4.2 (UF2 format details) and erratum
// RP2040-E14: that boot program erases a sector of 4 KiB by the number of a block, once for every sixteen of them, so that
// an image has to begin where a sector does and to have no gap.

import { BootError } from "./errors.ts";

/** The family of the RP2040: its boot program takes no other. */
export const RP2040_FAMILY = 0xe48b_ff56;

/** An image and the address in the chip's address space at which it begins. */
export interface Uf2 {
  readonly address: number;
  readonly family: number;
  /** Whole pages of 256 bytes. */
  readonly image: Uint8Array;
}

const BLOCK = 512;
const PAGE = 256;
const SECTOR = 4096;
const PAYLOAD_AT = 32;
const MAGIC = [0x0a32_4655, 0x9e5d_5157] as const;
const MAGIC_END = 0x0ab1_6f30;
const END_AT = BLOCK - 4;
/** The field of the family holds a family; nothing else that a flag can say is for these boards. */
const FLAGS = 0x2000;

/**
 * The UF2 file of an image. The image is whole pages of 256 bytes, so that what a board holds is exactly what was built, and
 * begins where a sector of 4 KiB does.
 */
export function encodeUf2(image: Uint8Array, { address, family }: Pick<Uf2, "address" | "family">): Uint8Array {
  if (image.length === 0 || image.length % PAGE !== 0) throw new Error(`An image of ${image.length} bytes.`);
  if (address % SECTOR !== 0) throw new Error(`An image at address ${address}.`);
  const count = image.length / PAGE;
  const file = new Uint8Array(count * BLOCK);
  for (let number = 0; number < count; number++) {
    const view = new DataView(file.buffer, number * BLOCK, BLOCK);
    const head = [...MAGIC, FLAGS, address + number * PAGE, PAGE, number, count, family];
    for (const [index, word] of head.entries()) view.setUint32(4 * index, word, true);
    file.set(image.subarray(number * PAGE, (number + 1) * PAGE), number * BLOCK + PAYLOAD_AT);
    view.setUint32(END_AT, MAGIC_END, true);
  }
  return file;
}

/**
 * The image in a UF2 file for chips of `family`.
 * @throws BootError UF2_TRUNCATED, UF2_MAGIC, UF2_FLAGS, UF2_FAMILY, UF2_PAYLOAD, UF2_COUNT, UF2_DOUBLED, UF2_MISSING,
 * UF2_ORDER or UF2_ADDRESS
 */
export function decodeUf2(bytes: Uint8Array, family: number = RP2040_FAMILY): Uf2 {
  const blocks = Array.from({ length: Math.floor(bytes.length / BLOCK) }, (_, position) =>
    readBlock(bytes.subarray(position * BLOCK, (position + 1) * BLOCK), position, family),
  );
  const [first] = blocks;
  if (first === undefined) throw new BootError("UF2_TRUNCATED", { bytes: bytes.length, needed: BLOCK });
  mustBeWhole(blocks, bytes.length, first.count);

  const image = new Uint8Array(blocks.length * PAGE);
  const start = first.address - (first.address % SECTOR);
  for (const [position, { address, page }] of blocks.entries()) {
    const expected = start + position * PAGE;
    if (address !== expected) throw new BootError("UF2_ADDRESS", { block: position, address, expected });
    image.set(page, position * PAGE);
  }
  return { address: first.address, family, image };
}

interface Block {
  readonly address: number;
  readonly number: number;
  readonly count: number;
  readonly page: Uint8Array;
}

/** One block, judged by itself. */
function readBlock(bytes: Uint8Array, position: number, family: number): Block {
  const view = new DataView(bytes.buffer, bytes.byteOffset, BLOCK);
  const word = (index: number): number => view.getUint32(4 * index, true);
  if (word(0) !== MAGIC[0] || word(1) !== MAGIC[1] || view.getUint32(END_AT, true) !== MAGIC_END) {
    throw new BootError("UF2_MAGIC", { block: position });
  }
  if (word(2) !== FLAGS) throw new BootError("UF2_FLAGS", { block: position, flags: word(2) });
  if (word(7) !== family) throw new BootError("UF2_FAMILY", { block: position, family: word(7), expected: family });
  if (word(4) !== PAGE) throw new BootError("UF2_PAYLOAD", { block: position, bytes: word(4) });
  return { address: word(3), number: word(5), count: word(6), page: bytes.subarray(PAYLOAD_AT, PAYLOAD_AT + PAGE) };
}

/** The blocks are those that they say they are: every one of `count`, once, in order, and nothing behind them. */
function mustBeWhole(blocks: readonly Block[], length: number, count: number): void {
  const seen = new Set<number>();
  for (const [position, block] of blocks.entries()) {
    if (block.count !== count || block.number >= count) {
      throw new BootError("UF2_COUNT", { block: position, number: block.number, count: block.count });
    }
    if (seen.has(block.number)) throw new BootError("UF2_DOUBLED", { block: block.number });
    seen.add(block.number);
  }
  const missing = blocks.findIndex((_, number) => !seen.has(number));
  if (missing >= 0) throw new BootError("UF2_MISSING", { block: missing, count });
  const moved = blocks.findIndex(({ number }, position) => number !== position);
  if (moved >= 0) throw new BootError("UF2_ORDER", { block: moved, found: blocks[moved]!.number });
  if (length !== count * BLOCK) throw new BootError("UF2_TRUNCATED", { bytes: length, needed: count * BLOCK });
}
