// Making pads: two images or two devices, from a generator or from noise; whole or not at all.

import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Desk, errorIn } from "./shell.ts";

const desk = new Desk();
/** Pad bytes of a chip of 64K: 10 of its 16 sectors. */
const PAD_BYTES = 40_960;
const SMALL = ["--size", "64K"] as const;

/** A generator that passes its self-check and then gives zeros. */
const SILENT = `import crypto from "node:crypto"; import { syncBuiltinESMExports } from "node:module";
  const real = crypto.randomFillSync; let calls = 0;
  crypto.randomFillSync = (into) => (++calls <= 2 ? real(into) : into.fill(0)); syncBuiltinESMExports();`;

/** SPEC section 4: on a chip of 64K the pad begins behind six sectors. */
const padOf = (name: string): Buffer => desk.read(`${name}.low.tearpad`).subarray(6 * 4096);
const countEqual = (a: Buffer, b: Buffer): number => a.reduce((count, byte, i) => count + (byte === b[i] ? 1 : 0), 0);
const images = (name: string): string[] => [`${name}.low.tearpad`, `${name}.high.tearpad`];
const left = (name: string): string[] => readdirSync(desk.directory).filter((file) => file.startsWith(`${name}.`));

describe("a pair", () => {
  test("two images hold one pad, one the low side and one the high side of it", async () => {
    const made = JSON.parse(String(await desk.ok(["pair", "two", ...SMALL, "--json"])));
    expect(made).toEqual({
      low: "two.low.tearpad",
      high: "two.high.tearpad",
      padBytes: PAD_BYTES,
      streamPad: true,
      provenance: "csprng",
      claimedMinEntropy: 0,
      samplesTested: 0,
      longestRepetition: 0,
      highestProportion: 0,
      sourceName: "",
      noise: null,
    });
    const [low, high] = await Promise.all(images("two").map((image) => desk.info(image)));
    expect([low!.side, high!.side]).toEqual(["low", "high"]);
    expect(low!.padId).toBe(high!.padId);
    expect([low!.padLength, low!.split]).toEqual([PAD_BYTES, PAD_BYTES / 2]);
    const [a, b] = images("two").map((image) => desk.read(image).subarray(6 * 4096));
    expect(a!.equals(b!)).toBe(true);
  });

  test("a pad from the generator is called a stream pad wherever it is shown, and no pad is called unbreakable", async () => {
    const shown = [
      String(await desk.ok(["pair", "named", ...SMALL, "--entropy", "csprng"])),
      String(await desk.ok(["device", "info", "named.low.tearpad"])),
      String(await desk.ok(["image", "inspect", "named.high.tearpad"])),
    ];
    for (const text of shown) expect(text).toContain("stream pad");
    const help = await Promise.all([["--help"], ["pair", "--help"], ["seal", "--help"]].map((args) => desk.ok(args)));
    for (const text of [...shown, ...help.map(String)]) expect(text).not.toMatch(/unbreakable|military/i);
  });

  test("what is there already is left alone", async () => {
    await desk.ok(["pair", "kept", ...SMALL]);
    const before = images("kept").map((image) => desk.read(image));
    await desk.fails(16, "IMAGE_EXISTS", ["pair", "kept", ...SMALL]);
    expect(images("kept").map((image) => desk.read(image))).toEqual(before);
    expect(left("kept").sort()).toEqual(images("kept").sort());
  });

  test("two blank devices are filled by address", async () => {
    const simulators = await Promise.all(
      ["one", "two"].map((name) => desk.simulator([`${name}.chip`, "--create", "64K", "--tcp", "127.0.0.1:0"])),
    );
    const [low, high] = simulators.map(({ address }) => address) as [string, string];
    expect(String(await desk.ok(["device", "fill", low, high]))).toContain("stream pad");
    await desk.fails(26, "WRONG_STATE", ["pair", "--devices", `${low},${high}`]);
    const bundle = await desk.ok(["seal", "--device", low], { input: "over the wire" });
    expect(String(await desk.ok(["open", "--device", high], { input: bundle }))).toBe("over the wire");
    await Promise.all(simulators.map(({ stop }) => stop()));
  });

  test.each([
    [[], /OUT/],
    [["x", "--size", "28K"], /at least 32K/],
    [["x", "--size", "24K"], /at least 32K/],
    [["x", "--size", "4G"], /less than 4G/],
    [["x", "--size", "50000"], /multiple of 4K/],
    [["x", "--size", "many"], /64K/],
    [["x", "--source", "diode"], /--min-entropy/],
    [["x", "--entropy", "f", "--source", "diode", "--min-entropy", "8.1"], /0\.1 to 8/],
    [["x", "--source", "diode", "--min-entropy", "8"], /generator is no physical source/],
    [["x", "y"], /one too many/],
    [["x", "--devices", "a,b"], /OUT/],
    [["--devices", "a"], /LOW,HIGH/],
    [["--devices", "a,b", "--size", "64K"], /--size/],
    [["x", "--fast"], /--fast/],
  ])("the command line %j makes no sense", async (args, says) => {
    expect((await desk.fails(2, "USAGE", ["pair", ...args])).message).toMatch(says);
    expect(left("x")).toEqual([]);
  });
});

