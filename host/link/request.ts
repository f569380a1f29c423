// Requests and answers as they lie in their runs (SPEC section 15).

import { decode, encode, rfc8949EncodeOptions } from "cborg";
import { LinkFailure } from "./errors.ts";

const ID_BYTES = 16;
/** The id under which a server answers a request that it could not read. */
const NO_ID = "0".repeat(2 * ID_BYTES);

/** What a service answered. */
export interface Answer {
  /** Of its request, in hexadecimal: who gets an answer twice, after a crash, knows it by this. */
  readonly id: string;
  /** All that the request cost, and the balance after it, in minor units. */
  readonly charged: bigint;
  readonly balance: bigint;
  readonly body: unknown;
}

/** An answer as it came: with what the service failed with, when it did. */
export interface Reply extends Answer {
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** A fresh id, in hexadecimal. */
export function newId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(ID_BYTES))).toString("hex");
}

/** The text of a request. @throws TypeError for a body that CBOR cannot hold */
export function encodeRequest(id: string, service: string, body: unknown): Uint8Array {
  try {
    return encode({ id: new Uint8Array(Buffer.from(id, "hex")), service, body }, rfc8949EncodeOptions);
  } catch (error) {
    throw new TypeError(`the body of a request cannot be written as CBOR: ${(error as Error).message}`);
  }
}

/** What the text of a request asks. */
export function askedIn(text: Uint8Array): { readonly service: string; readonly body: unknown } {
  const { service, body } = decode(text) as { service: string; body: unknown };
  return { service, body };
}

/** The answer in a text, or null when that is none. Its id is null when the server could not read the request. */
export function decodeAnswer(text: Uint8Array): (Omit<Reply, "id"> & { readonly id: string | null }) | null {
  let answer: Record<string, unknown>;
  try {
    answer = decode(text, { rejectDuplicateMapKeys: true }) as Record<string, unknown>;
  } catch {
    return null;
  }
  if (typeof answer !== "object" || answer === null) return null;
  const { id, ok, charged, balance, body, error } = answer;
  if (!(id instanceof Uint8Array) || id.length !== ID_BYTES || !isAmount(charged) || !isAmount(balance)) return null;
  if (ok !== true && !(ok === false && isServiceError(error))) return null;
  const hex = Buffer.from(id).toString("hex");
  return {
    id: hex === NO_ID ? null : hex,
    charged: BigInt(charged),
    balance: BigInt(balance),
    body,
    error: ok ? null : (error as Reply["error"]),
  };
}

/** The answer, when the service did not fail. @throws LinkFailure CAP_EXCEEDED or SERVICE_ERROR */
export function answerOf({ id, charged, balance, body, error }: Reply): Answer {
  if (error === null) return { id, charged, balance, body };
  if (error.code === "CAP_EXCEEDED") throw new LinkFailure("CAP_EXCEEDED", { charged, balance, says: error.message });
  throw new LinkFailure("SERVICE_ERROR", { error: error.code, says: error.message, charged, balance });
}

function isAmount(value: unknown): value is number | bigint {
  return (
    (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) ||
    (typeof value === "bigint" && value >= 0n)
  );
}

function isServiceError(value: unknown): boolean {
  const error = value as { code?: unknown; message?: unknown } | null;
  return typeof error === "object" && typeof error?.code === "string" && typeof error.message === "string";
}
