// The record that a simulated device keeps of its line (simulator/trace.ts), read while it is written.

import { closeSync, openSync, readSync } from "node:fs";

/** Bytes as they came or went, in order. */
export interface Chunk {
  readonly to: "device" | "host";
  readonly bytes: Uint8Array;
}

const READ_BYTES = 1_048_576;

/** A trace, read from where the last read ended. */
export class Trace {
  readonly #path: string;
  #position = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  /** What was added since, in whole lines. @throws the file system's error */
  *added(): Generator<Chunk, void, undefined> {
    const file = openSync(this.#path, "r");
    try {
      for (;;) {
        const buffer = Buffer.alloc(READ_BYTES);
        const count = readSync(file, buffer, 0, READ_BYTES, this.#position);
        if (count === 0) return;
        this.#position += count;
        yield* this.#lines(buffer.subarray(0, count));
      }
    } finally {
      closeSync(file);
    }
  }

  *#lines(bytes: Buffer): Generator<Chunk, void, undefined> {
    const all = Buffer.concat([this.#rest, bytes]);
    let start = 0;
    for (let end = all.indexOf(10); end !== -1; end = all.indexOf(10, start)) {
      const line = JSON.parse(all.toString("utf8", start, end)) as { to?: Chunk["to"]; bytes?: string };
      start = end + 1;
      if (line.to !== undefined && line.bytes !== undefined) {
        yield { to: line.to, bytes: Buffer.from(line.bytes, "base64") };
      }
    }
    this.#rest = all.subarray(start);
  }
}
