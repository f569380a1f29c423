// A file as the bytes of a chip, to be read only. No lock: whoever has it open goes on.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type Inspection, inspectChip } from "../host/image/index.ts";
import { SimulatorError } from "../simulator/index.ts";

/** @throws ImageError; SimulatorError IMAGE_MISSING or IMAGE_IO */
export function inspectFile(path: string): Inspection {
  const file = onFile(path, () => openSync(path, "r"));
  try {
    const size = onFile(path, () => sizeOf(file));
    const read = (address: number, into: Uint8Array): void => {
      for (let done = 0; done < into.length; ) {
        const count = onFile(path, () => readSync(file, into, done, into.length - done, address + done));
        if (count === 0) throw new Error(`${path} became shorter while it was read`);
        done += count;
      }
    };
    return inspectChip({ size, read });
  } finally {
    closeSync(file);
  }
}

function sizeOf(file: number): number {
  const found = fstatSync(file);
  if (found.isDirectory()) throw new Error("it is a directory");
  return found.size;
}

function onFile<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const message = missing ? `There is no image ${path}.` : `The image ${path} cannot be read.`;
    throw new SimulatorError(missing ? "IMAGE_MISSING" : "IMAGE_IO", message, {
      facts: { path },
      pad: "Nothing was changed, and no pad bytes were used.",
      advice: "Check the path and its permissions.",
      cause,
    });
  }
}
