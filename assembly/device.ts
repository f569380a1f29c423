// The core of the device, the entry point of device.wasm. Synchronous, single-threaded, never re-entered: what comes in comes through `receive`, what takes long goes on
// in `poll`, and everything else that it needs of the world is in device/hal.ts.

import { start } from "./device/boot";
import { step } from "./device/fill";
import { take } from "./device/frame";
import { window as input, WINDOW_SIZE } from "./device/layout";

/** Power-on, or a reset after a trap: `traps` counts those since power-on, `reason` is that of the last. Memory is as after instantiation. */
export function boot(traps: u32, reason: u32): void {
  start(traps, reason);
}

/** Where the body puts what the line brought: 512 bytes. */
export function window(): u32 {
  return <u32>input;
}

/** Takes `count` bytes from the window, and answers every frame that ends in them. */
export function receive(count: u32): void {
  assert(count <= WINDOW_SIZE);
  take(count);
}

/** One step of background work. 1 while there is more. */
export function poll(): u32 {
  return step();
}
