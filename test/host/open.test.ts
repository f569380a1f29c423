// Opening through the driver, on the real core: text comes out whole or not under its name at all, once, and then its pad
// bytes are gone, whatever happens on the way.

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type DriverError,
  fileSink,
  type OpenedRun,
  type Outbox,
  openBundle,
  openDevice,
  sealRun,
  streamSink,
  type TextSink,
} from "../../host/driver/index.ts";
import { builtCore, Flash, Machine, type MachineSnapshot } from "../../simulator/index.ts";
import { limitFileSize } from "./file-limit.ts";
import {
  fastClock,
  makePair,
  type Pair,
  plugRestarting,
  plugVanishing,
  SECTORS_BEFORE_PAD,
  scratchDirectory,
  scratchOutbox,
  talkTo,
} from "./pair.ts";

const text = randomBytes(100_000);

let pair: Pair;
let outbox: Outbox;
let directory: string;
/** The text in one segment, and in three with pad bytes skipped between them. */
let whole: Uint8Array;
let torn: Uint8Array;
let afterWhole: MachineSnapshot;

beforeAll(async () => {
  pair = await makePair(80);
  outbox = await scratchOutbox();
  directory = await scratchDirectory();
  whole = await bundleOf((await sealRun(await talkTo(pair.low), text, outbox)).id);
  afterWhole = pair.low.snapshot();
  pair.restore();
  torn = await tornBundle();
});

beforeEach(() => pair.restore());

/** The text again from the start, sealed with the power gone twice, once before a box and once in the middle of one. */
async function tornBundle(): Promise<Uint8Array> {
  const device = await openDevice(plugRestarting(pair.low), { clock: fastClock });
  const sealed = await sealRun(device, text, outbox, {
    onProgress: ({ boxes }) => {
      if (boxes === 4) pair.low.cutAt({ call: 1, when: "before", kind: "power" });
      if (boxes === 9) pair.low.cutAt({ call: 12, when: "during", kind: "power" });
    },
  });
  expect(sealed).toMatchObject({ segments: 3 });
  expect(sealed.bytesSkipped).toBe(4128);
  return bundleOf(sealed.id);
}

async function bundleOf(id: string): Promise<Uint8Array> {
  const parts = await Array.fromAsync(outbox.read(id));
  await outbox.remove(id);
  return new Uint8Array(Buffer.concat(parts));
}

