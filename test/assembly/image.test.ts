// A device on an image that is not as it was left, or that is asked to become something else: it refuses, says which part is wrong, and touches nothing.

import { randomBytes } from "node:crypto";
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  commands,
  type Device,
  type DriverError,
  fillDevice,
  openBundle,
  sealRun,
  type TextSink,
} from "../../host/driver/index.ts";
import { crc32 } from "../../host/protocol/index.ts";
import { builtCore, Flash, Machine } from "../../simulator/index.ts";
import { inOnePiece, padParameters, scratchDirectory, scratchOutbox, talkTo } from "../host/pair.ts";
import { type ImagePair, makeImagePair, PAD_BASE, withImage } from "./image-pair.ts";

const PAD_SECTORS = 8;
/** Revision 1 lies in copy 1: behind four sectors of journal and one of copy 0. */
const IDENTITY = 5 * 4096;
const PAGES = ["identity", "connection", "encryption"] as const;

let directory: string;
let images: ImagePair;
let copies = 0;

beforeAll(async () => {
  directory = await scratchDirectory();
  images = await makeImagePair(directory, PAD_SECTORS);
});

async function failure(promise: Promise<unknown>): Promise<DriverError> {
  return promise.then(
    () => expect.fail("it succeeded"),
    (error: DriverError) => error,
  );
}

/** A copy of low's image, changed. */
function changed(change: (bytes: Buffer) => void): string {
  const path = join(directory, `changed-${++copies}.image`);
  const bytes = readFileSync(images.low);
  change(bytes);
  writeFileSync(path, bytes);
  return path;
}

function flip(bytes: Buffer, at: number, mask: number): void {
  bytes[at]! ^= mask;
}

/** Changes an identity page so that its checksum is right again. */
function repaged(bytes: Buffer, page: number, at: number, value: number): void {
  const whole = bytes.subarray(IDENTITY + 256 * page, IDENTITY + 256 * (page + 1));
  whole[at] = value;
  whole.writeUInt32LE(crc32(whole.subarray(0, 252)), 252);
}

async function refusesWith(path: string, section: string): Promise<void> {
  const before = readFileSync(path);
  await withImage(path, async (machine) => {
    const device = await talkTo(machine);
    const info = await device.info();
    expect([info.state, info.faultySection]).toEqual(["faulty", section]);
    const outbox = await scratchOutbox();
    const attempts = [
      () => sealRun(device, randomBytes(10), outbox),
      () => openBundle(device, inOnePiece(randomBytes(200)), nowhere()),
      () => device.seal("last", randomBytes(10)),
      () => device.fill(padParameters("low", PAD_SECTORS * 4096, randomBytes(16))),
    ];
    for (const attempt of attempts) {
      const error = await failure(attempt());
      expect(error).toMatchObject({ code: "FAULTY", facts: { section } });
      expect(error.message).toContain(section);
    }
    expect(await outbox.list()).toEqual([]);
  });
  expect(Buffer.compare(readFileSync(path), before)).toBe(0);
}

function nowhere(): TextSink {
  return { write: async () => {}, finish: async () => {}, abort: async () => {} };
}

