// Filling a device with a pad, in one power session (SPEC section 10): erase, write, and let the device prove that it holds
// what was written, by a one-time MAC under a key that is made here and used once. A fill that is interrupted starts over,
// with fresh bytes.

import { DeviceError, type FillParameters, type Info, Poly1305, type Work } from "../protocol/index.ts";
import { sleep } from "./clock.ts";
import type { Device } from "./device.ts";
import { DriverError } from "./errors.ts";

const BLOCK_BYTES = 4096;
const POLL_MS = 100;
/** A sector takes at most 2 s to erase: a device that shows no progress for so long makes none. */
const STALLED_MS = 30_000;

export interface FillProgress {
  readonly phase: "erasing" | "writing" | "verifying";
  /** Bytes. */
  readonly done: number;
  readonly total: number;
}

/**
 * Fills a blank device with the first `padLength` bytes of a source and returns its INFO when it is active.
 * @throws DeviceError FILL_REFUSED for bytes that cannot be a pad, FILL_MISMATCH, and what else the device answers;
 *   DriverError SOURCE_SHORT, FILL_STALLED, FILL_FAILED
 * @param beforeCommit the last moment to give it up: once it resolves, the device makes the bytes a pad by itself
 */
export async function fillDevice(
  device: Device,
  parameters: FillParameters,
  source: AsyncIterable<Uint8Array>,
  onProgress: (progress: FillProgress) => void = () => {},
  beforeCommit: () => Promise<void> = async () => {},
): Promise<Info> {
  await device.fill(parameters);
  await workIsOver(device, "erasing", (done, total) => onProgress({ phase: "erasing", done, total }));

  const key = crypto.getRandomValues(new Uint8Array(32));
  const mac = new Poly1305(key);
  const total = parameters.padLength;
  let offset = 0;
  for await (const block of blocks(source, total)) {
    mac.update(block);
    offset = await device.write(offset, block);
    onProgress({ phase: "writing", done: offset, total });
  }
  if (offset < total) throw new DriverError("SOURCE_SHORT", { needed: total, found: offset });

  await beforeCommit();
  await device.commit(key, mac.digest());
  const info = await workIsOver(device, "verifying", (done) => onProgress({ phase: "verifying", done, total }));
  if (info.state !== "active") throw new DeviceError("WRONG_STATE", { state: info.state });
  return info;
}

/** Waits until the device has finished this work, and throws the error that ended it. */
async function workIsOver(
  device: Device,
  work: Work,
  onProgress: (done: number, total: number) => void,
): Promise<Info> {
  for (let before = -1, silent = 0; ; silent += POLL_MS) {
    const info = await device.info();
    if (info.workError === "FILL_MISMATCH") throw new DeviceError("FILL_MISMATCH", {});
    if (info.workError !== null) throw new DriverError("FILL_FAILED", { reason: info.workError });
    if (info.work.kind !== work) return info;
    const { done, total } = info.work;
    onProgress(done, total);
    if (done !== before) silent = 0;
    if (silent >= STALLED_MS) throw new DriverError("FILL_STALLED", { done, total });
    before = done;
    await sleep(device.clock, POLL_MS);
  }
}

/** The first `length` bytes of a stream in whole blocks; fewer blocks when the stream is shorter. */
async function* blocks(source: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Uint8Array, void, undefined> {
  let block = new Uint8Array(BLOCK_BYTES);
  let have = 0;
  let left = length;
  for await (let bytes of source) {
    while (bytes.length > 0) {
      const part = bytes.subarray(0, BLOCK_BYTES - have);
      block.set(part, have);
      have += part.length;
      bytes = bytes.subarray(part.length);
      if (have < BLOCK_BYTES) continue;
      yield block;
      left -= BLOCK_BYTES;
      if (left === 0) return;
      block = new Uint8Array(BLOCK_BYTES);
      have = 0;
    }
  }
}
