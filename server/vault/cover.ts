/**
 * The keys of one pad at rest: its tree's cover, wrapped under the epoch key.
 *
 * File: header(56) ‖ nodes, each u32 number ‖ key(32), encrypted ‖ tag(16). Header: `TPCOVER1` ‖ name(8) ‖ u32 length of the pad ‖
 * u32 nodes ‖ u64 revision ‖ epoch id(8) ‖ salt(16). AES-256-GCM with the header as associated data, under a key of this file alone,
 * HMAC-SHA-256 of the header under the epoch key; so the nonce is zero, and nothing depends on how many covers an epoch writes.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import { EPOCH_ID_SIZE, type EpochKey, type EpochKeys } from "./epoch.ts";
import { VaultError } from "./errors.ts";
import { PAGE } from "./page.ts";
import { KEY_SIZE, KeyTree } from "./tree.ts";

const MAGIC = Buffer.from("TPCOVER1");
const NAME_AT = 8;
const LENGTH_AT = 16;
const NODES_AT = 20;
const REVISION_AT = 24;
const EPOCH_AT = 32;
const SALT_AT = 40;
const HEADER = 56;
const NODE = 4 + KEY_SIZE;
const TAG = 16;
const NONCE: Buffer = Buffer.alloc(12);

export interface Cover {
  /** 16 hex digits. */
  readonly name: string;
  /** Of the pad, in bytes. */
  readonly length: number;
  /** Rises by one each time the cover is written. */
  readonly revision: number;
  readonly tree: KeyTree;
}

/** The file's content under this key. */
export function wrapCover({ name, length, revision, tree }: Cover, epoch: EpochKey): Buffer {
  const count = tree.nodes.size;
  const file = Buffer.alloc(HEADER + count * NODE + TAG);
  const header = file.subarray(0, HEADER);
  MAGIC.copy(header);
  header.write(name, NAME_AT, "hex");
  header.writeUInt32LE(length, LENGTH_AT);
  header.writeUInt32LE(count, NODES_AT);
  header.writeBigUInt64LE(BigInt(revision), REVISION_AT);
  epoch.id.copy(header, EPOCH_AT);
  randomBytes(HEADER - SALT_AT).copy(header, SALT_AT);
  const plain = Buffer.alloc(count * NODE);
  let at = 0;
  for (const [node, key] of tree.nodes) {
    plain.writeUInt32LE(node, at);
    key.copy(plain, at + 4);
    at += NODE;
  }
  const cipher = createCipheriv("aes-256-gcm", fileKey(header, epoch), NONCE).setAAD(header);
  cipher.update(plain).copy(file, HEADER);
  cipher.final();
  cipher.getAuthTag().copy(file, file.length - TAG);
  plain.fill(0);
  return file;
}

/**
 * The cover in a file's content.
 * @param keyPath where the epoch key is, for the error
 * @throws VaultError PAD_CORRUPT, KEY_WRONG when it is wrapped under a key that is not known
 */
export function unwrapCover(name: string, file: Buffer, keys: EpochKeys, keyPath: string): Cover {
  const header = file.subarray(0, HEADER);
  const corrupt = () => new VaultError("PAD_CORRUPT", { pad: name, page: null });
  if (file.length < HEADER + TAG || !header.subarray(0, NAME_AT).equals(MAGIC)) throw corrupt();
  const epoch = keys.find(epochOf(file));
  if (epoch === null) throw new VaultError("KEY_WRONG", { path: keyPath });
  const count = header.readUInt32LE(NODES_AT);
  if (header.toString("hex", NAME_AT, LENGTH_AT) !== name || file.length !== HEADER + count * NODE + TAG)
    throw corrupt();
  const cipher = createDecipheriv("aes-256-gcm", fileKey(header, epoch), NONCE).setAAD(header);
  cipher.setAuthTag(file.subarray(file.length - TAG));
  const plain = cipher.update(file.subarray(HEADER, file.length - TAG));
  try {
    cipher.final();
  } catch {
    throw corrupt();
  }
  const nodes = new Map<number, Buffer>();
  for (let at = 0; at < plain.length; at += NODE) {
    nodes.set(plain.readUInt32LE(at), Buffer.from(plain.subarray(at + 4, at + NODE)));
  }
  plain.fill(0);
  const length = header.readUInt32LE(LENGTH_AT);
  const revision = Number(header.readBigUInt64LE(REVISION_AT));
  return { name, length, revision, tree: new KeyTree(length / PAGE, nodes) };
}

/** The id of the key that a cover is wrapped under. */
export function epochOf(file: Buffer): Buffer {
  return file.subarray(EPOCH_AT, EPOCH_AT + EPOCH_ID_SIZE);
}

function fileKey(header: Uint8Array, epoch: EpochKey): Buffer {
  return createHmac("sha256", epoch.key).update(header).digest();
}
