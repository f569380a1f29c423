// One driver and every line: a device in this process, behind a TCP port, and on a terminal in a process of its own. And what happens when a line ends in the middle
// of a frame.

import { randomBytes } from "node:crypto";
import { copyFileSync } from "node:fs";
import { createServer, connect as dial, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type Connect,
  type DriverError,
  type Outbox,
  openBundle,
  openDevice,
  openTransport,
  type SealedRun,
  sealRun,
  type TextSink,
  type Transport,
} from "../../host/driver/index.ts";
import { cobsEncode, encodeFrame, FrameDecoder } from "../../host/protocol/index.ts";
import { attachTcp, builtCore, Flash, lineTo, Machine, openImage } from "../../simulator/index.ts";
import { scratchDirectory, scratchOutbox, talkTo } from "../host/pair.ts";
import { ended, start } from "../simulator/process.ts";
import { type ImagePair, makeImagePair, withImage } from "./image-pair.ts";
import { PadObserver } from "./pad-observer.ts";

const PAD_SECTORS = 64;
const REPLY_MS = 3000;

let directory: string;
let filled: ImagePair;
let outbox: Outbox;
let copies = 0;
const endings: (() => unknown)[] = [];

beforeAll(async () => {
  directory = await scratchDirectory();
  filled = await makeImagePair(directory, PAD_SECTORS);
  outbox = await scratchOutbox();
});
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A fresh copy of an image. */
function copyOf(side: "low" | "high"): string {
  const path = join(directory, `${side}-${++copies}.image`);
  copyFileSync(filled[side], path);
  return path;
}

async function failure(promise: Promise<unknown>): Promise<DriverError> {
  return promise.then(
    () => expect.fail("it succeeded"),
    (error: DriverError) => error,
  );
}

/** A device on an image in this process, for as long as the test takes. */
function machineOn(path: string): Machine {
  const image = openImage(path);
  const machine = new Machine({ core: builtCore(), flash: new Flash({ cells: image }) });
  machine.powerOn();
  endings.push(() => image.close());
  return machine;
}

const LINES: Readonly<Record<string, (path: string) => Promise<Connect>>> = {
  "in this process": async (path) => {
    const machine = machineOn(path);
    return async () => lineTo(machine);
  },
  "behind a TCP port": async (path) => {
    const line = await attachTcp(machineOn(path));
    endings.push(() => line.close());
    return () => openTransport(line.address);
  },
  "on a terminal": async (path) => {
    const running = start("../assembly/device-on-terminal.ts", [path, `${path}.tty`]);
    endings.push(() => {
      running.child.stdin?.end();
      return ended(running.child);
    });
    const { address } = await running.said;
    return () => openTransport(String(address));
  },
};

/** Over TCP the host before may not have left yet: one host at a time. */
async function reach(connect: Connect): ReturnType<typeof openDevice> {
  for (let tries = 0; tries < 50; tries++) {
    const device = await openDevice(connect).catch(() => null);
    if (device !== null) return device;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return openDevice(connect);
}

/** What the twin reads out of a bundle. */
async function readBy(path: string, { id }: SealedRun): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const sink: TextSink = {
    write: async (part) => void parts.push(part.slice()),
    finish: async () => {},
    abort: async () => {},
  };
  await withImage(path, async (machine) => {
    await openBundle(await talkTo(machine), outbox.read(id), sink);
  });
  return Buffer.concat(parts);
}

