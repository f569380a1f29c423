// Reads out of a WebAssembly binary the few facts that a build has to keep: its imports, its memory, its globals and where
// its data ends. Nothing else is decoded; what the two builds never contain is an assertion.

import assert from "node:assert/strict";

export interface WasmFacts {
  readonly imports: readonly { readonly module: string; readonly name: string }[];
  /** Limits in pages of 64 KiB; `maximum` is undefined when the memory may grow without end. */
  readonly memories: readonly { readonly minimum: number; readonly maximum: number | undefined }[];
  readonly mutableGlobals: number;
  /** The first byte after the last data segment. The optimizer drops zeros, so only an unoptimized build shows all statics. */
  readonly dataEnd: number;
}

const SECTION = { import: 2, memory: 5, global: 6, data: 11 } as const;
const FUNCTION = 0;
const OPCODE = { end: 0x0b, i32const: 0x41, i64const: 0x42 } as const;

/** Reads the facts of a module in the binary format of the WebAssembly core specification, chapter 5. */
export function wasmFacts(binary: Uint8Array): WasmFacts {
  assert.deepEqual([...binary.subarray(0, 8)], [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], "a WebAssembly module, version 1");
  const sections = sectionsOf(new Reader(binary.subarray(8)));
  const read = <T>(id: number, item: (reader: Reader) => T): T[] => {
    const section = sections.get(id);
    return section ? vector(new Reader(section), item) : [];
  };
  return {
    imports: read(SECTION.import, importOf),
    memories: read(SECTION.memory, limitsOf),
    mutableGlobals: read(SECTION.global, globalIsMutable).filter(Boolean).length,
    dataEnd: Math.max(0, ...read(SECTION.data, dataEndOf)),
  };
}

function sectionsOf(reader: Reader): Map<number, Uint8Array> {
  const sections = new Map<number, Uint8Array>();
  while (!reader.atEnd()) {
    const id = reader.byte();
    sections.set(id, reader.bytes(reader.number()));
  }
  return sections;
}

function vector<T>(reader: Reader, item: (reader: Reader) => T): T[] {
  return Array.from({ length: reader.number() }, () => item(reader));
}

function importOf(reader: Reader): { module: string; name: string } {
  const module = reader.text();
  const name = reader.text();
  assert.equal(reader.byte(), FUNCTION, `the import ${module}.${name} is a function`);
  reader.number();
  return { module, name };
}

function limitsOf(reader: Reader): { minimum: number; maximum: number | undefined } {
  const bounded = reader.byte() === 1;
  return { minimum: reader.number(), maximum: bounded ? reader.number() : undefined };
}

function globalIsMutable(reader: Reader): boolean {
  reader.byte();
  const mutable = reader.byte() === 1;
  constant(reader);
  return mutable;
}

function dataEndOf(reader: Reader): number {
  assert.equal(reader.number(), 0, "every data segment is active, in the only memory");
  const start = constant(reader);
  const length = reader.number();
  reader.bytes(length);
  return start + length;
}

function constant(reader: Reader): number {
  const opcode = reader.byte();
  assert.ok(opcode === OPCODE.i32const || opcode === OPCODE.i64const, "an initial value is an integer constant");
  const value = reader.signed();
  assert.equal(reader.byte(), OPCODE.end);
  return value;
}

class Reader {
  readonly #data: Uint8Array;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  atEnd(): boolean {
    return this.#at === this.#data.length;
  }

  byte(): number {
    const value = this.#data[this.#at++];
    assert.ok(value !== undefined, "the module ends where its lengths say");
    return value;
  }

  bytes(length: number): Uint8Array {
    assert.ok(this.#at + length <= this.#data.length, "the module ends where its lengths say");
    const start = this.#at;
    this.#at += length;
    return this.#data.subarray(start, this.#at);
  }

  /** An unsigned integer in LEB128. */
  number(): number {
    return Number(this.#leb128().value);
  }

  /** A signed integer in LEB128. */
  signed(): number {
    const { value, bits } = this.#leb128();
    return Number(BigInt.asIntN(bits, value));
  }

  text(): string {
    return new TextDecoder().decode(this.bytes(this.number()));
  }

  #leb128(): { value: bigint; bits: number } {
    let value = 0n;
    let bits = 0;
    for (;;) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << BigInt(bits);
      bits += 7;
      if ((byte & 0x80) === 0) return { value, bits };
    }
  }
}
