// Reading and writing the binary format of WebAssembly: bytes and LEB128 numbers. A reader never leaves its bytes, and a
// number never has more than the bytes that its width allows.

import { ServiceError } from "../errors.ts";

/** Reads a module from its start to its end. @throws ServiceError PROGRAM_FAILED, malformed */
export class ModuleReader {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get done(): boolean {
    return this.at === this.bytes.length;
  }

  byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw malformed("it ends in the middle");
    this.at += 1;
    return byte;
  }

  /** The next bytes, not copied. */
  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) throw malformed("it ends in the middle");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** An unsigned number of 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffffffff) break;
        return value;
      }
    }
    throw malformed("a number is too long");
  }

  /** Passes over a number of at most so many bytes. */
  skipNumber(mostBytes: number): void {
    for (let count = 0; count < mostBytes; count += 1) if (this.byte() < 0x80) return;
    throw malformed("a number is too long");
  }
}

/** Bytes of a module that grow as they are written. */
export class ModuleWriter {
  #bytes: Uint8Array = new Uint8Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  byte(...values: number[]): void {
    this.#room(values.length);
    for (const value of values) this.#bytes[this.#length++] = value;
  }

  append(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  u32(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  /** A signed number; here never a negative one. */
  signed(value: number): void {
    let rest = value;
    while (rest >= 0x40) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  /** A vector of bytes: their length, then the bytes. */
  vector(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.append(bytes);
  }

  /** What was written; valid until the next write. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + more));
    grown.set(this.written());
    this.#bytes = grown;
  }
}

export function malformed(detail: string): ServiceError<"PROGRAM_FAILED"> {
  return new ServiceError("PROGRAM_FAILED", { fault: "malformed", detail });
}

export function unsupported(detail: string): ServiceError<"PROGRAM_FAILED"> {
  return new ServiceError("PROGRAM_FAILED", { fault: "unsupported", detail });
}

export function tooLarge(detail: string): ServiceError<"PROGRAM_FAILED"> {
  return new ServiceError("PROGRAM_FAILED", { fault: "too large", detail });
}
