// Sealing and opening as two people do it: two image files, pipes, no server.

import { spawnSync } from "node:child_process";
import {
  createCipheriv,
  createDecipheriv,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { Desk, errorIn } from "./shell.ts";

const desk = new Desk();
let copies = 0;

/** A disk that takes nothing more; images, which have their room already, are not touched by it. */
const FULL_DISK = `import { open } from "node:fs/promises"; const handle = await open("/dev/null");
  Object.getPrototypeOf(handle).write = async () => { throw Object.assign(new Error("full"), { code: "ENOSPC" }); };
  await handle.close();`;

beforeAll(async () => {
  await desk.ok(["pair", "made", "--size", "64K"]);
  await desk.ok(["pair", "other", "--size", "64K"]);
});

/** A fresh copy of the pair: both marks at zero, five slots on each side. */
function pair(): { low: string; high: string } {
  return desk.copyPair("made", `pair${++copies}`);
}

const seal = (device: string, text: string | Uint8Array, ...more: string[]): Promise<Buffer> =>
  desk.ok(["seal", "--device", device, ...more], { input: text });
const open = (device: string, bundle: Uint8Array, ...more: string[]): Promise<Buffer> =>
  desk.ok(["open", "--device", device, ...more], { input: bundle });

describe("a text that goes through", () => {
  test("T-34 two people who made a pair talk in both directions without a server", async () => {
    const { low, high } = pair();
    const offline = "import net from 'node:net'; net.Socket.prototype.connect = () => { throw new Error('network'); };";
    for (const [from, to, text] of [
      [low, high, "Is it you?"],
      [high, low, "Whoever else holds the twin?"],
      [low, high, "Then come at eight."],
    ] as const) {
      const bundle = await desk.ok(["seal", "--device", from], { input: text, preload: offline });
      expect(bundle.includes(text)).toBe(false);
      expect(String(await desk.ok(["open", "--device", to], { input: bundle, preload: offline }))).toBe(text);
    }
    const [atLow, atHigh] = [await desk.info(low), await desk.info(high)];
    expect(atLow.up.used).toBe("Is it you?Then come at eight.".length + 2 * 32);
    expect([atHigh.up.used, atHigh.down.used]).toEqual([atLow.up.used, atLow.down.used]);
  });

  test.each([0, 1, 4096, 4097, 12_289])("a text of %i bytes comes out as it went in", async (length) => {
    const { low, high } = pair();
    const text = randomBytes(length);
    expect((await open(high, await seal(low, text))).equals(text)).toBe(true);
  });

  test("one shell pipeline seals and opens", () => {
    const { low, high } = pair();
    const node = `${process.execPath} ${process.features.typescript ? "" : "--import tsx"} ${new URL("../../cli/tearpad.ts", import.meta.url).pathname}`;
    const { stdout, status } = spawnSync(
      "bash",
      ["-c", `set -o pipefail; echo straight through | ${node} seal --device ${low} | ${node} open --device ${high}`],
      { cwd: desk.directory, env: { ...process.env, TEARPAD_HOME: desk.path("home") }, encoding: "utf8" },
    );
    expect([status, stdout]).toEqual([0, "straight through\n"]);
  });

  test("files by name, and a device from the environment", async () => {
    const { low, high } = pair();
    writeFileSync(desk.path("letter"), "by name");
    await desk.ok(["seal", "letter", "--out", "letter.bundle"], { env: { TEARPAD_DEVICE: low } });
    await desk.ok(["open", "letter.bundle", "--out", "letter.opened"], { env: { TEARPAD_DEVICE: high } });
    expect(String(desk.read("letter.opened"))).toBe("by name");
    expect(
      await desk.fails(16, "OUTPUT_EXISTS", ["open", "letter.bundle", "--device", high, "--out", "letter"]),
    ).toBeTruthy();
    expect(String(desk.read("letter"))).toBe("by name");
  });

  test.skipIf(process.platform === "win32")("a named pipe is read as a stream, not as an empty file", async () => {
    const { low, high } = pair();
    desk.makePipe("pipe");
    const shell = "(printf 'through a pipe' > pipe) &";
    expect(String(await open(high, await desk.ok(["seal", "pipe", "--device", low], { shell })))).toBe(
      "through a pipe",
    );
    await desk.fails(13, "DISK_FAILED", ["seal", ".", "--device", low]);
    await desk.fails(2, "NO_FILE", ["seal", "not there", "--device", low]);
    await desk.fails(2, "USAGE", ["seal", "--device", low, "--out", "/dev/stdout"]);
    expect(String(await open(high, await seal(low, "from stdin", "-"), "-"))).toBe("from stdin");
  });

  test.runIf(process.platform === "linux")("a file that says it is empty and is not is read to its end", async () => {
    const { low, high } = pair();
    const text = await open(high, await desk.ok(["seal", "/proc/version", "--device", low]));
    expect(text.equals(readFileSync("/proc/version"))).toBe(true);
    writeFileSync(desk.path("empty"), "");
    expect(await open(high, await desk.ok(["seal", "empty", "--device", low]))).toHaveLength(0);
  });

  test("--json tells what was done: on stderr where stdout carries the data, else on stdout", async () => {
    const { low, high } = pair();
    const sealed = await desk.run(["seal", "--device", low, "--json"], { input: "x" });
    expect(JSON.parse(sealed.stderr)).toEqual({
      id: expect.any(String),
      textBytes: 1,
      bundleBytes: sealed.stdout.length,
      boxes: 1,
      segments: 1,
      bytesSkipped: 0,
      markBefore: 0,
      markAfter: 33,
      split: 20_480,
    });
    writeFileSync(desk.path("json.bundle"), sealed.stdout);
    const opened = await open(high, Buffer.alloc(0), "json.bundle", "--out", "json.text", "--json");
    expect(JSON.parse(String(opened))).toEqual({
      alreadyDelivered: false,
      textBytes: 1,
      boxes: 1,
      segments: 1,
      split: 20_480,
    });
  });
});

describe("what is left", () => {
  test("low is told to ask for a grant, high grants with a bundle, and then low's text fits", async () => {
    const { low, high } = pair();
    const text = randomBytes(20_000);
    const refused = await desk.fails(5, "NEED_GRANT", ["seal", "--device", low], { input: text });
    expect(refused.facts).toEqual({ needed: 20_160, room: 19_520 });
    expect((await desk.info(low)).up.used).toBe(0);
    expect(String(await open(low, await seal(high, "more room", "--grant", "1K")))).toBe("more room");
    expect((await open(high, await seal(low, text))).equals(text)).toBe(true);
  });

  test("low cannot grant", async () => {
    const { low } = pair();
    await desk.fails(26, "WRONG_SIDE", ["seal", "--device", low, "--grant", "1K"], { input: "take it" });
    expect((await desk.info(low)).up.used).toBe(0);
  });

  test("a text longer than all that is left is refused whole", async () => {
    const { low, high } = pair();
    for (const image of [low, high]) {
      const before = await desk.info(image);
      const refused = await desk.run(["seal", "--device", image], { input: randomBytes(60_000) });
      expect([refused.status, refused.stdout.length]).toEqual([6, 0]);
      expect(refused.stderr).toMatch(/^tearpad: EXHAUSTED: .*\n {2}the pad: .*\n {2}what next: .*\n$/);
      const after = await desk.info(image);
      expect([after.up, after.down, after.nextSlot]).toEqual([before.up, before.down, before.nextSlot]);
    }
  });

  test.runIf(process.platform === "linux")("a stream without an end is refused as soon as it is too long", async () => {
    const { low } = pair();
    await desk.fails(6, "EXHAUSTED", ["seal", "--device", low], { shell: "ulimit -f 1000; exec < /dev/zero" });
    expect((await desk.info(low)).nextSlot).toBe(0);
  });

  test("the sixth text finds five slots used", async () => {
    const { low } = pair();
    for (let i = 0; i < 5; i++) await seal(low, "short");
    const { facts } = await desk.fails(6, "SLOTS_EXHAUSTED", ["seal", "--device", low], { input: "one more" });
    expect(facts).toEqual({ slots: 5 });
  });
});

describe("bundles that are not what they should be", () => {
  test("a bundle opens once", async () => {
    const { low, high } = pair();
    const bundle = await seal(low, "once");
    expect(String(await open(high, bundle))).toBe("once");
    const again = await desk.run(["open", "--device", high], { input: bundle });
    expect([again.status, again.stdout.length]).toEqual([4, 0]);
  });

  test("a bundle for another pad gives nothing", async () => {
    const { low } = pair();
    const bundle = await seal(low, "not for you");
    await desk.fails(4, "SLOT_UNKNOWN", ["open", "--device", "other.high.tearpad"], { input: bundle });
  });

  test("a bundle that is cut short says so and can be opened whole afterwards", async () => {
    const { low, high } = pair();
    const text = randomBytes(10_000);
    const bundle = await seal(low, text);
    const cut = await desk.run(["open", "--device", high], { input: bundle.subarray(0, 9000) });
    expect(cut.status).toBe(3);
    expect(text.subarray(0, cut.stdout.length).equals(cut.stdout)).toBe(true);
    await desk.fails(3, "TRUNCATED", ["open", "--device", high, "--out", "never"], { input: bundle.subarray(0, 9000) });
    expect(desk.exists("never")).toBe(false);
    expect((await open(high, bundle)).equals(text)).toBe(true);
  });

  test("a changed box gives nothing, and the bundle as it was sealed opens afterwards", async () => {
    const { low, high } = pair();
    const bundle = await seal(low, "pay 10");
    const changed = Buffer.from(bundle);
    changed[bundle.length - 18]! ^= 1;
    await desk.fails(7, "AUTH_FAILED", ["open", "--device", high], { input: changed });
    expect(String(await open(high, bundle))).toBe("pay 10");
  });

  test("what is no bundle is refused", async () => {
    const { high } = pair();
    await desk.fails(8, "BAD_BUNDLE", ["open", "--device", high], { input: "Dear Bob," });
    await desk.fails(2, "NO_FILE", ["open", "not there", "--device", high]);
  });

  test("a pad byte that decayed is noticed by the box that it belongs to, and no text comes out", async () => {
    const { low, high } = pair();
    const image = desk.read(high);
    // SPEC section 4: journal 4 sectors, identity 2, then the pad; up begins behind 5 slots of 192 bytes.
    image[6 * 4096 + 5 * 192 + 40]! ^= 0x10;
    writeFileSync(desk.path(high), image);
    const damaged = await desk.run(["open", "--device", high], { input: await seal(low, "0123456789") });
    expect([damaged.status, damaged.stdout.length]).toEqual([7, 0]);
  });
});

describe("when the output breaks", () => {
  test("a sealed bundle stays in the outbox until someone takes it", async () => {
    const { low, high } = pair();
    const failure = await desk.run(["seal", "--device", low], { input: "keep this", closeStdout: true });
    expect(failure.status).toBe(14);
    const { entries } = JSON.parse(String(await desk.ok(["outbox", "list", "--json"])));
    expect(entries).toEqual([{ id: expect.any(String), bytes: expect.any(Number), finished: true, writer: null }]);
    const [{ id }] = entries;
    expect(failure.stderr).toContain(`tearpad outbox send ${id}`);

    expect((await desk.run(["outbox", "send", id], { closeStdout: true })).status).toBe(14);
    const bundle = await desk.ok(["outbox", "send", id]);
    expect(String(await open(high, bundle))).toBe("keep this");
    expect(String(await desk.ok(["outbox", "list"]))).toBe("");
    await desk.fails(2, "NO_BUNDLE", ["outbox", "send", id]);
  });

  test("a kept bundle can be dropped", async () => {
    const { low } = pair();
    await desk.fails(14, "BUNDLE_KEPT", ["seal", "--device", low], { input: "never mind", closeStdout: true });
    const { entries } = JSON.parse(String(await desk.ok(["outbox", "list", "--json"])));
    await desk.ok(["outbox", "drop", entries[0].id]);
    expect(JSON.parse(String(await desk.ok(["outbox", "list", "--json"])))).toEqual({ entries: [] });
  });

  test("a text that nobody read can be opened again", async () => {
    const { low, high } = pair();
    const bundle = await seal(low, "read me");
    await desk.fails(14, "OUTPUT_CLOSED", ["open", "--device", high], { input: bundle, closeStdout: true });
    expect(String(await open(high, bundle))).toBe("read me");
  });

  test.runIf(process.platform === "linux")("a full disk behind stdout keeps the bundle, and the text", async () => {
    const { low, high } = pair();
    await desk.fails(14, "BUNDLE_KEPT", ["seal", "--device", low], { input: "no room", shell: "exec > /dev/full" });
    const { entries } = JSON.parse(String(await desk.ok(["outbox", "list", "--json"])));
    const bundle = await desk.ok(["outbox", "send", entries[0].id]);
    await desk.fails(14, "OUTPUT_CLOSED", ["open", "--device", high], { input: bundle, shell: "exec > /dev/full" });
    expect(String(await open(high, bundle))).toBe("no room");
  });

  test.runIf(process.platform === "linux")(
    "a file behind stdout that takes a part only keeps the bundle, and the text",
    async () => {
      const { low, high } = pair();
      const text = randomBytes(9000);
      // The kernel's limit cuts the write that crosses it short, as a disk does that has some room left.
      writeFileSync(desk.path("log"), Buffer.alloc(100 * 1024 - 5000));
      const almostFull = "ulimit -f 100; exec >> log";
      const kept = await desk.fails(14, "BUNDLE_KEPT", ["seal", "--device", low], { input: text, shell: almostFull });
      expect(kept.cause).toMatch(/no room/);
      const { entries } = JSON.parse(String(await desk.ok(["outbox", "list", "--json"])));
      const bundle = await desk.ok(["outbox", "send", entries[0].id]);
      expect(bundle.length).toBe(entries[0].bytes);
      writeFileSync(desk.path("log"), Buffer.alloc(100 * 1024 - 5000));
      await desk.fails(13, "DISK_FULL", ["open", "--device", high], { input: bundle, shell: almostFull });
      writeFileSync(desk.path("log"), "before it\n");
      await desk.ok(["open", "--device", high], { input: bundle, shell: "exec >> log" });
      expect(desk.read("log").equals(Buffer.concat([Buffer.from("before it\n"), text]))).toBe(true);
    },
  );

  test("a file behind stdout is on the disk before anything is destroyed or forgotten", async () => {
    const { low, high } = pair();
    const failing = `
      import fs from "node:fs";
      import { syncBuiltinESMExports } from "node:module";
      const { fsyncSync } = fs;
      fs.fsyncSync = (file) => {
        if (file === 1) throw Object.assign(new Error("EIO"), { code: "EIO" });
        fsyncSync(file);
      };
      syncBuiltinESMExports();`;
    const world = { shell: "exec > synced", preload: failing };
    await desk.fails(14, "BUNDLE_KEPT", ["seal", "--device", low], { input: "sync me", ...world });
    const { entries } = JSON.parse(String(await desk.ok(["outbox", "list", "--json"])));
    const bundle = await desk.ok(["outbox", "send", entries[0].id]);
    await desk.fails(13, "DISK_FAILED", ["open", "--device", high], { input: bundle, ...world });
    expect(String(await open(high, bundle))).toBe("sync me");
  });

  test.runIf(process.platform === "linux")("a text or bundle on its way to a file is its owner's alone", async () => {
    const { low, high } = pair();
    const shell = "umask 000";
    await desk.ok(["seal", "--device", low, "--out", "private.bundle"], { input: "mine", shell });
    await desk.ok(["open", "private.bundle", "--device", high, "--out", "private.text"], { shell });
    for (const name of ["private.bundle", "private.text"]) expect(statSync(desk.path(name)).mode & 0o777).toBe(0o600);
  });

  test.runIf(process.platform === "linux")(
    "a text that was begun and cannot be ended says what it used, and exits as what ended it",
    async () => {
      const { low } = pair();
      writeFileSync(desk.path("long"), randomBytes(12_000));
      const simulator = await desk.simulator([low, "--tcp", "127.0.0.1:0"]);
      const begun = await desk.run(["seal", "long", "--device", simulator.address, "--json"], { shell: "ulimit -f 8" });
      expect(errorIn(begun.stderr)).toMatchObject({
        code: "SEAL_UNFINISHED",
        facts: { boxes: 1, bytesUsed: 4128 },
        cause: expect.stringMatching(/no room/),
        exit: 13,
      });
      expect(begun.status).toBe(13);
      await simulator.stop();
    },
  );

  test.runIf(process.platform === "linux")(
    "a disk with no room for the text is met before anything is used",
    async () => {
      await desk.ok(["pair", "large", "--size", "1M"]);
      const high = "large.high.tearpad";
      const before = await desk.info(high);
      await desk.fails(13, "DISK_FULL", ["seal", "--device", high], {
        input: randomBytes(120_000),
        preload: FULL_DISK,
      });
      expect((await desk.info(high)).down).toEqual(before.down);
      expect(readdirSync(desk.path("home", "outbox"))).toEqual([]);
    },
  );
});

describe("T-36 an inner layer of one's own", () => {
  test("T-36 a text under a session key stays opaque within the bundle, and its reader removes that layer", async () => {
    const { low, high } = pair();
    const [key, nonce] = [randomBytes(32), randomBytes(12)];
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    const inner = Buffer.concat([cipher.update("for Bob alone"), cipher.final(), cipher.getAuthTag()]);
    const received = await open(high, await seal(low, inner));
    expect(received.equals(inner)).toBe(true);
    const decipher = createDecipheriv("aes-256-gcm", key, nonce).setAuthTag(received.subarray(-16));
    expect(decipher.update(received.subarray(0, -16), undefined, "utf8") + decipher.final("utf8")).toBe(
      "for Bob alone",
    );
  });

  test("T-36 the inner layer may be under a public key, and one that fails changes nothing about the pad", async () => {
    const { low, high } = pair();
    const bob = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const eve = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const received = await open(high, await seal(low, publicEncrypt(bob.publicKey, Buffer.from("sealed twice"))));
    expect(() => privateDecrypt(eve.privateKey, received)).toThrow();
    expect(String(privateDecrypt(bob.privateKey, received))).toBe("sealed twice");
    expect((await desk.info(high)).up.used).toBe((await desk.info(low)).up.used);
  });
});

test("an image that another process has open is refused", async () => {
  const { low } = pair();
  const simulator = await desk.simulator([low, "--tcp", "127.0.0.1:0"]);
  await desk.fails(10, "IMAGE_BUSY", ["seal", "--device", low], { input: "two at once" });
  await simulator.stop();
  await seal(low, "one after the other");
});

test("a device that is not there is named", async () => {
  await desk.fails(10, "IMAGE_MISSING", ["seal", "--device", "nowhere.tearpad"], { input: "x" });
  await desk.fails(10, "NO_DEVICE", ["seal", "--device", "tcp://127.0.0.1:1"], { input: "x" });
  await desk.fails(10, "NO_DEVICE", ["seal", "--device", "/dev/not-a-tty"], { input: "x" });
  await desk.fails(10, "BAD_ADDRESS", ["seal", "--device", "http://127.0.0.1"], { input: "x" });
  await desk.fails(2, "USAGE", ["seal"], { input: "x" });
});