describe("a pair that fails leaves nothing under its names", () => {
  /** For a shell that becomes the command: bytes that are not enough, and then hardly any more for as long as it runs. */
  const source = (pipe: string) =>
    `(head -c 80000 /dev/urandom; while kill -0 $$; do printf x; sleep 0.1; done) > ${pipe} 2> /dev/null &`;

  test("when its source ends too early", async () => {
    desk.makePipe("short.pipe");
    const shell = "(head -c 80000 /dev/urandom > short.pipe) &";
    const { facts } = await desk.fails(12, "ENTROPY_SHORT", ["pair", "short", ...SMALL, "--entropy", "short.pipe"], {
      shell,
    });
    expect(facts).toMatchObject({ found: 80_000, needed: PAD_BYTES + 65_536 });
    expect(left("short")).toEqual(["short.pipe"]);
  });

  test("when it is interrupted", async () => {
    desk.makePipe("slow.pipe");
    const child = desk.start(["pair", "slow", ...SMALL, "--entropy", "slow.pipe", "--json"], {
      shell: source("slow.pipe"),
    });
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    while (left("slow").length < 3) await pause(20);
    await pause(500);
    child.kill("SIGINT");
    const [status] = await once(child, "close");
    expect([status, errorIn(stderr).code]).toEqual([130, "INTERRUPTED"]);
    expect(left("slow")).toEqual(["slow.pipe"]);
  });

  test.runIf(process.platform === "linux")("when the disk is full, and no byte of the source is used", async () => {
    writeFileSync(desk.path("precious"), randomBytes(PAD_BYTES));
    const args = ["pair", "full", ...SMALL, "--entropy", "precious"];
    const { pad, advice } = await desk.fails(13, "DISK_FULL", args, { shell: "ulimit -f 60" });
    expect([pad, advice]).toEqual(["No device was made, and no pad bytes were used.", "Make room and start again."]);
    expect(left("full")).toEqual([]);
    await desk.ok(args);
  });

  test("when it was killed: what it left is cleared away by the next run", async () => {
    desk.makePipe("dead.pipe");
    const child = desk.start(["pair", "dead", ...SMALL, "--entropy", "dead.pipe"], {
      shell: source("dead.pipe"),
    });
    while (!left("dead").includes("dead.high.tearpad.part")) await pause(20);
    await pause(500);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(images("dead").filter((image) => desk.exists(image))).toEqual([]);
    await desk.ok(["pair", "dead", ...SMALL]);
    expect(left("dead").sort()).toEqual(["dead.pipe", ...images("dead")].sort());
  });

  test("when it was killed between the two names: the next run names the second image", async () => {
    const made = JSON.parse(String(await desk.ok(["pair", "between", ...SMALL, "--json"])));
    renameSync(desk.path("between.high.tearpad"), desk.path("between.high.tearpad.part"));
    const { stdout, stderr } = await desk.run(["pair", "between", "--size", "1M", "--json"]);
    expect(stderr).toContain("--size");
    expect(JSON.parse(String(stdout))).toEqual({ ...made, low: "between.low.tearpad", high: "between.high.tearpad" });
    expect(left("between").sort()).toEqual(images("between").sort());
    const bundle = await desk.ok(["seal", "--device", "between.low.tearpad"], { input: "twins" });
    expect(String(await desk.ok(["open", "--device", "between.high.tearpad"], { input: bundle }))).toBe("twins");
  });

  test("a part of another pad is never taken for the second image", async () => {
    await desk.ok(["pair", "mine", ...SMALL]);
    await desk.ok(["pair", "theirs", ...SMALL]);
    renameSync(desk.path("mine.high.tearpad"), desk.path("mine.away"));
    copyFileSync(desk.path("theirs.high.tearpad"), desk.path("mine.high.tearpad.part"));
    await desk.fails(16, "IMAGE_EXISTS", ["pair", "mine", ...SMALL]);
    expect(desk.exists("mine.high.tearpad")).toBe(false);
  });
});

