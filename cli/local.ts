// A device in this process: the core on an image file, without a line in between. The image's lock keeps any second user
// away; when the command ends, the device loses its power like any other.

import { randomInt } from "node:crypto";
import { mustBeWhole } from "../host/image/index.ts";
import { builtCore, type Cells, Flash, type Image, LiveClock, Machine, openImage } from "../simulator/index.ts";

export interface LocalDevice {
  readonly machine: Machine;
  readonly image: Image;
  /** Takes the power away and gives the image back. */
  close(): void;
}

/**
 * Boots a device on an image.
 * @param keep what its flash does with the image; the image itself where it is to survive the computer at every step
 * @throws SimulatorError IMAGE_MISSING, IMAGE_BUSY, IMAGE_SIZE, IMAGE_IO, CORE_MISSING; ImageError IMAGE_TRUNCATED, IMAGE_VERSION
 */
export function bootImage(path: string, keep: (image: Image) => Cells = (image) => image): LocalDevice {
  const image = openImage(path);
  try {
    mustBeWhole(image);
    const flash = new Flash({ cells: keep(image), clock: new LiveClock(), seed: randomInt(2 ** 32) });
    const machine = new Machine({ core: builtCore(), flash });
    machine.powerOn();
    return { machine, image, close: () => image.close() };
  } catch (error) {
    image.close();
    throw error;
  }
}