describe("T-21 the same driver", () => {
  it.each(Object.entries(LINES))(
    "T-21 has a device %s say, seal and open the same, and end its sessions the same",
    async (_where, connectTo) => {
      const connect = await connectTo(copyOf("low"));
      const device = await openDevice(connect);
      const before = await device.info();
      const text = randomBytes(20_000);
      const sealed = await sealRun(device, text, outbox);
      expect(sealed).toMatchObject({ boxes: 5, segments: 1, bytesSkipped: 0, markBefore: 0, markAfter: 20_160 });
      const after = await device.info();
      expect(after).toEqual({
        ...before,
        up: { used: 20_160, burned: 20_160 },
        nextSlot: 1,
        room: before.room - 20_160,
        journalSequence: before.journalSequence + 6,
      });
      expect((await device.page(0)).subarray(0, 4)).toEqual(Uint8Array.from(Buffer.from("TPID")));

      const twin = copyOf("high");
      expect((await readBy(twin, sealed)).equals(text)).toBe(true);
      const answer = await withImage(twin, async (machine) =>
        sealRun(await talkTo(machine), text.subarray(0, 5000), outbox),
      );
      const opened = await openBundle(device, outbox.read(answer.id), {
        write: async () => {},
        finish: async () => {},
        abort: async () => {},
      });
      expect(opened).toMatchObject({ alreadyDelivered: false, textBytes: 5000 });
      await device.close();
      expect(await failure(device.info())).toMatchObject({ code: "DEVICE_LOST" });
      const again = await reach(connect);
      expect((await again.info()).down.used).toBe(5064);
      await again.close();
    },
  );

  it.each(Object.entries(LINES))(
    "T-21 gets an error in time from a device %s for a bad CRC-32, a frame that is too long, and an unknown command",
    async (_where, connectTo) => {
      const connect = await connectTo(copyOf("low"));
      const transport = await connect();
      const heard = new FrameDecoder();
      const answers: string[] = [];
      let wake = (): void => {};
      transport.onData((bytes) => {
        for (const frame of heard.push(bytes))
          answers.push("fault" in frame ? frame.fault : `${frame.type} ${frame.payload[0]} ${frame.payload[2]}`);
        wake();
      });
      const answerTo = async (...parts: Uint8Array[]): Promise<string | undefined> => {
        const begun = performance.now();
        const answered = new Promise<void>((resolve) => {
          wake = resolve;
        });
        for (const part of parts) await transport.write(part);
        await answered;
        expect(performance.now() - begun).toBeLessThan(REPLY_MS);
        return answers.pop();
      };
      const info = encodeFrame({ type: 2, sequence: 1, session: 0, payload: new Uint8Array(0) });
      const damaged = info.slice();
      damaged[1]! ^= 1;
      const endOfFrame = Uint8Array.of(0);
      expect(await answerTo(endOfFrame, damaged)).toBe("255 1 1");
      expect(await answerTo(cobsEncode(randomBytes(6000)), endOfFrame)).toBe("255 1 3");
      expect(await answerTo(info)).toMatch(/^130 /);
      await transport.close();

      const device = await reach(connect);
      const unknown = { name: "0x7e", type: 0x7e, aside: false, encode: () => new Uint8Array(3), decode: () => null };
      const begun = performance.now();
      expect(await failure(device.request(unknown, undefined))).toMatchObject({ code: "UNKNOWN_COMMAND" });
      expect(performance.now() - begun).toBeLessThan(REPLY_MS);
      expect(await device.seal("last", randomBytes(5))).toMatchObject({ mark: 0 });
      await device.close();
    },
  );
});

