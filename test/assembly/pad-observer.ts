// Who looks at the line of a device from outside and writes down which pad bytes every box and every slot that leaves it is under, even when it breaks off.

import type { Transport } from "../../host/driver/index.ts";
import type { Machine } from "../../simulator/index.ts";
import { COMMAND, concat, decodePrefix, readU32 } from "../torture/rig.ts";

const SLOT_BYTES = 192;

/** Something that left, under the pad bytes from `start` to `end`. */
export interface Emission {
  readonly start: number;
  readonly end: number;
  /** The item as far as it left. */
  readonly item: Uint8Array;
}

export class PadObserver {
  readonly emissions: Emission[] = [];

  /** Looks at the line of a machine from now on. */
  watch(machine: Machine, side: "low" | "high", padLength: number): void {
    machine.onBytes = (to, bytes) => {
      if (to === "host") this.#see(decodePrefix([bytes]), side, padLength);
    };
  }

  /** Looks at a line where a host has it: also at what it did not get whole. */
  tap(transport: Transport, side: "low" | "high", padLength: number): Transport {
    let open: Uint8Array = new Uint8Array(0);
    const take = (bytes: Uint8Array): void => {
      for (let from = 0; from < bytes.length; ) {
        const end = bytes.indexOf(0, from) + 1 || bytes.length;
        open = concat(open, bytes.subarray(from, end));
        if (open.at(-1) === 0) {
          this.#see(decodePrefix([open]), side, padLength);
          open = new Uint8Array(0);
        }
        from = end;
      }
    };
    return {
      ...transport,
      onData: (listener) =>
        transport.onData((bytes) => {
          take(bytes);
          listener(bytes);
        }),
      onClose: (listener) =>
        transport.onClose((reason) => {
          this.#see(decodePrefix([open]), side, padLength);
          listener(reason);
        }),
    };
  }

  /** Pad bytes that two different things were under. Sending the same thing again is no use. */
  get bytesReused(): number {
    let reused = 0;
    for (const [i, one] of this.emissions.entries()) {
      for (const other of this.emissions.slice(0, i)) {
        const overlap = Math.min(one.end, other.end) - Math.max(one.start, other.start);
        if (overlap > 0 && !isSame(one.item, other.item)) reused += overlap;
      }
    }
    return reused;
  }

  #see({ bytes, whole }: { bytes: Uint8Array; whole: boolean }, side: "low" | "high", padLength: number): void {
    const item = bytes.slice(20, whole ? -4 : bytes.length);
    if (bytes[0] === (COMMAND.SEAL | 0x80) && bytes.length > 24) {
      const start = readU32(bytes, 16);
      this.emissions.push({ start, end: start + 32 + (readU32(bytes, 20) & 0xffff), item });
    } else if (bytes[0] === (COMMAND.BEGIN | 0x80) && bytes.length > 24) {
      const slot = readU32(bytes, 12);
      const start = side === "low" ? SLOT_BYTES * slot : padLength - SLOT_BYTES * (slot + 1);
      this.emissions.push({ start, end: start + SLOT_BYTES, item });
    }
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  const length = Math.min(one.length, other.length);
  return Buffer.compare(one.subarray(0, length), other.subarray(0, length)) === 0;
}
