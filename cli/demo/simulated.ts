// One simulated device: a process of its own (`tearpad sim`) behind its own terminal, with its power switch. The driver reaches
// it through the terminal alone; there is nothing else to fall back to.

import { statSync } from "node:fs";
import { dirname } from "node:path";
import { connectControl, type Remote } from "../../simulator/index.ts";
import { DemoError } from "./errors.ts";
import { type Running, run } from "./running.ts";

/** A running device. */
export interface Simulated extends Pick<Running, "pid" | "lost" | "stop"> {
  /** Its terminal, such as /dev/pts/7. */
  readonly tty: string;
  /** The socket of its power switch. */
  readonly socket: string;
  readonly control: Remote;
}

const CHIP_BYTES_LEAST = 2 ** 20;
const CHIP_BYTES_MOST = 2 ** 31;

/** The size of a chip for so many bytes: a power of two, from 1 MiB to 2 GiB. */
export function chipBytesFor(bytes: number): number {
  let size = CHIP_BYTES_LEAST;
  while (size < bytes && size < CHIP_BYTES_MOST) size *= 2;
  return size;
}

/**
 * Starts a device.
 * @param name what the user calls it
 * @param more options of `tearpad sim`, such as a trace of its line
 * @throws DemoError DEVICE_NOT_STARTED, PAIR_IN_USE
 */
export async function startSimulated(
  name: string,
  image: string,
  socket: string,
  ...more: readonly string[]
): Promise<Simulated> {
  const running = await run(["sim", image, "--pty", "--control", socket, ...more], {
    failed: ({ code, reason }) =>
      code === "IMAGE_BUSY"
        ? new DemoError("PAIR_IN_USE", { directory: dirname(image) })
        : new DemoError("DEVICE_NOT_STARTED", { device: name, reason }),
    ended: ({ reason }) => new DemoError("DEVICE_ENDED", { device: name, reason }),
  });
  const { pid, lost, stop, kill } = running;
  const tty = running.said.address as string;
  try {
    if (!statSync(tty).isCharacterDevice()) throw new Error(`${tty} is no terminal.`);
    return { pid, tty, socket, control: await connectControl(socket), lost, stop };
  } catch (error) {
    await kill();
    throw new DemoError("DEVICE_NOT_STARTED", { device: name, reason: (error as Error).message });
  }
}