describe("noise from a file", () => {
  const declared = ["--source", "a diode in a box", "--min-entropy"] as const;
  const noise = (name: string, length: number): string => {
    writeFileSync(desk.path(name), randomBytes(length));
    return name;
  };

  test("declared and named it makes a physical pad, and its identity says what was tested", async () => {
    const file = noise("diode", PAD_BYTES);
    const made = JSON.parse(
      String(await desk.ok(["pair", "physical", ...SMALL, "--entropy", file, ...declared, "8", "--json"])),
    );
    expect(made).toMatchObject({
      streamPad: false,
      provenance: "physical",
      claimedMinEntropy: 8,
      samplesTested: PAD_BYTES,
    });
    const { identity, provenance } = await desk.info("physical.high.tearpad");
    expect(provenance).toBe("physical");
    expect(identity).toMatchObject({ sourceName: "a diode in a box", samplesTested: PAD_BYTES });
    expect(identity.longestRepetition).toBe(made.longestRepetition);
    expect(String(await desk.ok(["device", "info", "physical.low.tearpad"]))).not.toContain("stream pad");
  });

  test("undeclared it makes a stream pad", async () => {
    const made = await desk.ok(["pair", "undeclared", ...SMALL, "--entropy", noise("some", PAD_BYTES), "--json"]);
    expect(JSON.parse(String(made))).toMatchObject({ streamPad: true, samplesTested: 0 });
  });

  test("it is XORed with the generator: the pad is not the file, and without the generator it would be", async () => {
    const file = noise("xored", PAD_BYTES);
    const bytes = desk.read(file);
    await desk.ok(["pair", "mixed", ...SMALL, "--entropy", file]);
    expect(countEqual(padOf("mixed"), bytes)).toBeLessThan(PAD_BYTES / 100);
    const again = noise("again", 0);
    writeFileSync(desk.path(again), bytes);
    await desk.ok(["pair", "alone", ...SMALL, "--entropy", again], {
      preload: SILENT,
      env: { TEARPAD_HOME: desk.path("h2") },
    });
    expect(padOf("alone").equals(bytes)).toBe(true);
  });

  test("below 8 bits a byte it is conditioned: SHA-512 over 576 claimed bits for each 64 bytes of pad", async () => {
    const file = noise("conditioned", (PAD_BYTES / 64) * 83);
    const bytes = desk.read(file);
    await desk.ok(["pair", "hashed", ...SMALL, "--entropy", file, ...declared, "7"], { preload: SILENT });
    for (const block of [0, 1, PAD_BYTES / 64 - 1]) {
      // 576 / 7 = 82.3 bytes.
      const hash = createHash("sha512")
        .update(bytes.subarray(block * 83, (block + 1) * 83))
        .digest();
      expect(
        padOf("hashed")
          .subarray(block * 64, (block + 1) * 64)
          .equals(hash),
      ).toBe(true);
    }
  });

  test("of fewer bits it takes more of the file, and says that full entropy is conditional", async () => {
    const file = noise("weak", 120_000);
    const made = await desk.ok(["pair", "conditioned", ...SMALL, "--entropy", file, ...declared, "4"]);
    // 144 bytes of 4 bits are 576 bits for each 64 bytes of pad.
    expect(String(made)).toContain(`Tested: ${((PAD_BYTES / 64) * 144).toLocaleString("en-US")} bytes`);
    expect(String(made)).toContain("conditioning assumption");
  });

  test("a second pair takes the bytes behind the first, and a third is told that they are used", async () => {
    const file = noise("twice", 2 * PAD_BYTES + 100);
    await desk.ok(["pair", "first", ...SMALL, "--entropy", file]);
    copyFileSync(desk.path(file), desk.path("copy of it"));
    await desk.ok(["pair", "second", ...SMALL, "--entropy", "copy of it"]);
    const { facts } = await desk.fails(12, "ENTROPY_USED", ["pair", "third", ...SMALL, "--entropy", file]);
    expect(facts).toEqual({ source: file, used: 2 * PAD_BYTES, left: 100, needed: PAD_BYTES });
    expect(left("third")).toEqual([]);
  });

  test("a file with more noise at its end goes on behind what was used", async () => {
    const file = noise("grows", PAD_BYTES);
    await desk.ok(["pair", "before", ...SMALL, "--entropy", file]);
    await desk.fails(12, "ENTROPY_USED", ["pair", "after", ...SMALL, "--entropy", file]);
    writeFileSync(desk.path(file), randomBytes(PAD_BYTES), { flag: "a" });
    await desk.ok(["pair", "after", ...SMALL, "--entropy", file]);
  });

  test("a file that is too short says what is missing, and none of it is used", async () => {
    const file = noise("little", PAD_BYTES - 10);
    const { facts } = await desk.fails(12, "ENTROPY_SHORT", ["pair", "too", ...SMALL, "--entropy", file]);
    expect(facts).toEqual({ source: file, needed: PAD_BYTES, found: PAD_BYTES - 10, missing: 10, reserved: false });
    writeFileSync(desk.path(file), randomBytes(10), { flag: "a" });
    await desk.ok(["pair", "enough", ...SMALL, "--entropy", file]);
  });

  test.each([
    ["constant", [], (bytes: Buffer) => bytes.fill(0x5a)],
    ["constant from its middle on", [], (bytes: Buffer) => bytes.fill(0, 20_000)],
    ["a pattern that nobody vouches for", [], (bytes: Buffer) => bytes.map((_, i) => (i % 2 ? 10 : 121))],
    ["two values in turn", [...declared, "6"], (bytes: Buffer) => bytes.map((_, i) => 0x55 << (i % 2))],
    ["less random than claimed", [...declared, "6"], (bytes: Buffer) => bytes.map((byte) => byte & 0x0f)],
  ])("a file that is %s is refused before anything is used", async (what, claim, spoil) => {
    const file = `${what}.noise`;
    writeFileSync(desk.path(file), spoil(randomBytes(2 * PAD_BYTES)));
    const args = ["pair", `bad ${what}`, ...SMALL, "--entropy", file, ...claim];
    await desk.fails(12, "ENTROPY_UNHEALTHY", args);
    await desk.fails(12, "ENTROPY_UNHEALTHY", args);
    expect(left(`bad ${what}`)).toEqual([]);
  });

  test("a device that gives nothing, and one that gives always the same", async () => {
    await desk.fails(12, "ENTROPY_SHORT", ["pair", "null", ...SMALL, "--entropy", "/dev/null"]);
    await desk.fails(12, "ENTROPY_UNHEALTHY", ["pair", "zero", ...SMALL, "--entropy", "/dev/zero"]);
    await desk.fails(12, "ENTROPY_UNREADABLE", ["pair", "none", ...SMALL, "--entropy", "not there"]);
    await desk.ok(["pair", "device", ...SMALL, "--entropy", "/dev/urandom", ...declared, "7.5"]);
  });

  test("a record that cannot be written stops it before any byte is used", async () => {
    const file = noise("unrecorded", PAD_BYTES);
    mkdirSync(desk.path("home without records"));
    writeFileSync(desk.path("home without records", "entropy"), "");
    await desk.fails(12, "ENTROPY_UNRECORDED", ["pair", "norecord", ...SMALL, "--entropy", file], {
      env: { TEARPAD_HOME: desk.path("home without records") },
    });
    await desk.fails(13, "DISK_FAILED", ["pair", "norecord", ...SMALL, "--entropy", file], {
      env: { TEARPAD_HOME: desk.path("home without records", "entropy", "home") },
    });
    expect(left("norecord")).toEqual([]);
  });
});

