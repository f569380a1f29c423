/** Bytes as test vectors write them (test/vectors/README.md), and whether bytes are the expected ones. */
import { createHash } from "node:crypto";

/** Hexadecimal; UTF-8 text; a u32; a u64 in decimal; zeros; one byte many times; a slice of a generated sequence; or several, one after the other. */
export type Bytes =
  | string
  | { readonly text: string }
  | { readonly u32: number }
  | { readonly u64: string }
  | { readonly zeros: number }
  | { readonly repeat: string; readonly times: number }
  | Seeded
  | readonly Bytes[];

export interface Seeded {
  readonly seed: string;
  readonly length: number;
  readonly from?: number;
}

/** In hexadecimal, where a dot stands for half a byte that may be anything; or, when they are many, by length and SHA-256. */
export type Expected = string | { readonly length: number; readonly sha256: string };

export function bytesOf(bytes: Bytes): Uint8Array {
  return new Uint8Array(bufferOf(bytes));
}

function bufferOf(bytes: Bytes): Buffer {
  if (typeof bytes === "string") return Buffer.from(bytes, "hex");
  if (isList(bytes)) return Buffer.concat(bytes.map(bufferOf));
  if ("text" in bytes) return Buffer.from(bytes.text);
  if ("zeros" in bytes) return Buffer.alloc(bytes.zeros);
  if ("repeat" in bytes) return Buffer.alloc(bytes.times, bytes.repeat, "hex");
  if ("seed" in bytes) return generated(bytes);
  if ("u64" in bytes) return Buffer.from(BigUint64Array.of(BigInt(bytes.u64)).buffer);
  const word = Buffer.alloc(4);
  word.writeUInt32LE(bytes.u32);
  return word;
}

function isList(bytes: Bytes): bytes is readonly Bytes[] {
  return Array.isArray(bytes);
}

/** What was made of each sequence before: many vectors use the same pads. */
const sequences: Map<string, Buffer> = new Map();

/** SHA-256(seed ‖ u32 counter) for the counters 0, 1, 2 …, one after the other. */
function generated({ seed, length, from = 0 }: Seeded): Buffer {
  let made = sequences.get(seed) ?? Buffer.alloc(0);
  if (made.length < from + length) {
    const blocks = [made];
    for (let counter = made.length / 32; counter * 32 < from + length; counter++) {
      blocks.push(
        createHash("sha256")
          .update(seed)
          .update(bufferOf({ u32: counter }))
          .digest(),
      );
    }
    made = Buffer.concat(blocks);
    sequences.set(seed, made);
  }
  return Buffer.from(made.subarray(from, from + length));
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Throws a {@link Mismatch} unless the bytes are the expected ones. */
export function expectBytes(what: string, actual: Uint8Array, expected: Expected): void {
  if (typeof expected === "string") {
    const written = hex(actual);
    const same =
      written.length === expected.length && [...expected].every((char, i) => char === "." || char === written[i]);
    if (!same) throw new Mismatch(what, shorten(written), shorten(expected));
  } else {
    const sha256 = createHash("sha256").update(actual).digest("hex");
    expectEqual(`${what}: length`, actual.length, expected.length);
    expectEqual(`${what}: SHA-256`, sha256, expected.sha256);
  }
}

export function expectEqual(what: string, actual: string | number, expected: string | number): void {
  if (actual !== expected) throw new Mismatch(what, String(actual), String(expected));
}

/** The build under test does not do what the vector says. */
class Mismatch extends Error {
  constructor(what: string, actual: string, expected: string) {
    super(`${what} is ${actual || "nothing"}, expected ${expected || "nothing"}`);
    this.name = "Mismatch";
  }
}

function shorten(written: string): string {
  return written.length > 200 ? `${written.slice(0, 200)}…` : written;
}
