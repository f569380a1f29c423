// A pair of devices whose chips are files, filled with one pad by the driver: what `tearpad pair` makes, for tests that know the pad.

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fillDevice } from "../../host/driver/index.ts";
import { builtCore, createImage, Flash, Machine, openImage } from "../../simulator/index.ts";
import { inOnePiece, padParameters, SECTORS_BEFORE_PAD, talkTo } from "../host/pair.ts";

/** Where the pad begins in an image. */
export const PAD_BASE: number = SECTORS_BEFORE_PAD * 4096;

export interface ImagePair {
  /** The path of each image. */
  readonly low: string;
  readonly high: string;
  readonly pad: Uint8Array;
}

export async function makeImagePair(directory: string, padSectors: number): Promise<ImagePair> {
  const pad = new Uint8Array(randomBytes(padSectors * 4096));
  const padId = randomBytes(16);
  const fill = async (side: "low" | "high"): Promise<string> => {
    const path = join(directory, `${side}.image`);
    createImage(path, PAD_BASE + pad.length);
    await withImage(path, async (machine) => {
      const device = await talkTo(machine);
      await fillDevice(device, padParameters(side, pad.length, padId), inOnePiece(pad));
      await device.close();
    });
    return path;
  };
  return { low: await fill("low"), high: await fill("high"), pad };
}

/** Starts a device on an image, and ends it again. */
export async function withImage<Result>(path: string, use: (machine: Machine) => Promise<Result>): Promise<Result> {
  const image = openImage(path);
  try {
    const machine = new Machine({ core: builtCore(), flash: new Flash({ cells: image }) });
    machine.powerOn();
    return await use(machine);
  } finally {
    image.close();
  }
}