describe("T-02 the generator refuses", () => {
  const replaced = (body: string): string =>
    `import crypto from "node:crypto"; import { syncBuiltinESMExports } from "node:module";
     let calls = 0; crypto.randomFillSync = (into) => { calls++; ${body} return into; }; syncBuiltinESMExports();`;

  test("T-02 a generator that gives nothing, the same again, or a pattern", async () => {
    for (const body of [
      "throw new Error('no randomness');",
      "into.fill(7);",
      "for (const i of into.keys()) into[i] = i;",
    ]) {
      await desk.fails(12, "ENTROPY_FAILED", ["pair", "failing", ...SMALL], { preload: replaced(body) });
      expect(left("failing")).toEqual([]);
    }
  });

  test("T-02 a generator that fails in the middle of a pad", async () => {
    const body = "if (calls > 2) throw new Error('broken'); crypto.getRandomValues(into);";
    await desk.fails(12, "ENTROPY_FAILED", ["pair", "breaking", ...SMALL], { preload: replaced(body) });
    expect(left("breaking")).toEqual([]);
  });

  test("T-02 a seeded generator, as soon as it repeats itself in another run", async () => {
    const seeded = replaced(
      "for (let i = 0; i < into.length; i += 32) crypto.createHash('sha256').update('seed ' + calls + ' ' + i).digest().copy(into, i);",
    );
    await desk.ok(["pair", "seeded", ...SMALL], { preload: seeded });
    await desk.fails(12, "ENTROPY_FAILED", ["pair", "again", ...SMALL], { preload: seeded });
    expect(left("again")).toEqual([]);
  });
});
