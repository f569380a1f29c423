// Sources of pad bytes: what is read of a file, by whom, and how often.

import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type EntropyError, noiseSource } from "../../host/entropy/index.ts";
import { Landmarks } from "../../host/entropy/landmarks.ts";
import { UseRecords } from "../../host/entropy/records.ts";

const directory = mkdtempSync(join(tmpdir(), "tearpad-entropy-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Noise that is the same in every run. */
function seeded(seed: string, length: number): Buffer {
  const cipher = createCipheriv("aes-256-ctr", createHash("sha256").update(seed).digest(), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(length));
}

function file(name: string, length: number): string {
  const path = join(directory, name);
  writeFileSync(path, randomBytes(length));
  return path;
}

test("three that take from one file at once take different bytes of it, and the fourth finds it used", async () => {
  const path = file("shared", 3 * 8192);
  const records = join(directory, "records");
  const sources = await Promise.allSettled(Array.from({ length: 4 }, () => noiseSource(path, 8192, null, records)));
  const errors = sources.flatMap((one) => (one.status === "rejected" ? [(one.reason as EntropyError).code] : []));
  expect(errors).toEqual(["ENTROPY_USED"]);
  for (const one of sources) if (one.status === "fulfilled") await one.value.close();
  expect(new UseRecords(records).usedBytes(readFileSync(path).subarray(0, 4096))).toBe(3 * 8192);
});

test("a reservation holds when its record is read by another process, and one that is damaged counts as everything", async () => {
  const where = join(directory, "chain");
  const start = randomBytes(4096);
  const records = new UseRecords(where);
  expect(await records.reserve(start, 0, 1000, [])).toBe(true);
  expect(await records.reserve(start, 0, 5000, [])).toBe(false);
  expect(await records.reserve(start, 1000, 3000, ["0123456789abcdef"])).toBe(true);
  expect(new UseRecords(where).usedBytes(start)).toBe(3000);
  expect(await records.reserve(start, 3000, 2000, [])).toBe(true);
  expect(new UseRecords(where).usedBytes(start)).toBe(Number.POSITIVE_INFINITY);
});

test("what goes bad after it was tested and reserved is noticed as it is read, at its place in the file, and stays used", async () => {
  const path = file("spoiled later", 3 * 8192);
  const records = join(directory, "spoiled records");
  await (await noiseSource(path, 8192, null, records)).close();
  const source = await noiseSource(path, 8192, null, records);
  writeFileSync(path, readFileSync(path).fill(0, 12_000));
  const error: EntropyError = await source.read(new Uint8Array(8192)).then(
    () => expect.fail("it was given out"),
    (reason) => reason,
  );
  expect(error).toMatchObject({ code: "ENTROPY_UNHEALTHY", facts: { reserved: true } });
  expect(error.facts).toMatchObject({ position: expect.toSatisfy((at: number) => at > 11_990 && at < 12_100) });
  expect(error.pad).toContain("stay used");
  await source.close();
});

describe("noise that was used before, in a file that begins otherwise", () => {
  const records = join(directory, "landmark records");
  const used = seeded("used", 262_144);
  const take = async (name: string, bytes: Uint8Array): Promise<EntropyError | null> => {
    writeFileSync(join(directory, name), bytes);
    return noiseSource(join(directory, name), 262_144, null, records).then(
      async (source) => {
        await source.close();
        return null;
      },
      (error: EntropyError) => error,
    );
  };

  beforeAll(async () => {
    expect(await take("the noise itself", used)).toBeNull();
  });

  test.each([
    ["two bytes in front of it", Buffer.concat([Buffer.from("xx"), used])],
    ["its beginning cut off", Buffer.concat([used.subarray(9999), seeded("more", 9999)])],
    [
      "a quarter of it inside other noise",
      Buffer.concat([seeded("a", 99_999), used.subarray(100_001, 165_537), seeded("b", 99_999)]),
    ],
  ])("%s: it is recognised, refused, and nothing of it counts as used", async (name, bytes) => {
    const error = await take(name, bytes);
    expect(error).toMatchObject({
      code: "ENTROPY_REPEATED",
      pad: expect.stringContaining("no byte of the source counts"),
    });
    expect((error!.facts as { position: number }).position).toBeLessThan(bytes.length);
    expect(await take(name, bytes)).toMatchObject({ code: "ENTROPY_REPEATED" });
  });

  test("a file that repeats itself is refused, and one that is fresh is not", async () => {
    const half = seeded("half", 131_072);
    expect(await take("twice the same", Buffer.concat([half, half]))).toMatchObject({ code: "ENTROPY_REPEATED" });
    expect(await take("fresh", seeded("fresh", 262_144))).toBeNull();
  });

  test("of long noise 1,024 landmarks are kept, and a 16th of it is known again by them", () => {
    const [long, other] = [seeded("long", 12 << 20), seeded("other", 12 << 20)];
    long.copy(other, 1_000_001, 3_000_000, 3_000_000 + long.length / 16);
    const [a, b] = [long, other].map((bytes) => {
      const landmarks = new Landmarks();
      for (let at = 0; at < bytes.length; at += 65_536) landmarks.update(bytes.subarray(at, at + 65_536));
      return landmarks.places;
    });
    expect([a!.size, b!.size]).toEqual([1024, 1024]);
    const places = [...a!.keys()].flatMap((digest) => b!.get(digest) ?? []);
    expect(places.length).toBeGreaterThan(20);
    for (const place of places) expect(place > 1_000_001 && place <= 1_000_001 + long.length / 16).toBe(true);
  });

  test("what is recorded stays small, and tells nothing of the noise", () => {
    const sizes = readdirSync(records).map((name) => statSync(join(records, name)).size);
    expect(Math.max(...sizes)).toBeGreaterThan(300);
    expect(Math.max(...sizes)).toBeLessThan(20_000);
  });
});

test("a disk with noise on it is used once, like a file", async () => {
  const path = file("disk", 8192);
  const records = join(directory, "disk records");
  const handle = await open(path);
  const stat = vi.spyOn(Object.getPrototypeOf(handle) as typeof handle, "stat");
  await handle.close();
  // A block device says size 0.
  stat.mockResolvedValue(
    Object.assign(statSync("/dev/null"), { size: 0, isFile: () => false, isBlockDevice: () => true }),
  );
  try {
    await (await noiseSource(path, 8192, null, records)).close();
    await expect(noiseSource(path, 8192, null, records)).rejects.toMatchObject({ code: "ENTROPY_SHORT" });
  } finally {
    stat.mockRestore();
  }
});

test("a source gives exactly as much as it was opened for", async () => {
  const source = await noiseSource(file("exact", 20_000), 8192, null, join(directory, "exact records"));
  const bytes = new Uint8Array(4096);
  await source.read(bytes);
  await source.read(bytes);
  await expect(source.read(bytes)).rejects.toMatchObject({ code: "ENTROPY_SHORT" });
  await source.close();
});
