// The text on one computer, the token on another: the command that seals runs in a process of its own and reaches the device over TCP.

import { once } from "node:events";
import {
  closeSync,
  copyFileSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Desk } from "./shell.ts";

/** As many consecutive pad bytes in a memory are no accident; the 16 of a slot's tag, which is sent in clear, are fewer. */
const WINDOW_BYTES = 20;
const PAD_BASE = 6 * 4096;
const NEEDLES_PER_LOOK = 2 ** 24;

/** Finds any window of pad bytes in other bytes. */
class PadFinder {
  readonly #pad: Buffer;
  readonly #begins: Uint8Array = new Uint8Array(NEEDLES_PER_LOOK / 8);
  readonly #places: Map<number, number[]> = new Map();

  constructor(pad: Buffer) {
    this.#pad = pad;
    for (let at = 0; at + WINDOW_BYTES <= pad.length; at++) {
      const key = pad.readUIntLE(at, 3);
      this.#begins[key >> 3]! |= 1 << (key & 7);
      const places = this.#places.get(key) ?? [];
      this.#places.set(key, [...places, at]);
    }
  }

  /** The pad offset of the first window found, or -1. */
  find(bytes: Buffer): number {
    for (let i = 0; i + WINDOW_BYTES <= bytes.length; i++) {
      const key = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16);
      if (!(this.#begins[key >> 3]! & (1 << (key & 7)))) continue;
      const window = bytes.subarray(i, i + WINDOW_BYTES);
      for (const at of this.#places.get(key)!) {
        if (window.equals(this.#pad.subarray(at, at + WINDOW_BYTES))) return at;
      }
    }
    return -1;
  }
}

/** Everything that a stopped process may write to. */
function* memoryOf(pid: number): Generator<Buffer> {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
    if (from === undefined || to === undefined) continue;
    const start = Number.parseInt(from, 16);
    const region = Buffer.alloc(Number.parseInt(to, 16) - start);
    try {
      yield region.subarray(0, readSync(memory, region, 0, region.length, start));
    } catch {
      // A reservation without pages behind it.
    }
  }
  closeSync(memory);
}

function* filesUnder(directory: string): Generator<string> {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) yield* filesUnder(path);
    else yield path;
  }
}

const stopAtExit = "process.on('exit', () => process.kill(process.pid, 'SIGSTOP'));";

/** Only Linux shows a test the memory of another process. */
const elsewhere = process.platform !== "linux";
const notShown = elsewhere ? " (not shown here: that takes /proc/PID/mem of Linux)" : "";

describe("T-22 the text here, the token there", () => {
  const there = new Desk();
  const here = new Desk();
  const text = "a text that is longer than any slot and any tag ".repeat(40);

  test.skipIf(elsewhere)(
    `T-22 the text is sealed and opened, and no pad byte was in memory or on disk where the text is${notShown}`,
    async () => {
      await there.ok(["pair", "pair", "--size", "64K"]);
      const pad = Buffer.from(there.read("pair.low.tearpad").subarray(PAD_BASE));
      const finder = new PadFinder(pad);
      expect(
        finder.find(Buffer.concat([Buffer.alloc(999), pad.subarray(5000, 5000 + WINDOW_BYTES), Buffer.alloc(9)])),
      ).toBe(5000);

      const token = await there.simulator(["pair.low.tearpad", "--tcp", "127.0.0.1:0"]);
      writeFileSync(here.path("text"), text);
      const child = here.start(["seal", "text", "--device", token.address, "--out", "bundle"], { preload: stopAtExit });
      const pid = child.pid!;
      while (!/^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))) await setTimeout(20);
      let looked = 0;
      let heldText = false;
      for (const region of memoryOf(pid)) {
        looked += region.length;
        heldText ||= region.includes(text.slice(0, 400));
        expect(finder.find(region)).toBe(-1);
      }
      process.kill(pid, "SIGCONT");
      expect(await once(child, "exit")).toEqual([0, null]);
      // The look was at the right process: the text is in it.
      expect(heldText).toBe(true);
      expect(looked).toBeGreaterThan(10_000_000);
      for (const path of filesUnder(here.directory)) expect(finder.find(readFileSync(path)), path).toBe(-1);
      await token.stop();

      copyFileSync(here.path("bundle"), there.path("bundle"));
      expect(String(await there.ok(["open", "bundle", "--device", "pair.high.tearpad"]))).toBe(text);
    },
  );

  test("T-22 when the link to the token is lost, the sealing ends with an error that says what was used, and the text is kept", async () => {
    await there.ok(["pair", "lost", "--size", "1M"]);
    const token = await there.simulator(["lost.low.tearpad", "--tcp", "127.0.0.1:0", "--control", "control"]);
    writeFileSync(here.path("long"), Buffer.alloc(200_000, text));
    await there.ok([
      "control",
      "control",
      JSON.stringify({ do: "cut-at", cut: { call: 400, when: "before", kind: "power" } }),
    ]);
    const sealing = here.fails(9, "SEAL_UNFINISHED", ["seal", "long", "--device", token.address, "--out", "never"]);
    await there.ok(["control", "control", JSON.stringify({ do: "until", state: "off" })]);
    await token.stop();
    const failure = await sealing;
    expect(failure.cause).toContain("disconnected");
    expect(failure.facts.boxes).toBeGreaterThan(0);
    expect(here.exists("never")).toBe(false);
    expect(here.read("long").length).toBe(200_000);
    expect(JSON.parse(String(await here.ok(["outbox", "list", "--json"]))).entries).toEqual([]);
  });
});
