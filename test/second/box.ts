/**
 * One box, sealed and opened as docs/SPEC.md section 2 says, with nothing clever: big integers, one byte after the other.
 * This folder is a second reading of SPEC, written without a look at the code under test; it is slow and keeps no secrets.
 */

export const SLOT = 0;
export const DATA = 1;
export const LAST = 2;
export const OPENING = 3;
export const WELCOME = 4;
export const READY = 5;
export const RECEIPT = 6;
export const GRANT = 7;
export const ADDRESSES = 8;
export const STATE = 9;
export const LONGEST = 4096;

/** Shortest and longest text of a box of each kind that has a tag (section 2). */
const LENGTHS: Readonly<Record<number, readonly [number, number]>> = {
  [DATA]: [0, LONGEST],
  [LAST]: [0, LONGEST],
  [OPENING]: [16, 16],
  [WELCOME]: [48, 48],
  [READY]: [64, 64],
  [RECEIPT]: [48, 48],
  [GRANT]: [4, 4],
  [ADDRESSES]: [10, 228],
  [STATE]: [20, 20],
};

export type Direction = "up" | "down";

/** What SPEC calls an error: its name of section 9 (or 3, for bundles), and its facts. */
export class Failure extends Error {
  readonly code: string;
  readonly detail: number;
  readonly facts: number[];

  constructor(code: string, detail = 0, ...facts: number[]) {
    super(code);
    this.code = code;
    this.detail = detail;
    this.facts = facts;
  }
}

export interface BoxFacts {
  padId: Uint8Array;
  direction: Direction;
  offset: number;
}

/** Bytes that a box of `length` bytes of text consumes (section 1). */
export function consumed(length: number, burnUnit: number): number {
  return Math.ceil((32 + length) / burnUnit) * burnUnit;
}

/** Section 2: `slice` is r, s and the key; padding behind them is never looked at. */
export function seal(slice: Uint8Array, facts: BoxFacts, kind: number, text: Uint8Array): Uint8Array {
  const header = u32(text.length + kind * 65536);
  if (kind === SLOT) return concat(header, text);
  refuseSuspicious(slice.subarray(0, 32 + text.length), facts.offset);
  return concat(header, xor(text, slice.subarray(32)), tagOf(slice, facts, kind, text));
}

/** The text of an item; BAD_ARGUMENT when its header and its length do not agree, then BOX_USED, FLASH_FAULT, AUTH_FAILED (section 8). */
export function open(slice: Uint8Array, facts: BoxFacts, item: Uint8Array): { kind: number; text: Uint8Array } {
  const { kind, length } = shape(item);
  if (isZero(slice.subarray(0, 32))) throw new Failure("BOX_USED", 0, facts.offset);
  refuseSuspicious(slice.subarray(0, 32 + length), facts.offset);
  const text = xor(item.subarray(4, 4 + length), slice.subarray(32));
  if (!equal(item.subarray(4 + length), tagOf(slice, facts, kind, text))) throw new Failure("AUTH_FAILED");
  return { kind, text };
}

/** Kind and length of text of a box that is whole and nothing more; in OPEN it stands at offset 4 of the payload. */
export function shape(item: Uint8Array): { kind: number; length: number } {
  const header = item.length < 4 ? 0 : readU32(item, 0);
  const kind = header >>> 16;
  const length = header & 0xffff;
  const [shortest, longest] = LENGTHS[kind] ?? [1, 0];
  if (length < shortest || length > longest || item.length !== 4 + length + 16) throw new Failure("BAD_ARGUMENT", 4);
  return { kind, length };
}

function tagOf(slice: Uint8Array, facts: BoxFacts, kind: number, text: Uint8Array): Uint8Array {
  const associated = concat(
    Uint8Array.of(1, facts.direction === "up" ? 0 : 1, kind, 0),
    u16(text.length),
    u16(0),
    u32(facts.offset),
    u32(0),
    facts.padId,
  );
  const padding = new Uint8Array((16 - (text.length % 16)) % 16);
  return poly1305(slice.subarray(0, 32), concat(associated, text, padding, u64(32n), u64(BigInt(text.length))));
}

/** RFC 8439 section 2.5. */
export function poly1305(key: Uint8Array, message: Uint8Array): Uint8Array {
  const prime = (1n << 130n) - 5n;
  const r = toBigInt(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  const s = toBigInt(key.subarray(16, 32));
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = toBigInt(concat(message.subarray(at, at + 16), Uint8Array.of(1)));
    sum = ((sum + block) * r) % prime;
  }
  const tag = new Uint8Array(16);
  for (let i = 0; i < 16; i++) tag[i] = Number(((sum + s) >> BigInt(8 * i)) & 255n);
  return tag;
}

/** Where nine or more equal bytes in a row begin, or -1 (section 1). */
export function equalRun(bytes: Uint8Array): number {
  let start = 0;
  for (let i = 1; i < bytes.length; i++) {
    if (bytes[i] !== bytes[start]) start = i;
    else if (i - start === 8) return start;
  }
  return -1;
}

/** FLASH_FAULT with the pad offset at which the equal bytes begin; `offset` is that of the slice. */
export function refuseSuspicious(slice: Uint8Array, offset: number): void {
  if (equalRun(slice) >= 0) throw new Failure("FLASH_FAULT", 6, offset);
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 255, value >>> 8);
}

export function u32(...values: number[]): Uint8Array {
  return concat(...values.map((value) => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24)));
}

export function u64(value: bigint): Uint8Array {
  return u32(Number(value & 0xffffffffn), Number(value >> 32n));
}

export function readU32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
}

export function readU64(bytes: Uint8Array, at: number): bigint {
  return toBigInt(bytes.subarray(at, at + 8));
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] as number));
}

function toBigInt(littleEndian: Uint8Array): bigint {
  return BigInt(`0x0${Buffer.from(littleEndian.toReversed()).toString("hex")}`);
}