/** A cable that breaks when so many more bytes of the device have passed, and can be plugged in again. */
async function cable(address: string): Promise<{ address: string; breakAfter(bytes: number): void }> {
  const { port } = new URL(address);
  let left = Number.POSITIVE_INFINITY;
  const server = createServer((near: Socket) => {
    const far = dial(Number(port), "127.0.0.1");
    const unplug = (): void => {
      near.destroy();
      far.destroy();
    };
    for (const end of [near, far]) end.on("error", unplug).on("close", unplug);
    near.on("data", (bytes) => far.write(bytes));
    far.on("data", (bytes) => {
      near.write(bytes.subarray(0, Math.max(0, left)), () => {
        if (left <= 0) near.destroy();
      });
      left -= bytes.length;
      if (left > 0) return;
      far.destroy();
    });
    near.on("close", () => {
      left = Number.POSITIVE_INFINITY;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endings.push(() => server.close());
  const bound = server.address() as { port: number };
  return {
    address: `tcp://127.0.0.1:${bound.port}`,
    breakAfter: (bytes) => {
      left = bytes;
    },
  };
}

describe("T-21 a device that is unplugged in the middle of a frame", () => {
  const text = randomBytes(30_000);
  const PLACES = [1, 12, 30, 2000, 4130];

  it("T-21 ends the sealing by DEVICE_LOST, whichever byte was the last; its text is kept, no part of a bundle stays, and the next one goes on behind", async () => {
    const machine = machineOn(copyOf("low"));
    const observer = new PadObserver();
    observer.watch(machine, "low", filled.pad.length);
    const line = await attachTcp(machine);
    endings.push(() => line.close());
    let mark = 0;
    for (const bytes of PLACES) {
      const broken = await cable(line.address);
      const device = await openDevice(await openTransport(broken.address));
      const sealed = sealRun(device, text, outbox, {
        onProgress: ({ boxes }) => boxes === 2 && broken.breakAfter(bytes),
      });
      expect(await failure(sealed)).toMatchObject({ code: "SEAL_UNFINISHED", cause: { code: "DEVICE_LOST" } });
      expect(device.gone).toBe(true);
      expect((await outbox.list()).filter(({ finished }) => !finished)).toEqual([]);
      const again = await reach(() => openTransport(line.address));
      const { used } = (await again.info()).up;
      expect(used).toBeGreaterThanOrEqual(mark + 2 * 4128);
      mark = used;
      await again.close();
    }
    expect(observer.bytesReused).toBe(0);
  });

  it("T-21 and plugged in again goes on under new bytes by itself: the twin reads the whole text", async () => {
    const machine = machineOn(copyOf("low"));
    const observer = new PadObserver();
    observer.watch(machine, "low", filled.pad.length);
    const line = await attachTcp(machine);
    endings.push(() => line.close());
    const broken = await cable(line.address);
    const places = PLACES.slice();
    const device = await openDevice(() => openTransport(broken.address));
    const sealed = await sealRun(device, text, outbox, {
      onProgress: () => {
        const bytes = places.shift();
        if (bytes !== undefined) broken.breakAfter(bytes);
      },
    });
    expect(sealed.segments).toBe(1 + PLACES.length);
    expect(sealed.bytesSkipped).toBe(PLACES.length * 4128);
    expect(observer.bytesReused).toBe(0);
    await device.close();
    expect((await readBy(copyOf("high"), sealed)).equals(text)).toBe(true);
  });

  it("T-21 on a terminal whose process is killed likewise, and is there again on its image", async () => {
    const path = copyOf("low");
    const link = `${path}.tty`;
    const observer = new PadObserver();
    let running = start("../assembly/device-on-terminal.ts", [path, link]);
    endings.push(() => {
      running.child.stdin?.end();
      return ended(running.child);
    });
    await running.said;
    let kills = 0;
    let armed = false;
    const connect = async (): Promise<Transport> => {
      if (running.child.signalCode !== null) running = start("../assembly/device-on-terminal.ts", [path, link]);
      await running.said;
      const transport = observer.tap(await openTransport(link), "low", filled.pad.length);
      let plugged = true;
      return {
        ...transport,
        onData: (listener) =>
          transport.onData((bytes) => {
            if (!plugged) return;
            // However a reply is read, its end is lost.
            listener(armed ? bytes.subarray(0, bytes.length / 2) : bytes);
            if (!armed) return;
            armed = false;
            plugged = false;
            kills++;
            running.child.kill("SIGKILL");
          }),
      };
    };
    const device = await openDevice(connect);
    const sealed = await sealRun(device, text, outbox, {
      onProgress: ({ boxes }) => {
        armed = boxes === 2 || boxes === 4;
      },
    });
    await device.close();
    expect(kills).toBe(2);
    expect(sealed.segments).toBe(3);
    expect(sealed.bytesSkipped).toBe(4128 * 2);
    expect(observer.emissions.length).toBeGreaterThan(8);
    expect(observer.bytesReused).toBe(0);
    expect((await readBy(copyOf("high"), sealed)).equals(text)).toBe(true);
  });
});
