// What every byte of a frame goes through, by words where bytes are meant: runs up to a zero, and the CRC-32. Compiled from assembly/device as the device is, and held against
// the plain way at every alignment.

import { readFile } from "node:fs/promises";
import asc from "assemblyscript/asc";
import { beforeAll, expect, it } from "vitest";
import { crc32 } from "../../host/protocol/crc32.ts";

const ROOT = new URL("../../", import.meta.url);
const ENTRY = `
export { copyRun } from "./assembly/device/run";
export { crc32, prepareCrc } from "./assembly/device/crc32";
`;

/** Addresses far from the statics, multiples of 4. */
const SOURCE = 40_960;
const TARGET = 49_152;
const LONGEST = 24;
/** What stood at the target before. */
const OLD = 0x55;

interface Exports {
  readonly memory: WebAssembly.Memory;
  copyRun(target: number, source: number, most: number): number;
  crc32(data: number, length: number): number;
  prepareCrc(): void;
}

let core: Exports;
let memory: Uint8Array;

beforeAll(async () => {
  let wasm: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main(["entry.ts", "--target", "device", "--outFile", "core.wasm"], {
    readFile: (name) => (name === "entry.ts" ? ENTRY : readFile(new URL(name, ROOT), "utf8").catch(() => null)),
    writeFile: (name, contents) => {
      if (name === "core.wasm") wasm = Uint8Array.from(contents as Uint8Array);
    },
  });
  if (error || !wasm) throw new Error(`the core does not compile: ${stderr.toString()}`);
  core = (await WebAssembly.instantiate(wasm)).instance.exports as unknown as Exports;
  core.prepareCrc();
  memory = new Uint8Array(core.memory.buffer);
});

it("a run is copied up to the first zero and no further, wherever source and target lie and the zero is", () => {
  const wrong: string[] = [];
  for (let from = SOURCE; from < SOURCE + 4; from++) {
    for (let to = TARGET; to < TARGET + 4; to++) {
      for (let most = 0; most <= LONGEST; most++) {
        for (let zero = 0; zero <= most + 1; zero++) {
          // 0x80 and 0x01 are what a word's test for a zero may take for one.
          const bytes = Uint8Array.from({ length: most + 2 }, (_, i) =>
            i === zero ? 0 : [0x80, 0x01, 0xff, 0x7f][i & 3]!,
          );
          memory.set(bytes, from);
          memory.fill(OLD, TARGET - 8, TARGET + LONGEST + 16);
          const copied = core.copyRun(to, from, most);
          const length = Math.min(most, zero);
          const expected = new Uint8Array(LONGEST + 24).fill(OLD);
          expected.set(bytes.subarray(0, length), to - TARGET + 8);
          const got = memory.subarray(TARGET - 8, TARGET + LONGEST + 16);
          if (copied !== length || !expected.every((byte, i) => byte === got[i]))
            wrong.push(`${from - SOURCE} to ${to - TARGET}, ${most} with a zero at ${zero}: ${copied}`);
        }
      }
    }
  }
  expect(wrong).toEqual([]);
});

it("the CRC-32 is the host's for every length", () => {
  for (let length = 0; length <= 67; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 151 + length) & 255);
    memory.set(bytes, SOURCE);
    expect(core.crc32(SOURCE, length) >>> 0).toBe(crc32(bytes));
  }
});