async function* stream(bytes: Uint8Array, size = 10_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function failure(promise: Promise<unknown>): Promise<DriverError> {
  return promise.then(
    () => expect.fail("it succeeded"),
    (error: DriverError) => error,
  );
}

/** Takes the text, and what became of it. */
class Notebook implements TextSink {
  text: Uint8Array = new Uint8Array(0);
  state: "open" | "finished" | "aborted" = "open";
  readonly #parts: Uint8Array[] = [];

  async write(text: Uint8Array): Promise<void> {
    this.#parts.push(text.slice());
  }
  async finish(): Promise<void> {
    this.text = Buffer.concat(this.#parts);
    this.state = "finished";
  }
  async abort(): Promise<void> {
    this.state = "aborted";
  }
  get bytes(): number {
    return this.#parts.reduce((sum, part) => sum + part.length, 0);
  }
}

/** The pad as the flash holds it. */
function padOf(machine: Machine): Uint8Array {
  const bytes = new Uint8Array(pair.pad.length);
  machine.flash.read(SECTORS_BEFORE_PAD * 4096, bytes, 0, bytes.length);
  return bytes;
}

/** How many pad bytes of a machine are destroyed. */
function burned(machine: Machine): number {
  return padOf(machine).filter((byte, at) => byte === 0 && pair.pad[at] !== 0).length;
}

/** How many there are to destroy in a range of the pad that is not zero by chance. */
function burnable(from: number, length: number): number {
  return pair.pad.subarray(from, from + length).filter((byte) => byte !== 0).length;
}

async function openOnce(bundle: Uint8Array, machine: Machine = pair.high): Promise<[OpenedRun, Notebook]> {
  const sink = new Notebook();
  const opened = await openBundle(await talkTo(machine), stream(bundle), sink);
  return [opened, sink];
}

describe("a bundle", () => {
  it("gives its text out once, and then every pad byte of it is destroyed: boxes, and the slot", async () => {
    const [opened, sink] = await openOnce(whole);
    expect(opened).toMatchObject({ alreadyDelivered: false, textBytes: text.length, boxes: 25, segments: 1 });
    expect(sink).toMatchObject({ state: "finished" });
    expect(sink.text).toEqual(text);
    const base = 192 * Math.floor(pair.pad.length / 8192);
    expect(burned(pair.high)).toBe(burnable(0, 192) + burnable(base, text.length + 25 * 32));
    expect((await (await talkTo(pair.high)).info()).up.used).toBe(text.length + 25 * 32);
  });

  it("opened a second time is SLOT_UNKNOWN, with no text", async () => {
    await openOnce(whole);
    const sink = new Notebook();
    const error = await failure(openBundle(await talkTo(pair.high), stream(whole), sink));
    expect(error).toMatchObject({ code: "SLOT_UNKNOWN" });
    expect(error.message).toContain("opened before");
    expect(sink).toMatchObject({ state: "aborted", bytes: 0 });
  });

  it("of several segments, with pad bytes skipped between them, is opened and released stretch by stretch", async () => {
    const [opened, sink] = await openOnce(torn);
    expect(opened).toMatchObject({ textBytes: text.length, boxes: 25, segments: 3 });
    expect(sink.text).toEqual(text);
    const base = 192 * Math.floor(pair.pad.length / 8192);
    // Everything up to the mark but the 4,128 bytes that were skipped, which no box ever used.
    const used = (await (await talkTo(pair.high)).info()).up.used;
    expect(used).toBe(text.length + 25 * 32 + 4128);
    expect(burned(pair.high)).toBeLessThan(burnable(0, 3 * 192) + burnable(base, used));
    expect(burned(pair.high)).toBeGreaterThan(burnable(0, 3 * 192) + burnable(base, used) - 4129);
    expect(await failure(openBundle(await talkTo(pair.high), stream(torn), new Notebook()))).toMatchObject({
      code: "SLOT_UNKNOWN",
    });
  });

  it("is opened from a file, too, and so is one that came the other way", async () => {
    const sealed = await sealRun(await talkTo(pair.high), text, outbox);
    const path = join(directory, "bundle");
    await writeFile(path, await bundleOf(sealed.id));
    const sink = new Notebook();
    await openBundle(await talkTo(pair.low), path, sink);
    expect(sink.text).toEqual(text);
    expect((await (await talkTo(pair.low)).info()).down.used).toBe(text.length + 25 * 32);
  });

  it("is opened in any order", async () => {
    const low = await talkTo(pair.low);
    const bundles: Uint8Array[] = [];
    for (let size = 1; size <= 5; size++)
      bundles.push(await bundleOf((await sealRun(low, text.subarray(0, size), outbox)).id));
    for (const index of [3, 0, 4, 2, 1]) {
      const [, sink] = await openOnce(bundles[index]!);
      expect(sink.text).toEqual(text.subarray(0, index + 1));
    }
  });
});

describe("a bundle that is not as it was sealed", () => {
  const nothingReleased = async () => {
    expect(burned(pair.high)).toBe(0);
    const [opened, sink] = await openOnce(whole);
    expect(opened.alreadyDelivered).toBe(false);
    expect(sink.text).toEqual(text);
  };

  it("TRUNCATED anywhere: no file appears, nothing is released, and the whole one still opens", async () => {
    const path = join(directory, "truncated");
    for (const length of [0, 3, 20, 56, 60, 5000, 20_000, whole.length - 1]) {
      const sink = fileSink(path);
      const bundle = stream(whole.subarray(0, length));
      // Of fewer bytes than a header nobody can say what they are.
      const code = length < 4 ? "BAD_BUNDLE" : "TRUNCATED";
      expect(await failure(openBundle(await talkTo(pair.high), bundle, sink))).toMatchObject({ code });
      expect((await readdir(directory)).filter((name) => name.includes("truncated"))).toEqual([]);
    }
    await nothingReleased();
  });

  it("TRUNCATED into a pipe: what was verified has flowed, nothing is released", async () => {
    const pipe = new PassThrough();
    const flowed: Buffer[] = [];
    pipe.on("data", (part: Buffer) => flowed.push(part));
    const bundle = stream(whole.subarray(0, 10_000));
    expect(await failure(openBundle(await talkTo(pair.high), bundle, streamSink(pipe)))).toMatchObject({
      code: "TRUNCATED",
    });
    expect(Buffer.concat(flowed)).toEqual(text.subarray(0, 8192));
    await nothingReleased();
  });

  it("with a bit flipped anywhere gives out no wrong text: AUTH_FAILED, SLOT_UNKNOWN or BAD_BUNDLE", async () => {
    const codes = new Set<string>();
    for (const at of [0, 2, 4, 19, 20, 24, 30, 55, 56, 57, 58, 60, 2000, 4155, 4171, 4172, whole.length - 1]) {
      const bad = whole.slice();
      bad[at]! ^= 1 << (at % 8);
      const sink = new Notebook();
      const error = await failure(openBundle(await talkTo(pair.high), stream(bad), sink));
      codes.add(error.code);
      expect(sink.state).toBe("aborted");
    }
    expect([...codes].sort()).toEqual(["AUTH_FAILED", "BAD_BUNDLE", "SLOT_UNKNOWN"]);
    await nothingReleased();
  });

  it("spliced together from others is refused: boxes exchanged, segments exchanged, doubled or left out", async () => {
    const box = 4 + 4096 + 16;
    const at = (index: number) => 56 + index * box;
    const part = (from: number, to: number) => whole.subarray(from, to);
    const exchanged = [part(0, 56), part(at(1), at(2)), part(0, 0), part(at(0), at(1)), part(at(2), whole.length)];
    const again = [part(0, at(3)), whole];
    const high = await talkTo(pair.high);
    expect(await failure(openBundle(high, stream(Buffer.concat(exchanged)), new Notebook()))).toMatchObject({
      code: "AUTH_FAILED",
    });
    expect(await failure(openBundle(high, stream(Buffer.concat(again)), new Notebook()))).toMatchObject({
      code: "BAD_BUNDLE",
    });

    const starts = [0];
    for (let index = 1; index < torn.length - 4; index++) {
      const slot = torn[index] === 16 && torn[index + 1] === 0 && torn[index + 2] === 0 && torn[index + 3] === 0;
      if (slot && torn[index + 20] === 16 && torn[index + 22] === 3) starts.push(index);
    }
    const [first, second, third] = starts.map((start, index) =>
      torn.subarray(start, starts[index + 1]),
    ) as Uint8Array[];
    for (const segments of [
      [second!, third!],
      [first!, third!],
      [first!, second!, second!, third!],
      [second!, first!, third!],
    ]) {
      const error = await failure(openBundle(high, stream(Buffer.concat(segments)), new Notebook()));
      expect(error).toMatchObject({ code: "BAD_BUNDLE" });
    }
    expect(burned(pair.high)).toBe(0);
  });

  it("for another pad, or one's own, is SLOT_UNKNOWN", async () => {
    const other = await makePair(8);
    expect(await failure(openBundle(await talkTo(other.high), stream(whole), new Notebook()))).toMatchObject({
      code: "SLOT_UNKNOWN",
    });
    pair.low.restore(afterWhole);
    expect(await failure(openBundle(await talkTo(pair.low), stream(whole), new Notebook()))).toMatchObject({
      code: "SLOT_UNKNOWN",
    });
  });
});

describe("a restart while a bundle is opened", () => {
  const whens = ["before", "during", "after"] as const;

  async function callsOf(bundle: Uint8Array): Promise<number> {
    pair.restore();
    const before = pair.high.callsInAll;
    await openOnce(bundle);
    const calls = pair.high.callsInAll - before;
    pair.restore();
    return calls;
  }

  it("T-21 at many HAL calls: the text comes out once, and all of it is destroyed in the end", async () => {
    for (const bundle of [whole, torn]) {
      const calls = await callsOf(bundle);
      await openOnce(bundle);
      const inTheEnd = padOf(pair.high);
      for (let call = 2; call <= calls; call += 17) {
        pair.restore();
        const name = `call ${call} of ${calls}`;
        const device = await openDevice(plugRestarting(pair.high), { clock: fastClock });
        pair.high.cutAt({ call, when: whens[call % 3]!, kind: call % 2 === 0 ? "power" : "reset", tear: "random" });
        const sink = new Notebook();
        const opened = await openBundle(device, stream(bundle), sink);
        expect(opened, name).toMatchObject({ alreadyDelivered: false, textBytes: text.length, boxes: 25 });
        expect(sink.text, name).toEqual(text);
        expect(Buffer.compare(padOf(pair.high), inTheEnd), name).toBe(0);
      }
    }
  });

  it("with the device gone from the bus and back again: the same", async () => {
    const calls = await callsOf(torn);
    for (let call = 2; call <= calls; call += 101) {
      pair.restore();
      const device = await openDevice(plugVanishing(pair.high), { clock: fastClock });
      pair.high.cutAt({ call, when: "during", kind: "power" });
      const sink = new Notebook();
      await openBundle(device, stream(torn), sink);
      expect(sink.text, `call ${call}`).toEqual(text);
    }
  });

  it("and of this host: the bundle opened again gives text until it was delivered, and only finishes the release after", async () => {
    for (const bundle of [whole, torn]) {
      const calls = await callsOf(bundle);
      const seen = { text: 0, delivered: 0, unknown: 0 };
      for (let call = 2; call <= calls; call += 31) {
        pair.restore();
        const name = `call ${call} of ${calls}`;
        // The device is lost for good to this host: that is where its own process may as well have ended.
        const vanishing = await plugVanishing(pair.high)();
        const device = await openDevice(vanishing, { clock: fastClock });
        pair.high.cutAt({ call, when: "during", kind: "power", tear: "random" });
        const first = new Notebook();
        const error = await failure(openBundle(device, stream(bundle), first));
        expect(error.code, name).toBe(first.state === "finished" ? "RELEASE_UNFINISHED" : "DEVICE_LOST");

        pair.high.disarm();
        pair.high.powerOn();
        const again = new Notebook();
        const reopened = await openBundle(await talkTo(pair.high), stream(bundle), again).catch((error) => error);
        if (reopened.code === "SLOT_UNKNOWN") {
          seen.unknown++;
          expect(first.state, name).toBe("finished");
        } else if (reopened.alreadyDelivered) {
          seen.delivered++;
          expect(first.state, name).toBe("finished");
          expect(again, name).toMatchObject({ state: "aborted", bytes: 0 });
        } else {
          seen.text++;
          expect(again.text, name).toEqual(text);
        }
        expect(await failure(openBundle(await talkTo(pair.high), stream(bundle), new Notebook())), name).toMatchObject({
          code: "SLOT_UNKNOWN",
        });
      }
      expect(seen.text).toBeGreaterThan(0);
      expect(seen.delivered).toBeGreaterThan(0);
    }
  });
});

describe("where the text goes", () => {
  it("a file appears under its name only when it is whole, in place of the one that was there", async () => {
    const home = join(directory, "file");
    await mkdir(home);
    const path = join(home, "text");
    await writeFile(path, "before");
    const sink = fileSink(path);
    const watched: TextSink = {
      write: async (part) => {
        await sink.write(part);
        expect(await readFile(path, "utf8")).toBe("before");
      },
      finish: () => sink.finish(),
      abort: () => sink.abort(),
    };
    await openBundle(await talkTo(pair.high), stream(whole), watched);
    expect(await readFile(path)).toEqual(text);
    expect(await readdir(home)).toEqual(["text"]);
  });

  it("an empty text is an empty file", async () => {
    const sealed = await sealRun(await talkTo(pair.low), new Uint8Array(0), outbox);
    const path = join(directory, "empty");
    await openBundle(await talkTo(pair.high), stream(await bundleOf(sealed.id)), fileSink(path));
    expect(await readFile(path)).toHaveLength(0);
  });

  it("a disk that fills up is DISK_FULL, no part stays, and nothing is released", async () => {
    const path = join(directory, "full");
    const bundle = join(directory, "full-bundle");
    await writeFile(bundle, whole);
    const release = limitFileSize(50_000);
    try {
      expect(await failure(openBundle(await talkTo(pair.high), bundle, fileSink(path)))).toMatchObject({
        code: "DISK_FULL",
      });
    } finally {
      release();
    }
    expect(existsSync(path)).toBe(false);
    expect((await readdir(directory)).filter((name) => name.startsWith(".full"))).toEqual([]);
    expect(burned(pair.high)).toBe(0);
  });

  it("a place that cannot be written is DISK_FAILED with the cause, and nothing is released", async () => {
    const error = await failure(
      openBundle(await talkTo(pair.high), stream(whole), fileSink(join(directory, "missing", "text"))),
    );
    expect(error).toMatchObject({ code: "DISK_FAILED", cause: { code: "ENOENT" } });
    expect(burned(pair.high)).toBe(0);
  });

  it("a pipe whose reader has gone is OUTPUT_CLOSED, and nothing is released", async () => {
    const closed = new Writable({ write: (_chunk, _encoding, done) => done(new Error("EPIPE")) });
    expect(await failure(openBundle(await talkTo(pair.high), stream(whole), streamSink(closed)))).toMatchObject({
      code: "OUTPUT_CLOSED",
    });
    expect(burned(pair.high)).toBe(0);
  });

  it("a bundle that is not there is DISK_FAILED", async () => {
    const sink = new Notebook();
    expect(await failure(openBundle(await talkTo(pair.high), join(directory, "none"), sink))).toMatchObject({
      code: "DISK_FAILED",
      cause: { code: "ENOENT" },
    });
  });

  it("a device without a pad, and one that has no power, say so by name", async () => {
    const blank = new Machine({ core: builtCore(), flash: new Flash({ sectors: 16, seed: 1 }) });
    blank.powerOn();
    const device = await talkTo(blank);
    expect(await failure(openBundle(device, stream(whole), new Notebook()))).toMatchObject({
      code: "WRONG_STATE",
      facts: { state: "blank" },
    });
    expect(await failure(sealRun(device, text, outbox))).toMatchObject({ code: "WRONG_STATE" });
    blank.powerCut();
    expect(await failure(talkTo(blank))).toMatchObject({ code: "NO_ANSWER" });
  });
});
