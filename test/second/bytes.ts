/** How test vectors write bytes, and the published generator of their pads and texts (test/vectors/README.md). */
import { createHash } from "node:crypto";
import { concat, u32, u64 } from "./box.ts";

/** Hexadecimal; UTF-8 text; a u32; a u64 in decimal; zeros; a slice of a generated sequence; or several of these, one after the other. */
export type Bytes =
  | string
  | { text: string }
  | { u32: number }
  | { u64: string }
  | { zeros: number }
  | Seeded
  | Bytes[];

export interface Seeded {
  seed: string;
  length: number;
  /** Where the slice begins; 0 when absent. */
  from?: number;
}

export function bytesOf(bytes: Bytes): Uint8Array {
  if (typeof bytes === "string") return Uint8Array.from(Buffer.from(bytes, "hex"));
  if (Array.isArray(bytes)) return concat(...bytes.map(bytesOf));
  if ("text" in bytes) return Uint8Array.from(Buffer.from(bytes.text));
  if ("u32" in bytes) return u32(bytes.u32);
  if ("u64" in bytes) return u64(BigInt(bytes.u64));
  if ("zeros" in bytes) return new Uint8Array(bytes.zeros);
  return generated(bytes);
}

/** What was made of each sequence before: many vectors use the same pads. */
const sequences = new Map<string, Uint8Array>();

/** SHA-256(seed ‖ u32 counter) for the counters 0, 1, 2 …, concatenated. */
function generated({ seed, length, from = 0 }: Seeded): Uint8Array {
  const made = sequences.get(seed) ?? new Uint8Array(0);
  if (made.length >= from + length) return made.slice(from, from + length);
  const blocks: Uint8Array[] = [];
  for (let counter = 0; counter * 32 < from + length; counter++) {
    blocks.push(createHash("sha256").update(seed).update(u32(counter)).digest());
  }
  sequences.set(seed, concat(...blocks));
  return generated({ seed, length, from });
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Expected bytes: in full, or when they are long by their length and SHA-256. */
export type Expected = string | { length: number; sha256: string };

export function expected(bytes: Uint8Array): Expected {
  if (bytes.length <= 256) return hex(bytes);
  return { length: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}
