// Two devices filled as one pair: when one of them fails, it is told which, and whether the other is left alone.

import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { fillTwins, type Twins } from "../../cli/twins.ts";
import { type Device, DriverError, openDevice } from "../../host/driver/index.ts";
import type { PadSource } from "../../host/entropy/index.ts";
import { builtCore, Flash, lineTo, Machine } from "../../simulator/index.ts";

const PAD_BYTES = 10 * 4096;
const names = { low: "first.chip", high: "second.chip" };
const source: PadSource = {
  origin: {
    provenance: "csprng",
    claimedMinEntropy: 0,
    samplesTested: 0,
    longestRepetition: 0,
    highestProportion: 0,
    sourceName: "",
  },
  noise: null,
  read: async (into) => {
    into.set(randomBytes(into.length));
  },
  close: async () => {},
};

async function blank(): Promise<Device> {
  const machine = new Machine({ core: builtCore(), flash: new Flash({ sectors: 16, seed: 1 }), entropy: 1 });
  machine.powerOn();
  return openDevice(lineTo(machine));
}

function fill(devices: { low: Device; high: Device }, stop: Promise<void> = new Promise(() => {})): Promise<Twins> {
  return fillTwins(devices, names, source, { padLength: PAD_BYTES, burnUnit: 1 }, () => {}, stop);
}

/** A device whose cable is pulled when it is told to do this. */
async function pulledAt(order: "write" | "commit"): Promise<Device> {
  const device = await blank();
  device[order] = async () => {
    await device.close();
    throw new DriverError("DEVICE_LOST", {});
  };
  return device;
}

test("one that is lost while both verify leaves the other alone, and both are named", async () => {
  const devices = { low: await blank(), high: await pulledAt("commit") };
  await expect(fill(devices)).rejects.toMatchObject({
    code: "TWIN_ALONE",
    facts: { device: "first.chip", other: "second.chip" },
    cause: { code: "DEVICE_LOST", message: expect.stringMatching(/^second\.chip: /) },
  });
  expect((await devices.low.info()).state).toBe("active");
});

test("one that is lost before both are written whole leaves neither with a pad, and is named", async () => {
  const devices = { low: await pulledAt("write"), high: await blank() };
  await expect(fill(devices)).rejects.toMatchObject({
    code: "DEVICE_LOST",
    message: expect.stringMatching(/^first\.chip: /),
  });
  expect((await devices.high.info()).state).toBe("filling");
});

test("neither is told to verify before both are written whole; an interruption is heard until then and not after", async () => {
  const devices = { low: await blank(), high: await blank() };
  const stop = Promise.withResolvers<void>();
  const written = { low: 0, high: 0 };
  for (const side of ["low", "high"] as const) {
    const [write, commit] = [devices[side].write, devices[side].commit];
    devices[side].write = async (...args) => {
      written[side] = await write.apply(devices[side], args);
      return written[side];
    };
    devices[side].commit = async (...args) => {
      expect(written).toEqual({ low: PAD_BYTES, high: PAD_BYTES });
      stop.resolve();
      return commit.apply(devices[side], args);
    };
  }
  const { low, high } = await fill(devices, stop.promise);
  expect([low.state, high.state, low.padId]).toEqual(["active", "active", high.padId]);

  const others = { low: await blank(), high: await blank() };
  await expect(fill(others, Promise.resolve())).rejects.toMatchObject({ code: "INTERRUPTED" });
});
