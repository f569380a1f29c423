// Bytes as the vectors write them (test/vectors/README.md), in a browser as in Node.

import { concat } from "./body.ts";

export type Bytes =
  | string
  | { readonly text: string }
  | { readonly u32: number }
  | { readonly u64: string }
  | { readonly zeros: number }
  | { readonly repeat: string; readonly times: number }
  | { readonly seed: string; readonly length: number; readonly from?: number }
  | readonly Bytes[];

/** Hexadecimal with dots for half bytes that may be anything, or length and SHA-256. */
export type Expected = string | { readonly length: number; readonly sha256: string };

export async function bytesOf(bytes: Bytes): Promise<Uint8Array> {
  if (typeof bytes === "string")
    return Uint8Array.from(bytes.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
  if (isList(bytes)) return concat(...(await Promise.all(bytes.map(bytesOf))));
  if ("text" in bytes) return new TextEncoder().encode(bytes.text);
  if ("zeros" in bytes) return new Uint8Array(bytes.zeros);
  if ("repeat" in bytes) return new Uint8Array(bytes.times).fill(Number.parseInt(bytes.repeat, 16));
  if ("u32" in bytes) return u32(bytes.u32);
  if ("u64" in bytes) return u32(Number(BigInt(bytes.u64) & 0xffffffffn), Number(BigInt(bytes.u64) >> 32n));
  const { seed, length, from = 0 } = bytes;
  return (await generated(seed, from + length)).slice(from, from + length);
}

function isList(bytes: Bytes): bytes is readonly Bytes[] {
  return Array.isArray(bytes);
}

const sequences = new Map<string, Uint8Array>();

/** At least the first `length` bytes of the generated sequence of a seed. */
export async function generated(seed: string, length: number): Promise<Uint8Array> {
  const known = sequences.get(seed);
  if (known && known.length >= length) return known;
  const head = new TextEncoder().encode(seed);
  const counters = Array.from({ length: Math.ceil(length / 32) }, (_, counter) => counter);
  const made = concat(...(await Promise.all(counters.map((counter) => sha256(concat(head, u32(counter)))))));
  sequences.set(seed, made);
  return made;
}

export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function u32(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  for (const [i, value] of values.entries()) new DataView(bytes.buffer).setUint32(4 * i, value, true);
  return bytes;
}

/** @throws Error that names the first byte that differs */
export async function mustBe(what: string, actual: Uint8Array, expected: Expected): Promise<void> {
  if (typeof expected !== "string")
    return mustEqual(what, `${actual.length} ${hex(await sha256(actual))}`, `${expected.length} ${expected.sha256}`);
  const said = hex(actual);
  if (!new RegExp(`^${expected}$`).test(said)) throw new Error(`${what}: expected ${expected}, got ${said}`);
}

export function mustEqual(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${what}: expected ${expected}, got ${actual}`);
}
