// Images that are not what they should be: the inspector names what is wrong, the device refuses to work on it.

import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { crc32 } from "../../host/protocol/index.ts";
import { Desk } from "./shell.ts";

const desk = new Desk();
/** SPEC section 4 for a chip of 64K: where the journal ends, and copy 1 of the identity with revision 1. */
const JOURNAL_BYTES = 4 * 4096;
const PAGES = { identity: 5 * 4096, connection: 5 * 4096 + 256, encryption: 5 * 4096 + 512 };
const PAD = 6 * 4096;

beforeAll(async () => {
  await desk.ok(["pair", "whole", "--size", "64K"]);
});

/** A copy of the low image with something done to it. */
function spoiled(name: string, spoil: (image: Buffer) => Buffer | undefined): string {
  const image = desk.read("whole.low.tearpad");
  writeFileSync(desk.path(name), spoil(image) ?? image);
  return name;
}

interface Inspected {
  readonly state: string;
  readonly fault: { section: string; why: string } | null;
  readonly pad: { marks: { up: { used: number } }; suspiciousOffset: number | null; unburned: number } | null;
}

async function inspect(image: string, exit: number): Promise<Inspected> {
  const { status, stdout } = await desk.run(["image", "inspect", image, "--json"]);
  expect(status).toBe(exit);
  return JSON.parse(String(stdout)) as Inspected;
}

describe("T-17 what an image holds", () => {
  test("T-17 the inspector lists the sections of a token with version and checksum, and changes nothing", async () => {
    const before = desk.read("whole.high.tearpad");
    const found = JSON.parse(String(await desk.ok(["image", "inspect", "whole.high.tearpad", "--json"])));
    expect(Object.keys(found).sort()).toEqual(
      ["connection", "encryption", "fault", "identity", "journal", "lostPad", "pad", "path", "size", "state"].sort(),
    );
    for (const [section, address] of Object.entries(PAGES)) {
      const checksum = before
        .readUInt32LE(address + 252)
        .toString(16)
        .padStart(8, "0");
      expect(found[section]).toMatchObject({ version: 1, checksum, address, bytes: 256, problem: null });
    }
    expect(found.journal).toMatchObject({ version: 1, address: 0, unreadableRecords: 0, joined: { state: "active" } });
    expect(found.identity.content).toMatchObject({ side: "high", padLength: 40_960, provenance: "csprng" });
    expect(found.connection.content).toEqual({
      slots: { low: 5, high: 5 },
      slotBytes: 192,
      list: { number: 0, addresses: [] },
    });
    expect(found.encryption.content).toEqual({ suite: 1, burnUnit: 1, longestText: 4096, controlReserve: 1024 });
    expect(found.pad).toMatchObject({ address: PAD, bytes: 40_960, slotsLeft: 5, unburned: 0, suspiciousOffset: null });
    expect(desk.read("whole.high.tearpad").equals(before)).toBe(true);

    const text = String(await desk.ok(["image", "inspect", "whole.high.tearpad"]));
    for (const section of ["journal", "identity", "connection", "encryption", "pad"]) {
      expect(text).toMatch(new RegExp(`^${section} +1 `, "m"));
    }
  });

  test.each(Object.entries(PAGES))(
    "T-17 with a corrupt %s section the device refuses to work and the inspector names it",
    async (section, at) => {
      const image = spoiled(`corrupt ${section}`, (bytes) => {
        bytes[at + 20]! ^= 0x04;
        return undefined;
      });
      expect(await inspect(image, 11)).toMatchObject({
        state: "faulty",
        fault: { section, why: "its checksum is wrong" },
      });
      expect(String((await desk.run(["image", "inspect", image])).stdout)).toMatch(
        new RegExp(`^${section} .*CORRUPT`, "m"),
      );
      expect(await desk.fails(11, "FAULTY", ["seal", "--device", image], { input: "x" })).toMatchObject({
        facts: { section },
      });
      expect(await desk.fails(11, "FAULTY", ["open", "--device", image], { input: "x" })).toMatchObject({
        facts: { section },
      });
      const info = await desk.run(["device", "info", image]);
      expect([info.status, String(info.stdout)]).toEqual([11, expect.stringContaining(`"${section}"`)]);
      expect(String(info.stdout)).not.toMatch(/room|slots|^pad|split/m);
      const { stdout } = await desk.run(["device", "info", image, "--json"]);
      expect(Object.keys(JSON.parse(String(stdout))).sort()).toEqual(
        ["address", "faultySection", "identity", "state", "trapReason", "traps"].sort(),
      );
    },
  );

  test("T-17 a corrupt journal: one record is passed over, all of them are refused", async () => {
    const one = spoiled("one record", (bytes) => {
      bytes[4096 + 40]! ^= 1;
      return undefined;
    });
    expect(await inspect(one, 0)).toMatchObject({
      state: "active",
      journal: { unreadableRecords: expect.any(Number) },
    });
    const all = spoiled("no record", (bytes) => {
      for (let at = 0; at < JOURNAL_BYTES; at += 128) bytes[at + 60]! ^= 1;
      return undefined;
    });
    expect(await inspect(all, 11)).toMatchObject({ state: "faulty", fault: { section: "journal" } });
    expect(await desk.fails(11, "FAULTY", ["seal", "--device", all], { input: "x" })).toMatchObject({
      facts: { section: "journal" },
    });
  });
});

