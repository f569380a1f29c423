// The three identity pages as they lie on a chip (SPEC section 4). Each carries a checksum of its own, so that a corrupt
// one can be named.

import { type AddressList, crc32, type Provenance, type Side, unpackAddresses } from "../protocol/index.ts";
import { bytesOf, type Chip } from "./chip.ts";
import { ImageError } from "./errors.ts";

const PAGE_BYTES = 256;
const CRC_AT = PAGE_BYTES - 4;
const LIST_AT = 32;
const VERSION = 1;
const PROVENANCES: readonly Provenance[] = ["csprng", "physical"];

/** Why a page cannot be trusted. */
export type Problem = "no magic" | "version" | "length" | "revision" | "checksum" | "contents";

/** A page: where it is, what it says of itself, and what it holds when it is right. */
export interface Page<Content> {
  readonly address: number;
  readonly bytes: number;
  readonly version: number;
  /** The CRC-32 that it carries, in hexadecimal. */
  readonly checksum: string;
  /** null when it is right; then there is content. */
  readonly problem: Problem | null;
  readonly content: Content | null;
}

/** Which pad this is and where its bytes came from. */
export interface IdentityContent {
  readonly side: Side;
  readonly padId: string;
  readonly serial: string;
  readonly padLength: number;
  readonly firstSplit: number;
  readonly provenance: Provenance;
  /** Bits per byte. */
  readonly claimedMinEntropy: number;
  readonly samplesTested: number;
  readonly longestRepetition: number;
  readonly highestProportion: number;
  readonly sourceName: string;
  /** What the value of a token is counted in; empty for a pad of two people. */
  readonly asset: string;
  /** What a link may cost without a press of the button, in minor units. */
  readonly limit: bigint;
  /** Of the fill; 0 for one of release 0.1.0. */
  readonly generation: number;
}

/** How the other end is reached. */
export interface ConnectionContent {
  readonly slots: { readonly low: number; readonly high: number };
  readonly slotBytes: number;
  /** Where the server of a token is found. */
  readonly list: AddressList;
}

/** How texts are encrypted. */
export interface EncryptionContent {
  readonly suite: number;
  readonly burnUnit: number;
  readonly longestText: number;
  readonly controlReserve: number;
}

export interface Identity {
  readonly identity: Page<IdentityContent>;
  readonly connection: Page<ConnectionContent>;
  readonly encryption: Page<EncryptionContent>;
}

/** The pages of a revision in the copy at `address`. @throws ImageError IMAGE_VERSION */
export function readIdentity(chip: Chip, address: number, revision: number): Identity {
  const pages = bytesOf(chip, address, 3 * PAGE_BYTES);
  const page = <Content>(index: number, section: string, magic: string, decode: Decode<Content>): Page<Content> =>
    readPage(pages.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES), {
      address: address + index * PAGE_BYTES,
      section,
      magic,
      revision,
      decode,
    });
  return {
    identity: page(0, "identity", "TPID", decodeIdentity),
    connection: page(1, "connection", "TPCN", decodeConnection),
    encryption: page(2, "encryption", "TPEN", decodeEncryption),
  };
}

/** The identity page as a device gives it. @throws ImageError IMAGE_VERSION */
export function readIdentityPage(page: Uint8Array): Page<IdentityContent> {
  const revision = new DataView(page.buffer, page.byteOffset, PAGE_BYTES).getUint32(8, true);
  return readPage(page, { address: 0, section: "identity", magic: "TPID", revision, decode: decodeIdentity });
}

/** The contents of a page whose checksum is right, or null when no fill writes such contents. */
type Decode<Content> = (page: Uint8Array, view: DataView) => Content | null;

interface Expected<Content> {
  readonly address: number;
  readonly section: string;
  readonly magic: string;
  readonly revision: number;
  readonly decode: Decode<Content>;
}

function readPage<Content>(page: Uint8Array, expected: Expected<Content>): Page<Content> {
  const view = new DataView(page.buffer, page.byteOffset, PAGE_BYTES);
  const version = view.getUint16(4, true);
  const carried = view.getUint32(CRC_AT, true);
  const problem = problemOf(page, view, expected);
  if (problem === "version") throw new ImageError("IMAGE_VERSION", { section: expected.section, version });
  const content = problem === null ? expected.decode(page, view) : null;
  return {
    address: expected.address,
    bytes: PAGE_BYTES,
    version,
    checksum: carried.toString(16).padStart(8, "0"),
    problem: problem ?? (content === null ? "contents" : null),
    content,
  };
}

/** A page of another version has a right checksum; with a wrong one its version may be what was damaged. */
function problemOf(page: Uint8Array, view: DataView, { magic, revision }: Expected<unknown>): Problem | null {
  if (String.fromCharCode(...page.subarray(0, 4)) !== magic) return "no magic";
  if (view.getUint32(CRC_AT, true) !== crc32(page.subarray(0, CRC_AT))) return "checksum";
  if (view.getUint16(4, true) !== VERSION) return "version";
  if (view.getUint16(6, true) !== PAGE_BYTES) return "length";
  return view.getUint32(8, true) === revision ? null : "revision";
}

function decodeIdentity(page: Uint8Array, view: DataView): IdentityContent | null {
  const provenance = PROVENANCES[view.getUint8(13) - 1];
  if (view.getUint8(12) > 1 || provenance === undefined) return null;
  const name = page.subarray(64, 128);
  const end = name.indexOf(0);
  return {
    side: view.getUint8(12) === 0 ? "low" : "high",
    padId: hex(page.subarray(16, 32)),
    serial: hex(page.subarray(32, 40)),
    padLength: view.getUint32(40, true),
    firstSplit: view.getUint32(44, true),
    provenance,
    claimedMinEntropy: view.getUint16(14, true) / 1000,
    samplesTested: Number(view.getBigUint64(48, true)),
    longestRepetition: view.getUint32(56, true),
    highestProportion: view.getUint32(60, true),
    sourceName: new TextDecoder().decode(end === -1 ? name : name.subarray(0, end)),
    asset: String.fromCharCode(...page.subarray(128, 136).filter((byte) => byte !== 0)),
    limit: view.getBigUint64(136, true),
    generation: view.getUint32(144, true),
  };
}

function decodeConnection(page: Uint8Array, view: DataView): ConnectionContent | null {
  const count = view.getUint32(24, true);
  let end = LIST_AT;
  for (let i = 0; i < count && end < CRC_AT; i++) end += 1 + page[end]!;
  const addresses = end > CRC_AT ? null : unpackAddresses(page.subarray(LIST_AT, end), count);
  if (addresses === null) return null;
  return {
    slots: { low: view.getUint32(12, true), high: view.getUint32(16, true) },
    slotBytes: view.getUint32(20, true),
    list: { number: view.getUint32(28, true), addresses },
  };
}

function decodeEncryption(_page: Uint8Array, view: DataView): EncryptionContent {
  return {
    suite: view.getUint8(12),
    burnUnit: view.getUint16(14, true),
    longestText: view.getUint32(16, true),
    controlReserve: view.getUint32(20, true),
  };
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
