/**
 * `tearpad/simulator`: a whole device in a program, for tests that need to take its power away.
 *
 * @example
 * const machine = new Machine({ core: builtCore(), flash: new Flash({ sectors: 16, seed: 7 }) });
 * machine.onTransmit = (bytes) => replies.push(bytes);
 * machine.powerOn();
 * machine.feed(frame); // bytes as the serial line brings them
 * machine.runUntilIdle(); // background work, if the frame started any
 * const before = machine.snapshot();
 * machine.cutAt({ call: 3, when: "during", kind: "power", tear: "random" });
 * machine.feed(nextFrame); // machine.state is now "off"; the chip is left as the cut left it
 * machine.powerOn(); // boots, recovers, serves
 * machine.restore(before); // and once more, from the same state
 */
import "../host/protocol/node-check.ts";

export { type Clock, LiveClock, VirtualClock } from "./clock.ts";
export { connectControl, type Order, type Remote, type Status, serveControl } from "./control.ts";
export { builtCore, type Core, compileCore } from "./core.ts";
export { SimulatorError, type SimulatorErrorCode } from "./error.ts";
export {
  BLOCK,
  type Cells,
  type Faults,
  Flash,
  type FlashOptions,
  type FlashSnapshot,
  type Mood,
  PAGE,
  Panic,
  type SectorFault,
  TEARS,
  type Tear,
} from "./flash.ts";
export { createImage, type Image, openImage } from "./image.ts";
export {
  attachPty,
  attachTcp,
  type DirectLine,
  type Line,
  lineTo,
  type PtyOptions,
  type TcpOptions,
} from "./line/index.ts";
export {
  type Cut,
  type CutKind,
  HAL_CALLS,
  type HalCall,
  type HalCallName,
  Machine,
  type MachineOptions,
  type MachineSnapshot,
  type MachineState,
  type Presence,
  STATICS,
  TRAP_REASONS,
  TRAP_UNKNOWN,
  WINDOW,
} from "./machine.ts";
export { Random, type RandomState } from "./random.ts";
export { SECTOR, UNIT } from "./sector.ts";
export { TRACE_WARNING, traceTo } from "./trace.ts";
export {
  attachUsbip,
  serveUsb,
  type UsbDevice,
  type UsbipLine,
  type UsbipOptions,
  type UsbRefusal,
  type UsbSetup,
} from "./usbip/index.ts";
