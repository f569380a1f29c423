/**
 * Descriptors as a host reads them: from bytes to fields, by the tables of the specifications and by nothing of the code that wrote them.
 * Every reader checks the lengths that the bytes themselves give.
 */
import { expect } from "vitest";

export interface EndpointFields {
  readonly address: number;
  readonly kind: "control" | "isochronous" | "bulk" | "interrupt";
  readonly packet: number;
  readonly interval: number;
}

export interface InterfaceFields {
  readonly number: number;
  readonly alternate: number;
  readonly classes: readonly [number, number, number];
  readonly text: number;
  readonly endpoints: EndpointFields[];
  /** Class-specific descriptors, subtype first. */
  readonly functional: Uint8Array[];
}

export interface ConfigurationFields {
  readonly value: number;
  readonly attributes: number;
  readonly milliamperes: number;
  readonly interfaces: InterfaceFields[];
  readonly associations: { first: number; count: number; classes: readonly [number, number, number]; text: number }[];
}

/** USB 2.0 table 9-8. */
export function readDevice(bytes: Uint8Array): Record<string, number> {
  expect([bytes.length, bytes[0], bytes[1]]).toEqual([18, 18, 1]);
  return {
    usb: u16(bytes, 2),
    class: bytes[4]!,
    subclass: bytes[5]!,
    protocol: bytes[6]!,
    packet: bytes[7]!,
    vendor: u16(bytes, 8),
    product: u16(bytes, 10),
    release: u16(bytes, 12),
    maker: bytes[14]!,
    name: bytes[15]!,
    serial: bytes[16]!,
    configurations: bytes[17]!,
  };
}

/** USB 2.0 tables 9-10, 9-12 and 9-13, and the association of interfaces (its ECN, table 9-Z). */
export function readConfiguration(bytes: Uint8Array): ConfigurationFields {
  expect([bytes[0], bytes[1]]).toEqual([9, 2]);
  expect(u16(bytes, 2)).toBe(bytes.length);
  const found: ConfigurationFields = {
    value: bytes[5]!,
    attributes: bytes[7]!,
    milliamperes: bytes[8]! * 2,
    interfaces: [],
    associations: [],
  };
  for (const part of parts(bytes.subarray(9))) {
    const last = found.interfaces.at(-1);
    const classes = [part[4]!, part[5]!, part[6]!] as const;
    if (part[1] === 4) {
      expect(part.length).toBe(9);
      const interfaceClasses = [part[5]!, part[6]!, part[7]!] as const;
      found.interfaces.push({
        number: part[2]!,
        alternate: part[3]!,
        classes: interfaceClasses,
        text: part[8]!,
        endpoints: [],
        functional: [],
      });
      expect(countEndpoints(bytes, part)).toBe(part[4]);
    } else if (part[1] === 5) {
      expect(part.length).toBe(7);
      const kind = (["control", "isochronous", "bulk", "interrupt"] as const)[part[3]! & 3]!;
      last!.endpoints.push({ address: part[2]!, kind, packet: u16(part, 4), interval: part[6]! });
    } else if (part[1] === 0x0b) {
      expect(part.length).toBe(8);
      found.associations.push({ first: part[2]!, count: part[3]!, classes, text: part[7]! });
    } else if (part[1] === 0x24) {
      last!.functional.push(part.subarray(2));
    } else {
      expect.unreachable(`a descriptor of type ${part[1]}`);
    }
  }
  expect(new Set(found.interfaces.map(({ number }) => number)).size).toBe(bytes[4]);
  return found;
}

/** A text, or the languages of number 0. */
export function readString(bytes: Uint8Array): string {
  expect([bytes[0], bytes[1]]).toEqual([bytes.length, 3]);
  return Buffer.from(bytes.subarray(2)).toString("utf16le");
}

/** USB 3.2 table 9-13 and below: the capabilities by platform UUID (each is a platform's here). */
export function readBos(bytes: Uint8Array): Map<string, Uint8Array> {
  expect([bytes[0], bytes[1]]).toEqual([5, 0x0f]);
  expect(u16(bytes, 2)).toBe(bytes.length);
  const found = new Map<string, Uint8Array>();
  for (const part of parts(bytes.subarray(5))) {
    expect([part[1], part[2], part[3]]).toEqual([0x10, 0x05, 0]);
    found.set(uuid(part.subarray(4, 20)), part.subarray(20));
  }
  expect(found.size).toBe(bytes[4]);
  return found;
}

export interface WindowsPart {
  readonly type: number;
  /** What stands between type and the parts that it holds. */
  readonly fields: Uint8Array;
  readonly parts: WindowsPart[];
}

/** Microsoft OS 2.0 descriptors, tables 10 to 15: sets and subsets hold what follows them up to their total length. */
export function readWindows(bytes: Uint8Array): WindowsPart[] {
  const found: WindowsPart[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = u16(bytes, at);
    const type = u16(bytes, at + 2);
    expect(length).toBeGreaterThanOrEqual(4);
    // A header of a set or a subset ends with the length of all that belongs to it.
    const holds = type <= 2;
    const total = holds ? u16(bytes, at + length - 2) : length;
    expect(at + total).toBeLessThanOrEqual(bytes.length);
    found.push({
      type,
      fields: bytes.subarray(at + 4, at + length - (holds ? 2 : 0)),
      parts: readWindows(bytes.subarray(at + length, at + total)),
    });
    at += total;
  }
  return found;
}

export function u16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

export function u32(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;
}

/** One descriptor after the other: each begins with its length, and the last ends where the bytes end. */
function parts(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += bytes[at]!) {
    expect(bytes[at]).toBeGreaterThanOrEqual(2);
    expect(at + bytes[at]!).toBeLessThanOrEqual(bytes.length);
    found.push(bytes.subarray(at, at + bytes[at]!));
  }
  return found;
}

/** Endpoints between this interface and the next. */
function countEndpoints(all: Uint8Array, interfacePart: Uint8Array): number {
  let count = 0;
  const from = interfacePart.byteOffset - all.byteOffset + interfacePart.length;
  for (const part of parts(all.subarray(from))) {
    if (part[1] === 4) break;
    if (part[1] === 5) count++;
  }
  return count;
}

function uuid(bytes: Uint8Array): string {
  const hex = (part: Uint8Array): string => Buffer.from(part).toString("hex");
  const little = (from: number, to: number): string => hex(bytes.slice(from, to).reverse());
  return [little(0, 4), little(4, 6), little(6, 8), hex(bytes.subarray(8, 10)), hex(bytes.subarray(10))].join("-");
}