describe("T-17 an image that is not as it was left", () => {
  it.each(PAGES.map((name, page) => [name, page] as const))(
    "T-17 with a flipped byte in its section %s is refused by that name and stays as it is",
    async (name, page) => {
      for (const at of [0, 9, 40, 255]) {
        await refusesWith(
          changed((bytes) => flip(bytes, IDENTITY + 256 * page + at, 4)),
          name,
        );
      }
    },
  );

  it.each(PAGES.map((name, page) => [name, page] as const))(
    "T-17 of another version of the section %s is refused by that name and stays as it is",
    async (name, page) => {
      await refusesWith(
        changed((bytes) => repaged(bytes, page, 4, 2)),
        name,
      );
    },
  );

  it("T-17 without a readable record is refused by the name of the journal, and the pad is not taken for a new chip", async () => {
    await refusesWith(
      changed((bytes) => void bytes.fill(0xff, 0, 4 * 4096)),
      "journal",
    );
    await refusesWith(
      changed((bytes) => void bytes.fill(0x00, 0, 4 * 4096)),
      "journal",
    );
  });

  it("T-17 cut short serves no pad that does not fit it any more", async () => {
    const path = join(directory, "short.image");
    copyFileSync(images.low, path);
    truncateSync(path, PAD_BASE + (PAD_SECTORS - 1) * 4096);
    await refusesWith(path, "identity");
  });

  it("of another suite is refused before a byte of the pad is read", async () => {
    const path = changed((bytes) => repaged(bytes, 2, 12, 2));
    await withImage(path, async (machine) => {
      machine.powerCut();
      let padReads = 0;
      machine.observe = ({ name, address }) => {
        if (name === "norRead" && address >= PAD_BASE) padReads++;
      };
      machine.powerOn();
      const device = await talkTo(machine);
      expect((await device.info()).state).toBe("faulty");
      expect(await failure(device.seal("last", randomBytes(10)))).toMatchObject({ code: "FAULTY" });
      expect(padReads).toBe(0);
    });
  });

  it("with a decayed pad byte loses the box under it alone, and says AUTH_FAILED", async () => {
    const outbox = await scratchOutbox();
    const texts = [randomBytes(100), randomBytes(100), randomBytes(100)];
    const bundles = await withImage(images.high, async (machine) => {
      const device = await talkTo(machine);
      const list: Buffer[] = [];
      for (const text of texts)
        list.push(Buffer.concat(await Array.fromAsync(outbox.read((await sealRun(device, text, outbox)).id))));
      return list;
    });
    const end = PAD_SECTORS * 4096 - 192 * (PAD_SECTORS / 2);
    const path = changed((bytes) => flip(bytes, PAD_BASE + end - 132 - 60, 0x10));
    await withImage(path, async (machine) => {
      const device = await talkTo(machine);
      const codes: string[] = [];
      for (const bundle of bundles) {
        codes.push(
          await openBundle(device, inOnePiece(bundle), nowhere()).then(
            () => "opened",
            (error: DriverError) => error.code,
          ),
        );
      }
      expect(codes).toEqual(["opened", "AUTH_FAILED", "opened"]);
    });
  });
});

describe("a fill that must not be", () => {
  /** A request of FILL with one byte of it changed. */
  const withByte = (at: number, value: number): typeof commands.fill => ({
    ...commands.fill,
    encode: (parameters) => {
      const bytes = commands.fill.encode(parameters);
      bytes[at] = value;
      return bytes;
    },
  });
  const parameters = padParameters("low", PAD_SECTORS * 4096, randomBytes(16));

  async function blank(use: (device: Device, machine: Machine) => Promise<void>): Promise<void> {
    const machine = new Machine({ core: builtCore(), flash: new Flash({ sectors: 6 + PAD_SECTORS }) });
    machine.powerOn();
    await use(await talkTo(machine), machine);
  }

  it("a second fill of a device in use is refused, its pad stays as it is, and it goes on", async () => {
    const path = changed(() => {});
    const before = readFileSync(path).subarray(PAD_BASE);
    await withImage(path, async (machine) => {
      const device = await talkTo(machine);
      const refused = await failure(fillDevice(device, parameters, inOnePiece(randomBytes(PAD_SECTORS * 4096))));
      expect(refused).toMatchObject({ code: "WRONG_STATE", facts: { state: "active" } });
      expect(Buffer.compare(readFileSync(path).subarray(PAD_BASE), before)).toBe(0);
      expect(await device.seal("last", randomBytes(10))).toMatchObject({ mark: 0 });
    });
  });

  it("one for a suite that the device does not know is refused, and the chip is not touched", async () => {
    await blank(async (device, machine) => {
      const { norErase, norProgram } = machine.calls;
      for (const suite of [0, 2, 255]) {
        expect(await failure(device.request(withByte(1, suite), parameters))).toMatchObject({
          code: "SUITE_UNKNOWN",
          facts: { suite },
        });
      }
      expect([machine.calls.norErase, machine.calls.norProgram]).toEqual([norErase, norProgram]);
      expect((await device.info()).state).toBe("blank");
    });
  });

  it("one with bytes that cannot be a pad is refused where they begin, and the device serves no half of it", async () => {
    await blank(async (device) => {
      const pad = new Uint8Array(randomBytes(PAD_SECTORS * 4096)).map((byte, i) =>
        i >= 9000 && i < 9009 ? 7 : byte === 7 ? 8 : byte,
      );
      expect(await failure(fillDevice(device, parameters, inOnePiece(pad)))).toMatchObject({
        code: "FILL_REFUSED",
        facts: { offset: 9000 },
      });
      expect(await failure(device.seal("last", randomBytes(10)))).toMatchObject({
        code: "WRONG_STATE",
        facts: { state: "filling" },
      });
    });
  });
});
