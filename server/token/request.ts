// Requests and answers as bytes (SPEC section 15): CBOR in its deterministic form. A request is decoded strictly; what is
// in its body is data and nothing else. The body of an answer is encoded once, because the numbers around it depend on its
// length.

import { decode, encode, rfc8949EncodeOptions } from "cborg";

export const ID_BYTES = 16;
const NAME_MAX = 64;

/** A request as it came. `service` and `body` are the user's. */
export interface Request {
  readonly id: Uint8Array;
  readonly service: string;
  readonly body: unknown;
}

const STRICT = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  rejectDuplicateMapKeys: true,
} as const;

/** The request in these bytes, or null when they are none. */
export function readRequest(bytes: Uint8Array): Request | null {
  return readPlain(bytes) ?? readAny(bytes);
}

function readAny(bytes: Uint8Array): Request | null {
  let value: unknown;
  try {
    value = decode(bytes, STRICT);
  } catch {
    return null; // Not CBOR, not strict, or nested deeper than the stack.
  }
  if (typeof value !== "object" || value === null || Object.keys(value).length !== 3) return null;
  const { id, service, body } = value as Partial<Request>;
  if (!(id instanceof Uint8Array) || id.length !== ID_BYTES) return null;
  if (typeof service !== "string" || service.length > NAME_MAX || body === undefined) return null;
  return { id, service, body };
}

/**
 * The request when its body is bytes, as that of nearly all: its three fields are found without a decoder. Null: it is not
 * written like that, and is to be looked at as any other.
 */
function readPlain(bytes: Uint8Array): Request | null {
  if (bytes[0] !== 0xa3) return null;
  const id = fieldAt(bytes, 1, ID, BYTE_STRING);
  const body = id && fieldAt(bytes, id.end, BODY, BYTE_STRING);
  const service = body && fieldAt(bytes, body.end, SERVICE, TEXT_STRING);
  if (!service || service.end !== bytes.length || id.end - id.start !== ID_BYTES) return null;
  const name = String.fromCharCode(...bytes.subarray(service.start, service.end));
  if (name.length > NAME_MAX || !/^[a-z]*$/.test(name)) return null;
  return { id: copyOf(bytes, id), service: name, body: copyOf(bytes, body) };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

const BYTE_STRING = 0x40;
const TEXT_STRING = 0x60;
const [ID, BODY, SERVICE] = ["id", "body", "service"].map((name) => [
  TEXT_STRING + name.length,
  ...Buffer.from(name),
]) as [number[], number[], number[]];

/** Where the string lies that stands behind this key, its length in the shortest form. */
function fieldAt(bytes: Uint8Array, at: number, key: readonly number[], kind: number): Span | null {
  for (let i = 0; i < key.length; i++) if (bytes[at + i] !== key[i]) return null;
  const head = at + key.length;
  const form = bytes[head]! - kind;
  const size = form < 24 ? 0 : form === 24 ? 1 : form === 25 ? 2 : 4;
  let length = size === 0 ? form : 0;
  for (let i = 1; i <= size; i++) length = length * 256 + bytes[head + i]!;
  const start = head + 1 + size;
  const shortest = form >= 0 && form <= 26 && length >= [0, 24, 256, 0, 65_536][size]!;
  return shortest && start + length <= bytes.length ? { start, end: start + length } : null;
}

function copyOf(bytes: Uint8Array, { start, end }: Span): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end));
}

/** Overwrites the bytes in a body. (Texts and numbers in it are the engine's, and go when it likes.) */
export function wipe(body: unknown): void {
  if (body instanceof Uint8Array) body.fill(0);
  else if (typeof body === "object" && body !== null) for (const part of Object.values(body)) wipe(part);
}

/** What an answer says beside its numbers. */
export type Outcome =
  | { readonly ok: true; readonly body: unknown }
  | { readonly ok: false; readonly error: { readonly code: string; readonly message: string } };

/** An answer whose numbers are still open. */
export class Answer {
  readonly #head: Uint8Array;

  constructor(id: Uint8Array, outcome: Outcome) {
    const said = (outcome.ok ? outcome.body : outcome.error) ?? null;
    const content = said instanceof Uint8Array ? byteString(said) : encode(said, rfc8949EncodeOptions);
    const name = outcome.ok ? "body" : "error";
    this.#head = Buffer.allocUnsafe(10 + ID_BYTES + name.length + content.length);
    // A map of five; the keys in the order of their encodings: id, ok, body or error, balance, charged.
    this.#head.set([0xa5, 0x62, 0x69, 0x64, 0x50]);
    this.#head.set(id, 5);
    this.#head.set([0x62, 0x6f, 0x6b, outcome.ok ? 0xf5 : 0xf4, 0x60 + name.length], 5 + ID_BYTES);
    for (let i = 0; i < name.length; i++) this.#head[10 + ID_BYTES + i] = name.charCodeAt(i);
    this.#head.set(content, 10 + ID_BYTES + name.length);
  }

  /** The bytes of the answer. */
  text(charged: bigint, balance: bigint): Uint8Array {
    const text = Buffer.allocUnsafe(this.length(charged, balance));
    text.set(this.#head);
    text.set(BALANCE, this.#head.length);
    const at = writeInteger(text, this.#head.length + BALANCE.length, balance);
    text.set(CHARGED, at);
    writeInteger(text, at + CHARGED.length, charged);
    return text;
  }

  /** Bytes of the answer, without making it. */
  length(charged: bigint, balance: bigint): number {
    return this.#head.length + BALANCE.length + CHARGED.length + sizeOf(balance) + sizeOf(charged);
  }

  wipe(): void {
    this.#head.fill(0);
  }
}

function byteString(bytes: Uint8Array): Uint8Array {
  const content = Buffer.allocUnsafe(sizeOf(BigInt(bytes.length)) + bytes.length);
  const start = writeInteger(content, 0, BigInt(bytes.length));
  content[0]! |= BYTE_STRING;
  content.set(bytes, start);
  return content;
}

const BALANCE = new Uint8Array([0x67, ...Buffer.from("balance")]);
const CHARGED = new Uint8Array([0x67, ...Buffer.from("charged")]);

function sizeOf(value: bigint): number {
  return value < 24n ? 1 : value < 0x100n ? 2 : value < 0x1_0000n ? 3 : value < 0x1_0000_0000n ? 5 : 9;
}

/** Writes an unsigned integer in its shortest form, and returns where it ends. */
function writeInteger(bytes: Uint8Array, at: number, value: bigint): number {
  const size = sizeOf(value);
  if (size === 1) {
    bytes[at] = Number(value);
  } else {
    bytes[at] = 24 + Math.log2(size - 1);
    for (let i = size - 1, rest = value; i > 0; i--, rest >>= 8n) bytes[at + i] = Number(rest & 0xffn);
  }
  return at + size;
}
