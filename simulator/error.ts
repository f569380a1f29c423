/**
 * What the world does to a simulator: files that are not there or in use, disks that are full, addresses that are taken.
 * (A defect of the core is a {@link Panic}, a power cut is no error at all.)
 */
import { TearpadError } from "../host/protocol/index.ts";

/** Codes never change their meaning. */
export type SimulatorErrorCode =
  | "CORE_MISSING"
  | "IMAGE_MISSING"
  | "IMAGE_EXISTS"
  | "IMAGE_BUSY"
  | "IMAGE_LINKED"
  | "IMAGE_CHANGED"
  | "IMAGE_SIZE"
  | "IMAGE_IO"
  | "DISK_FULL"
  | "LINE_FAILED"
  | "CONTROL_FAILED";

const UNUSED = "No pad bytes were used.";
const NOT_SENT = "Nothing left the device for this. Pad bytes that it had begun to use stay used.";

/** What each means for the pad. */
const PAD: Readonly<Record<SimulatorErrorCode, string>> = {
  CORE_MISSING: UNUSED,
  IMAGE_MISSING: UNUSED,
  IMAGE_EXISTS: UNUSED,
  IMAGE_BUSY: UNUSED,
  IMAGE_LINKED: UNUSED,
  IMAGE_CHANGED: NOT_SENT,
  IMAGE_SIZE: "Nothing was changed.",
  IMAGE_IO: NOT_SENT,
  DISK_FULL: NOT_SENT,
  LINE_FAILED: UNUSED,
  CONTROL_FAILED: "The order used no pad bytes.",
};

/** What was said of a device does not hold of one that was never made: `pad` says it otherwise then. The facts are what the sentence is about, for programs: paths, sizes, process ids. */
export class SimulatorError extends TearpadError<SimulatorErrorCode, Record<string, string | number>> {
  constructor(
    code: SimulatorErrorCode,
    message: string,
    about: { facts: Record<string, string | number>; pad?: string; advice: string; cause?: unknown },
  ) {
    super(code, about.facts, { message, pad: about.pad ?? PAD[code], advice: about.advice }, about.cause);
    this.name = "SimulatorError";
  }
}
