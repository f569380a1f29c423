// The outbox on a real disk: whole bundles, kept until they are removed.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openOutbox, spool } from "../../host/driver/index.ts";
import { limitFileSize } from "./file-limit.ts";
import { inOnePiece, scratchDirectory } from "./pair.ts";

const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);
const contents = async (source: AsyncIterable<Uint8Array>) => Buffer.concat(await Array.fromAsync(source));

describe("an outbox", () => {
  it("shows a bundle as finished only once it is whole, gives the same bytes each time, and forgets it when told", async () => {
    const outbox = await openOutbox(join(await scratchDirectory(), "new", "outbox"));
    const part = await outbox.begin(300);
    await part.append(bytes(100, 1));
    await part.append(bytes(200, 2));
    expect(await outbox.list()).toEqual([{ id: part.id, bytes: 300, finished: false, writer: process.pid }]);
    await expect(contents(outbox.read(part.id))).rejects.toMatchObject({ code: "DISK_FAILED" });

    await part.finish();
    expect(await outbox.list()).toEqual([{ id: part.id, bytes: 300, finished: true, writer: null }]);
    const expected = Buffer.concat([bytes(100, 1), bytes(200, 2)]);
    expect(await contents(outbox.read(part.id))).toEqual(expected);
    expect(await contents(outbox.read(part.id))).toEqual(expected);

    await outbox.remove(part.id);
    expect(await outbox.list()).toEqual([]);
    await outbox.remove(part.id);
  });

  it("finds what an earlier process left: finished bundles to be sent again, and parts that are good for nothing", async () => {
    const directory = await scratchDirectory();
    await writeFile(join(directory, "20260101T000000Z-00000001.bundle"), bytes(10, 1));
    await writeFile(join(directory, "20260102T000000Z-00000002.part"), bytes(20, 2));
    await writeFile(join(directory, "notes.txt"), "not mine");
    const outbox = await openOutbox(directory);
    expect(await outbox.list()).toEqual([
      { id: "20260101T000000Z-00000001", bytes: 10, finished: true, writer: null },
      { id: "20260102T000000Z-00000002", bytes: 20, finished: false, writer: null },
    ]);
    for (const { id } of await outbox.list()) await outbox.remove(id);
    expect(await outbox.list()).toEqual([]);
  });

  it("keeps a part as it was before an append that the disk refused", async () => {
    const outbox = await openOutbox(await scratchDirectory());
    const part = await outbox.begin(3000);
    await part.append(bytes(1000, 1));
    const release = limitFileSize(1500);
    try {
      await expect(part.append(bytes(1000, 2))).rejects.toMatchObject({ code: "DISK_FULL", facts: { needed: 1000 } });
      expect(await outbox.list()).toMatchObject([{ bytes: 1000 }]);
    } finally {
      release();
    }
    await part.append(bytes(10, 3));
    await part.finish();
    expect(await contents(outbox.read(part.id))).toEqual(Buffer.concat([bytes(1000, 1), bytes(10, 3)]));
  });

  it("sends a bundle of any size through one small buffer, each piece waited for", async () => {
    const outbox = await openOutbox(await scratchDirectory());
    const bundle = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251);
    const part = await outbox.begin(bundle.length);
    await part.append(bundle);
    await part.finish();
    const sent: Uint8Array[] = [];
    const memory = new Set<ArrayBufferLike>();
    await outbox.send(part.id, async (piece) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      memory.add(piece.buffer);
      sent.push(piece.slice());
    });
    expect(Buffer.concat(sent).equals(bundle)).toBe(true);
    expect([...memory].map((buffer) => buffer.byteLength)).toEqual([65_536]);
    const refused = new Error("nobody takes it");
    await expect(outbox.send(part.id, () => Promise.reject(refused))).rejects.toBe(refused);
  });

  it("begins a part anew, with nothing of what was appended before", async () => {
    const outbox = await openOutbox(await scratchDirectory());
    const part = await outbox.begin(100);
    await part.append(bytes(100, 1));
    await part.clear();
    await part.append(bytes(10, 2));
    await part.finish();
    expect(await contents(outbox.read(part.id))).toEqual(Buffer.from(bytes(10, 2)));
  });

  it("gives up a part without a trace", async () => {
    const outbox = await openOutbox(await scratchDirectory());
    const part = await outbox.begin(10);
    await part.append(bytes(10, 1));
    await part.discard();
    expect(await outbox.list()).toEqual([]);
  });
});

describe("a spool", () => {
  it("holds a stream of unknown length, to be read from anywhere", async () => {
    const text = Uint8Array.from({ length: 100_000 }, (_, index) => index % 251);
    const file = await spool(inOnePiece(text));
    expect(file.size).toBe(text.length);
    expect(await file.read(50_000, 10)).toEqual(text.subarray(50_000, 50_010));
    expect(await file.read(99_995, 10)).toEqual(text.subarray(99_995));
    expect(await contents(file.stream())).toEqual(Buffer.from(text));
    await file.close();
  });

  it("that does not fit on the disk is DISK_FULL", async () => {
    const release = limitFileSize(50_000);
    try {
      await expect(spool(inOnePiece(bytes(100_000, 1)))).rejects.toMatchObject({ code: "DISK_FULL" });
    } finally {
      release();
    }
  });
});
