/**
 * What the world does to a simulator: files that are not there or in use, disks that are full, addresses that are taken.
 * (A defect of the core is a {@link Panic}, a power cut is no error at all.)
 */

/** Codes never change their meaning. */
export type SimulatorErrorCode =
  | "CORE_MISSING"
  | "IMAGE_MISSING"
  | "IMAGE_EXISTS"
  | "IMAGE_BUSY"
  | "IMAGE_SIZE"
  | "IMAGE_IO"
  | "DISK_FULL"
  | "LINE_FAILED"
  | "CONTROL_FAILED";

export class SimulatorError extends Error {
  override readonly name = "SimulatorError";
  readonly code: SimulatorErrorCode;
  /** What the sentence is about, for programs: paths, sizes, process ids. */
  readonly facts: Readonly<Record<string, string | number>>;
  /** What to do next. */
  readonly advice: string;

  constructor(
    code: SimulatorErrorCode,
    sentence: string,
    about: { facts: Record<string, string | number>; advice: string; cause?: unknown },
  ) {
    super(sentence, { cause: about.cause });
    this.code = code;
    this.facts = about.facts;
    this.advice = about.advice;
  }
}
