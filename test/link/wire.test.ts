// A line as a stream of items: in order however they were cut, bounded whatever comes, and ended by what is no item.

import { expect, test } from "vitest";
import type { Line } from "../../host/link/index.ts";
import { Wire } from "../../host/link/wire.ts";
import { quickClock } from "./token.ts";

class Fake {
  hear: (bytes: Uint8Array) => void = () => {};
  tell: (reason?: Error) => void = () => {};
  paused = 0;
  resumed = 0;
  closed = false;
  readonly line: Line = {
    write: async () => {},
    onData: (listener) => {
      this.hear = listener;
    },
    onClose: (listener) => {
      this.tell = listener;
    },
    close: async () => {
      this.closed = true;
    },
    pause: () => {
      this.paused++;
    },
    resume: () => {
      this.resumed++;
    },
  };
}

/** A DATA item with so much text, all of one value. */
function item(length: number, value = 0): Uint8Array {
  const bytes = new Uint8Array(20 + length).fill(value);
  bytes.set([length & 255, length >> 8, 1, 0]);
  return bytes;
}

test("items come in order, whatever pieces they arrive in, and then the end", async () => {
  const fake = new Fake();
  const wire = new Wire(fake.line, "test", quickClock, 4096);
  const items = [item(0, 1), item(300, 2), item(7, 3)];
  for (const byte of Buffer.concat(items)) fake.hear(Uint8Array.of(byte));
  fake.tell();
  for (const expected of items) expect((await wire.next()).bytes).toEqual(expected);
  await expect(wire.next()).rejects.toMatchObject({ code: "LINK_LOST" });
});

test("what is no item ends the line", async () => {
  const fake = new Fake();
  const wire = new Wire(fake.line, "test", quickClock, 4096);
  const next = wire.next();
  fake.hear(new TextEncoder().encode("HTTP/1.1 400 Bad Request"));
  await expect(next).rejects.toMatchObject({ code: "LINK_LOST" });
  expect(fake.closed).toBe(true);
});

test("a line that is faster than the device is asked to wait, and to go on", async () => {
  const fake = new Fake();
  const wire = new Wire(fake.line, "test", quickClock, 1 << 20);
  for (let i = 0; i < 80; i++) fake.hear(item(4096));
  expect([fake.paused, fake.resumed]).toEqual([1, 0]);
  for (let i = 0; i < 80; i++) await wire.next();
  expect([fake.paused, fake.resumed]).toEqual([1, 1]);
});

test("a line that does not wait is cut when it brings more than a pad can hold", async () => {
  const fake = new Fake();
  const wire = new Wire(fake.line, "test", quickClock, 65_536);
  let sent = 0;
  while (!fake.closed && sent < 1000) {
    fake.hear(item(4096));
    sent++;
  }
  expect(sent).toBeLessThan(100);
  await wire.close();
});

test("silence ends a wait that has a limit", async () => {
  const wire = new Wire(new Fake().line, "test", quickClock, 4096);
  await expect(wire.next(500)).rejects.toMatchObject({ code: "LINK_LOST" });
});

test("a line that takes nothing more is ended", async () => {
  const fake = new Fake();
  fake.line.write = () => new Promise(() => {});
  const wire = new Wire(fake.line, "test", quickClock, 4096);
  await expect(wire.send(item(1))).rejects.toMatchObject({ code: "LINK_LOST" });
  await expect(wire.next()).rejects.toMatchObject({ code: "LINK_LOST" });
});
