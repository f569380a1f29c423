// What box and MAC are made of, compiled from assembly/engine with the settings of both targets, and called in memory.
//
// A third body is the device build as JavaScript: its memory is typed arrays, where an access off its alignment reads or
// writes another word than was meant. So what is right there never makes one, as a Cortex-M0+ demands.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import asc from "assemblyscript/asc";
import type { Direction } from "../../host/protocol/index.ts";

const ENTRY = `
export { xor } from "./assembly/engine/xor";
export { begin, finish, updateLengths, updatePadded } from "./assembly/engine/poly1305";
export { associate, open, seal, suspicious } from "./assembly/engine/box";
`;

export const BODIES = ["device", "device as JavaScript", "engine"] as const;
export type Body = (typeof BODIES)[number];

/** Addresses in the one page that every body has, far from its statics and multiples of 4. */
const AT = {
  mac: 4096,
  key: 5120,
  tag: 5152,
  padId: 5168,
  aad: 5184,
  slice: 8192,
  text: 16384,
  item: 24576,
  long: 32768,
};
/** The longest message that fits behind `long`. */
export const MESSAGE_MAX = 32_768;

interface Exports {
  readonly memory: WebAssembly.Memory;
  xor(target: number, source: number, key: number, length: number): void;
  begin(mac: number, key: number): void;
  updatePadded(mac: number, data: number, length: number): void;
  updateLengths(mac: number, aad: number, text: number): void;
  finish(mac: number, out: number): void;
  associate(out: number, suite: number, down: number, kind: number, n: number, offset: number, padId: number): void;
  seal(slice: number, aad: number, text: number, item: number): void;
  open(slice: number, aad: number, item: number, text: number): number;
  suspicious(slice: number, length: number): number;
}

export interface Associated {
  readonly direction: Direction;
  readonly kind: number;
  readonly offset: number;
  readonly padId: Uint8Array;
}

/** One body's primitives over byte arrays. */
export class Primitives {
  readonly #core: Exports;
  readonly #memory: Uint8Array;

  constructor(core: Exports) {
    this.#core = core;
    this.#memory = new Uint8Array(core.memory.buffer);
  }

  /** The tag of parts, each filled up with zeros to whole blocks; with the lengths of an AEAD behind them if given. */
  mac(key: Uint8Array, parts: readonly Uint8Array[], lengths?: { aad: number; text: number }): Uint8Array {
    const core = this.#core;
    this.#put(AT.key, key);
    core.begin(AT.mac, AT.key);
    for (const part of parts) {
      this.#put(AT.long, part);
      core.updatePadded(AT.mac, AT.long, part.length);
    }
    if (lengths) core.updateLengths(AT.mac, lengths.aad, lengths.text);
    core.finish(AT.mac, AT.tag);
    return this.#get(AT.tag, 16);
  }

  /** What is left of a MAC in memory once it is finished. */
  macState(): Uint8Array {
    return this.#get(AT.mac, AT.key - AT.mac);
  }

  xor(source: Uint8Array, key: Uint8Array): Uint8Array {
    this.#put(AT.text, source);
    this.#put(AT.slice, key);
    this.#core.xor(AT.item, AT.text, AT.slice, source.length);
    return this.#get(AT.item, source.length);
  }

  seal(slice: Uint8Array, facts: Associated, text: Uint8Array, inPlace = false): Uint8Array {
    this.#associate(slice, facts, text.length);
    const from = inPlace ? AT.item + 4 : AT.text;
    this.#put(from, text);
    this.#core.seal(AT.slice, AT.aad, from, AT.item);
    return this.#get(AT.item, text.length + 20);
  }

  /** The text, or null, and then what was left of it is in `rest`. */
  open(
    slice: Uint8Array,
    facts: Associated,
    item: Uint8Array,
    inPlace = false,
  ): { text: Uint8Array | null; rest: Uint8Array } {
    const length = item.length - 20;
    this.#associate(slice, facts, length);
    this.#put(AT.item, item);
    const to = inPlace ? AT.item + 4 : AT.text;
    const genuine = this.#core.open(AT.slice, AT.aad, AT.item, to);
    const rest = this.#get(to, length);
    return { text: genuine ? rest : null, rest };
  }

  suspicious(slice: Uint8Array): boolean {
    this.#put(AT.slice, slice);
    return this.#core.suspicious(AT.slice, slice.length) !== 0;
  }

  #associate(slice: Uint8Array, { direction, kind, offset, padId }: Associated, length: number): void {
    this.#put(AT.slice, slice);
    this.#put(AT.padId, padId);
    this.#core.associate(AT.aad, 1, direction === "down" ? 1 : 0, kind, length, offset, AT.padId);
  }

  #put(at: number, bytes: Uint8Array): void {
    this.#memory.set(bytes, at);
  }

  #get(at: number, length: number): Uint8Array {
    return this.#memory.slice(at, at + length);
  }
}

/** The primitives of a body. */
export async function primitives(body: Body): Promise<Primitives> {
  const binary = await compile(body === "engine" ? "engine" : "device");
  if (body === "device as JavaScript") return new Primitives(await asJavaScript(binary));
  const { instance } = await WebAssembly.instantiate(binary);
  return new Primitives(instance.exports as unknown as Exports);
}

async function compile(target: "device" | "engine"): Promise<Uint8Array<ArrayBuffer>> {
  const root = new URL("../../", import.meta.url);
  let binary: Uint8Array | null = null;
  const { error, stderr } = await asc.main(["entry.ts", "--target", target, "--outFile", "entry.wasm"], {
    readFile: (name) => (name === "entry.ts" ? ENTRY : readFile(new URL(name, root), "utf8").catch(() => null)),
    writeFile: (name, contents) => {
      if (name === "entry.wasm") binary = contents as Uint8Array;
    },
  });
  if (error || binary === null) throw new Error(`the ${target} build of the primitives fails: ${stderr}`);
  return new Uint8Array(binary);
}

async function asJavaScript(binary: Uint8Array): Promise<Exports> {
  const folder = await mkdtemp(join(tmpdir(), "tearpad-primitives-"));
  try {
    const [from, to] = [join(folder, "device.wasm"), join(folder, "device.mjs")];
    await writeFile(from, binary);
    await promisify(execFile)("wasm2js", [from, "-o", to]);
    return (await import(pathToFileURL(to).href)) as Exports;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
