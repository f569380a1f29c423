// What the bodies of requests are made of. Every field has a bound, and a name has no room for an address or a sentence.

import * as z from "zod";

/** The most bytes that one request or answer carries for a service. */
export const PART_BYTES = 262_144;

/** Bytes, at most so many. */
export function bytes(most: number): z.ZodType<Uint8Array> {
  return z
    .instanceof(Uint8Array, { error: "bytes belong there" })
    .refine((value) => value.length <= most, `more than ${most} bytes`);
}

/** A count or a position. */
export function count(least: number, most: number): z.ZodType<number> {
  return z.int().min(least).max(most);
}

/** An amount of money in minor units: CBOR's whole numbers come as a number or, large ones, as a bigint. */
export const amount: z.ZodType<bigint> = z
  .union([
    z.int().min(0),
    z
      .bigint()
      .min(0n)
      .max(2n ** 63n - 1n),
  ])
  .transform((value) => BigInt(value));

/** The name of something that is offered to all: lower case, digits, and `. _ -` inside. */
export const publicName: z.ZodType<string> = z.string().regex(/^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/);

/** A SHA-256. */
export const digest: z.ZodType<Uint8Array> = z
  .instanceof(Uint8Array, { error: "bytes belong there" })
  .refine((value) => value.length === 32, "not 32 bytes");
