// What was built, in one small file beside it: for which board and chip, from which core, and the digests. Whoever flashes
// an image can tell by it that the image is whole and the one that was built, not that it is a good one: a manifest is not signed.

import { createHash } from "node:crypto";
import { BootError } from "./errors.ts";
import { decodeUf2, type Uf2 } from "./uf2.ts";

/** `manifest.json` of format 1. Digests are SHA-256, addresses and families hexadecimal with 0x, both in small letters. */
export interface Manifest {
  readonly format: 1;
  readonly board: string;
  /** Of the firmware: that of the package that built it. */
  readonly version: string;
  readonly family: string;
  readonly address: string;
  /** Of device.wasm. */
  readonly core: string;
  /** Of the BIN: the image alone. */
  readonly image: string;
  readonly uf2: string;
  /** Bytes by part. */
  readonly sizes: Readonly<Record<string, number>>;
}

/** The name that a manifest has, beside its image. */
export const MANIFEST_NAME = "manifest.json";

/** Where the flash that an RP2040 boots from begins. */
export const FLASH_START = 0x1000_0000;
/** How much of it is the firmware's: behind that a bare board has its pad. */
const FIRMWARE_END = 0x1004_0000;

/** SHA-256 as a manifest writes it. */
export function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** An address or a family as a manifest writes it. */
export function hexWord(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}

/** Reads a manifest. @throws BootError MANIFEST_UNREADABLE, with the field that is wrong */
export function parseManifest(text: string): Manifest {
  const manifest = parseObject(text);
  for (const [field, isRight] of Object.entries(FIELDS)) {
    if (!isRight(manifest[field])) throw new BootError("MANIFEST_UNREADABLE", { field });
  }
  return manifest as unknown as Manifest;
}

/**
 * The image in a UF2 file, when it is the one of which the manifest speaks.
 * @throws BootError WRONG_DIGEST or UF2_OUTSIDE, or what {@link decodeUf2} throws
 */
export function checkUf2(file: Uint8Array, manifest: Manifest): Uf2 {
  // What is wrong with the file itself says more than that its digest differs: it comes first.
  const uf2 = decodeUf2(file, Number(manifest.family));
  mustMatch("uf2", manifest.uf2, digest(file));
  mustMatch("image", manifest.image, digest(uf2.image));
  mustMatch("address", manifest.address, hexWord(uf2.address));
  const end = uf2.address + uf2.image.length;
  if (uf2.address < FLASH_START || end > FIRMWARE_END) {
    throw new BootError("UF2_OUTSIDE", { address: uf2.address, end, allowedEnd: FIRMWARE_END });
  }
  return uf2;
}

function mustMatch(what: "uf2" | "image" | "address", expected: string, found: string): void {
  if (found !== expected) throw new BootError("WRONG_DIGEST", { what, expected, found });
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw new BootError("MANIFEST_UNREADABLE", { field: "all of it" }, cause);
  }
  throw new BootError("MANIFEST_UNREADABLE", { field: "all of it" });
}

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const isWord = (value: unknown): boolean => typeof value === "string" && /^0x[0-9a-f]{8}$/.test(value);
const isDigest = (value: unknown): boolean => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);

const FIELDS: { readonly [Field in keyof Manifest]: (value: unknown) => boolean } = {
  format: (value) => value === 1,
  board: isText,
  version: isText,
  family: isWord,
  address: isWord,
  core: isDigest,
  image: isDigest,
  uf2: isDigest,
  sizes: (value) =>
    typeof value === "object" && value !== null && Object.values(value).every((bytes) => Number.isSafeInteger(bytes)),
};
