/** Vectors of kind control: the boxes of a link that only cores make and read, as texts in the host's protocol and as boxes in its engine. */
import type { Engine } from "../../host/engine/index.ts";
import {
  type AddressList,
  decodeAddresses,
  decodeGrant,
  decodeReady,
  decodeReceipt,
  decodeState,
  decodeWelcome,
  encodeAddresses,
  encodeGrant,
  encodeReady,
  encodeReceipt,
  encodeState,
  encodeWelcome,
  type ItemKind,
  KIND_NUMBER,
  type Ready,
  type Receipt,
  type StateText,
  type Welcome,
} from "../../host/protocol/index.ts";
import { type Bytes, bytesOf, expectBytes, expectEqual, hex, type Seeded } from "./bytes.ts";

export interface ControlVector {
  readonly kind: "control";
  readonly boxKind: number;
  readonly pad: Seeded;
  readonly padId: string;
  readonly direction: "up" | "down";
  readonly offset: number;
  /** What the text says: amounts in decimal, bytes in hexadecimal. Null: `text` is none of its kind. */
  readonly fields: object | null;
  readonly text?: Bytes;
  readonly expect: { readonly text: string; readonly item: string };
}

export function runControlOnProtocol({ boxKind, fields, text, expect }: ControlVector): void {
  const { encode, decode } = CODECS[boxKind] as Codec;
  if (fields === null) {
    expectEqual("the text", decode(bytesOf(text ?? "")) === null ? "unreadable" : "readable", "unreadable");
    return;
  }
  expectBytes("the text", encode(valuesOf(fields)), expect.text);
  expectEqual("what it says", written(decode(bytesOf(expect.text))), written(valuesOf(fields)));
}

export function runControlOnEngine(engine: Engine, vector: ControlVector): void {
  const { pad, padId, direction, offset, boxKind, expect } = vector;
  const kind = kindOf(boxKind);
  const text = bytesOf(expect.text);
  const place = { padId: bytesOf(padId), direction, offset };
  const slice = bytesOf({ ...pad, from: offset, length: 32 + text.length });
  expectBytes("the box", engine.sealItem(place, kind, slice, text), expect.item);
  const opened = engine.openItem(place, slice, bytesOf(expect.item));
  expectEqual("kind", opened.kind, kind);
  expectBytes("text", opened.text, expect.text);
}

function kindOf(number: number): ItemKind {
  const [kind] = Object.entries(KIND_NUMBER).find(([, value]) => value === number) ?? [];
  return kind as ItemKind;
}

interface Codec {
  encode(fields: object): Uint8Array;
  decode(text: Uint8Array): object | null;
}

const CODECS: Readonly<Record<number, Codec>> = {
  4: { encode: (fields) => encodeWelcome(fields as Welcome), decode: decodeWelcome },
  5: { encode: (fields) => encodeReady(fields as Ready), decode: decodeReady },
  6: { encode: (fields) => encodeReceipt(fields as Receipt), decode: decodeReceipt },
  7: {
    encode: (fields) => encodeGrant((fields as { split: number }).split),
    decode: (text) => {
      const split = decodeGrant(text);
      return split === null ? null : { split };
    },
  },
  8: { encode: (fields) => encodeAddresses(fields as AddressList), decode: decodeAddresses },
  9: { encode: (fields) => encodeState(fields as StateText), decode: decodeState },
};

const AMOUNTS = ["balance", "open", "cap"];

/** Amounts as bigint, the MAC as bytes. */
function valuesOf(fields: object): object {
  const values = Object.entries(fields).map(([name, value]): [string, unknown] => {
    if (AMOUNTS.includes(name)) return [name, BigInt(value)];
    if (name === "mac") return [name, bytesOf(value)];
    return [name, name === "receipt" ? valuesOf(value) : value];
  });
  return Object.fromEntries(values);
}

/** Fields in the order of their names, to compare. */
function written(value: unknown): string {
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return `[${value.join(" ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, field]) => `${name}: ${written(field)}`).join(", ")}}`;
}
