// Bodies of requests and answers as people and scripts write them: JSON, in which "hex:…" stands for bytes.

import { UsageError } from "./command.ts";

const HEX = "hex:";

/** @throws UsageError for what is no JSON, and for digits after "hex:" that make no bytes */
export function bodyOf(text: string): unknown {
  try {
    return JSON.parse(text, (_, value) =>
      typeof value === "string" && value.startsWith(HEX) ? bytesOf(value.slice(HEX.length)) : value,
    );
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`A body is JSON, with "hex:…" for bytes: '{"action":"list"}'.`);
  }
}

/** The same the other way. */
export function shown(value: unknown): unknown {
  if (value instanceof Uint8Array) return `${HEX}${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shown(inner)]));
}

/** Node's own reader stops in silence at the first digit that is none. */
function bytesOf(digits: string): Uint8Array {
  if (/^([0-9a-f]{2})*$/i.test(digits)) return new Uint8Array(Buffer.from(digits, "hex"));
  throw new UsageError(`"${HEX}" takes two hexadecimal digits for each byte, such as "hex:00ff".`);
}
