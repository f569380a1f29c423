// The driver: talks to a device over a serial port or TCP, seals texts into bundles and opens them (docs/SPEC.md). It knows
// no server and no simulator; anything with the four methods of Transport can carry it.
//
//   import { fileSink, openBundle, openDevice, openOutbox, openTransport, sealRun } from "tearpad/driver";
//
//   const alice = await openDevice(() => openTransport("/dev/ttyACM0"));
//   const bob = await openDevice(() => openTransport("tcp://127.0.0.1:7270"));
//   const outbox = await openOutbox("outbox");
//   const sealed = await sealRun(alice, new TextEncoder().encode("tear here"), outbox);
//   const opened = await openBundle(bob, outbox.read(sealed.id), fileSink("text"));
//   await outbox.remove(sealed.id);
//   console.log(sealed.boxes, opened.textBytes, (await bob.info()).up.used);
//   await Promise.all([alice.close(), bob.close()]);
//
// Every failure is a TearpadError: a stable `code`, what happened, what it means for the pad, and what to do next.

import "../protocol/node-check.ts";

export {
  BundleError,
  bundleBytes,
  type Command,
  commands,
  DeviceError,
  type DeviceErrorCode,
  type DeviceFacts,
  type FillParameters,
  firstSplitOfPair,
  firstSplitOfToken,
  type Hello,
  type Info,
  isDeviceError,
  type PadShape,
  type Provenance,
  readBundle,
  runCost,
  slotsAtIssue,
  TearpadError,
  type TokenParameters,
  type Value,
} from "../protocol/index.ts";
export { openTransport } from "./address.ts";
export { type Clock, sleep } from "./clock.ts";
export { type Connect, type Device, openDevice } from "./device.ts";
export { ByteFile, onDisk, spool, syncDirectory, writeAll } from "./disk.ts";
export { DriverError, type DriverErrorCode, type DriverFacts, isDriverError } from "./errors.ts";
export { type FillProgress, fillDevice } from "./fill.ts";
export { type OpenedRun, type OpenOptions, type OpenProgress, openBundle } from "./open.ts";
export { Outbox, type OutboxEntry, openOutbox } from "./outbox.ts";
export { type ActiveInfo, mustBeActive } from "./position.ts";
export { lastWord, mayComeBack, regain, SETBACKS_MAX } from "./recovery.ts";
export { type SealedRun, type SealOptions, type SealProgress, sealRun } from "./seal.ts";
export { type RoundTrips, type SelfTest, type Starts, selftest, type Trial, type Verdict } from "./selftest.ts";
export { descriptorSink, fileSink, streamSink, type TextSink } from "./sink.ts";
export type { TextSource } from "./text.ts";
export type { Transport } from "./transport.ts";