describe("T-17 a pair that was just made", () => {
  /** The last records that the fill wrote, the newest first. */
  const spoilNewest = (count: number) => (image: Buffer) => {
    const places = Array.from({ length: JOURNAL_BYTES / 128 }, (_, place) => place * 128);
    const written = places.filter((at) => image.toString("latin1", at, at + 4) === "TPJ1");
    const newest = written.sort((a, b) => image.readUInt32LE(b + 4) - image.readUInt32LE(a + 4));
    for (const at of newest.slice(0, count)) image[at + 75]! ^= 1;
    return undefined;
  };

  test("T-17 opens and seals with its newest record lost", async () => {
    const image = spoiled("newest lost", spoilNewest(1));
    expect(await inspect(image, 0)).toMatchObject({ state: "active", lostPad: false });
    await desk.ok(["seal", "--device", image], { input: "x" });
  });

  test("T-17 that lost all that says so is not sent to a fill: the inspector finds the pad, and the advice says to look first", async () => {
    const image = spoiled("both lost", spoilNewest(2));
    expect(await inspect(image, 11)).toMatchObject({ state: "filling", lostPad: true, pad: null });
    const { stdout } = await desk.run(["image", "inspect", image]);
    expect(String(stdout)).toMatch(/^warning .*filled pad lies here/m);
    const refused = await desk.run(["seal", "--device", image], { input: "x" });
    expect(refused.stderr).toMatch(/look first.*image inspect/);
  });
});

describe("where the pad stands", () => {
  test("the inspector reads the marks of a device that was used, and the device says the same", async () => {
    const { low } = desk.copyPair("whole", "used");
    await desk.ok(["seal", "--device", low], { input: randomBytes(5000) });
    const { pad } = await inspect(low, 0);
    expect(pad?.marks.up.used).toBe(5000 + 2 * 32);
    expect((await desk.info(low)).up.used).toBe(5000 + 2 * 32);
    expect(String(await desk.ok(["image", "inspect", low]))).toContain("#");
  });

  test("bytes that cannot be a pad are pointed at, and the device seals nothing with them", async () => {
    const at = 5 * 192 + 100;
    const image = spoiled("dead cells", (bytes) => {
      bytes[PAD + at - 1] = 0;
      return bytes.fill(0xff, PAD + at, PAD + at + 64);
    });
    expect((await inspect(image, 0)).pad?.suspiciousOffset).toBe(at);
    const sealed = await desk.run(["seal", "--device", image], { input: randomBytes(200) });
    expect([sealed.status, sealed.stdout.length]).toEqual([11, 0]);
    expect(sealed.stderr).toContain("flash fails");
  });

  test("a blank chip is blank, and one whose fill was interrupted is filling", async () => {
    writeFileSync(desk.path("blank"), Buffer.alloc(65_536, 0xff));
    expect(await inspect("blank", 0)).toMatchObject({ state: "blank", pad: null });
    expect(String(await desk.ok(["device", "info", "blank"]))).toContain("blank");
    await desk.fails(26, "WRONG_STATE", ["seal", "--device", "blank"], { input: "x" });
  });
});

describe("files that are no image", () => {
  test.each([
    ["cut within a sector", 15, "IMAGE_SIZE", (image: Buffer) => image.subarray(0, 65_000)],
    ["cut to less than the smallest chip", 15, "IMAGE_SIZE", (image: Buffer) => image.subarray(0, 24_576)],
    ["cut at a sector", 15, "IMAGE_TRUNCATED", (image: Buffer) => image.subarray(0, 61_440)],
    ["empty", 15, "NOT_AN_IMAGE", () => Buffer.alloc(0)],
    ["a file of something else", 15, "NOT_AN_IMAGE", () => randomBytes(65_536)],
  ] as const)("%s", async (name, exit, code, spoil) => {
    const image = spoiled(name, spoil);
    await desk.fails(exit, code, ["image", "inspect", image]);
    const sealed = await desk.run(["seal", "--device", image], { input: "x" });
    expect([sealed.status, sealed.stdout.length]).toEqual([name === "a file of something else" ? 11 : 15, 0]);
    if (code === "IMAGE_TRUNCATED") await desk.fails(exit, code, ["device", "info", image]);
  });

  test("an image of a later version, in a page or in the journal", async () => {
    const page = spoiled("later page", (image) => {
      image.writeUInt16LE(2, PAGES.connection + 4);
      image.writeUInt32LE(crc32(image.subarray(PAGES.connection, PAGES.connection + 252)), PAGES.connection + 252);
      return undefined;
    });
    const { facts } = await desk.fails(15, "IMAGE_VERSION", ["image", "inspect", page]);
    expect(facts).toEqual({ section: "connection", version: 2 });
    const journal = spoiled("later journal", (image) => {
      for (let at = 0; at < JOURNAL_BYTES; at += 128) {
        if (image.toString("latin1", at, at + 4) !== "TPJ1") continue;
        image.write("TPJ2", at, "latin1");
        image.writeUInt32LE(crc32(image.subarray(at, at + 124)), at + 124);
      }
      return undefined;
    });
    expect((await desk.fails(15, "IMAGE_VERSION", ["image", "inspect", journal])).facts).toMatchObject({
      section: "journal",
    });
    await desk.fails(15, "IMAGE_VERSION", ["seal", "--device", journal], { input: "x" });
  });

  test("one that is not there", async () => {
    await desk.fails(10, "IMAGE_MISSING", ["image", "inspect", "nothing"]);
    await desk.fails(13, "IMAGE_IO", ["image", "inspect", "."]);
  });
});
