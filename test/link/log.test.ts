// The log of a link: what was synced is there after a crash, wherever the crash tore the file; what was not had no effect.

import { copyFile, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LinkLog, type LoggedCall } from "../../host/link/log.ts";
import { scratchDirectory } from "../host/pair.ts";

const text = (length: number) => new Uint8Array(length).map((_, i) => i);
const call = (slot: number, again: number, next: number): LoggedCall => ({
  ...{ slot, again, next, down: 0 },
  ...{ slotItem: text(20), welcome: text(68), ready: text(84) },
});

/** All that a log says, for comparison. */
function state(log: LinkLog): unknown {
  const { requests, boxes, acknowledged, end, delivered, call, refusals } = log;
  return structuredClone({ requests: [...requests.values()], boxes, acknowledged, end, delivered, call, refusals });
}

const box = (mark: number, request: string | null, number: number, ends = false) =>
  ({ mark, cost: 100, request, number, ends }) as const;

const STEPS: readonly ((log: LinkLog) => Promise<unknown>)[] = [
  (log) => log.refused({ slot: 0, count: 3, skips: 0 }),
  (log) => log.called(call(0, 0, 0), 0),
  (log) => log.request("aa", 3, text(200)),
  (log) => log.box(box(0, "aa", 0), text(68)),
  (log) => log.box(box(100, "aa", 1), text(68)),
  (log) => log.acknowledge(100),
  (log) => log.called(call(1, 200, 250), 2),
  (log) => log.box(box(250, "aa", 2), text(68)),
  (log) => log.request("bb", 1, text(10)),
  (log) => log.box(box(350, "bb", 0), text(68)),
  (log) => log.keepAnswer("aa", 500, text(33)),
  (log) => log.deliver(600),
  (log) => log.box(box(450, null, 0, true), text(40)),
  (log) => log.called(call(2, 450, 550), 0),
  (log) => log.again("bb"),
  (log) => log.box(box(550, "bb", 0), text(68)),
  (log) => log.done("bb", 700),
  (log) => log.anew(800),
  (log) => log.drop("aa"),
];

test("a log torn at any byte says what was synced before, and goes on from there", async () => {
  const directory = await scratchDirectory();
  const log = await LinkLog.open(directory, "t");
  const whole = [{ size: 0, says: state(log) }];
  for (const step of STEPS) {
    await step(log);
    whole.push({ size: (await stat(log.path)).size, says: state(log) });
  }
  await log.close();
  const end = whole.at(-1)?.size as number;
  const torn = await scratchDirectory();
  for (let size = 0; size <= end; size += size % 4 === 0 ? 3 : 5) {
    await copyFile(log.path, join(torn, "t.link"));
    await truncate(join(torn, "t.link"), size);
    const again = await LinkLog.open(torn, "t");
    const before = whole.findLast((entry) => entry.size <= size);
    expect(state(again)).toEqual(before?.says);
    await again.request("cc", 1, text(5));
    await again.close();
    const after = await LinkLog.open(torn, "t");
    expect(after.requests.has("cc")).toBe(true);
    await after.close();
  }
});

test("a log with a damaged record says what was synced before it", async () => {
  const directory = await scratchDirectory();
  const log = await LinkLog.open(directory, "t");
  await log.request("aa", 1, text(50));
  const says = state(log);
  const { size } = await stat(log.path);
  await log.request("bb", 1, text(50));
  await log.close();
  const bytes = await readFile(log.path);
  bytes[size + 40] = (bytes[size + 40] as number) ^ 1;
  await writeFile(log.path, bytes);
  const again = await LinkLog.open(directory, "t");
  expect(state(again)).toEqual(says);
  await again.close();
});

test("a log gives back the bytes that it was given, and is small again when nothing is under way", async () => {
  const log = await LinkLog.open(await scratchDirectory(), "t");
  const { text: span } = await log.request("aa", 30, text(100_000));
  expect(await log.read(span)).toEqual(text(100_000));
  await log.tidy({ whole: true });
  expect(await log.read(span)).toEqual(text(100_000));
  await log.called(call(7, 0, 0), 0);
  await Promise.all([log.done("aa", 900), log.tidy(), log.refused({ slot: 8, count: 1, skips: 0 })]);
  await log.tidy({ whole: true });
  expect((await stat(log.path)).size).toBeLessThan(1000);
  const says = state(log);
  await log.close();
  const again = await LinkLog.open(join(log.path, ".."), "t");
  expect(state(again)).toEqual(says);
  await again.close();
});

test("a log that grew while every call was refused is small again when it is opened", async () => {
  const directory = await scratchDirectory();
  const log = await LinkLog.open(directory, "t");
  const refused = Array.from({ length: 1000 }, (_, i) => log.refused({ slot: 0, count: i + 1, skips: 0 }));
  await Promise.all(refused);
  await log.close();
  const size = async (): Promise<number> => (await stat(log.path)).size;
  expect(await size()).toBeGreaterThan(16_384);
  const again = await LinkLog.open(directory, "t");
  expect([again.refusals, await size()]).toEqual([{ slot: 0, count: 1000, skips: 0 }, expect.any(Number)]);
  expect(await size()).toBeLessThan(1000);
  await again.close();
});

test("boxes can end before each gap, before a STATE that ends, and at their end", async () => {
  const log = await LinkLog.open(await scratchDirectory(), "t");
  expect(log.ends()).toEqual([0]);
  await log.request("aa", 4, text(400));
  await log.box(box(0, "aa", 0), text(68));
  await log.box(box(150, "aa", 1), text(68));
  await log.box(box(250, null, 0, true), text(40));
  expect(log.ends()).toEqual([100, 250, 350]);
  expect(log.unfinished(0)).toBeNull();
  expect(log.unfinished(100)?.number).toBe(1);
  expect(log.unfinished(350)?.number).toBe(2);
  await log.close();
});
