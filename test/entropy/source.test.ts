// Sources of pad bytes: what is read of a file, by whom, and how often.

import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { type EntropyError, noiseSource } from "../../host/entropy/index.ts";
import { UseRecords } from "../../host/entropy/records.ts";

const directory = mkdtempSync(join(tmpdir(), "tearpad-entropy-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

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
  expect(await records.reserve(start, 0, 1000)).toBe(true);
  expect(await records.reserve(start, 0, 5000)).toBe(false);
  expect(await records.reserve(start, 1000, 3000)).toBe(true);
  expect(new UseRecords(where).usedBytes(start)).toBe(3000);
  expect(await records.reserve(start, 3000, 2000)).toBe(true);
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
