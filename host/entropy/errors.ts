// What can be wrong with the randomness of a pad that is to be made. In every case nothing was filled, or what was begun
// is not a pad.

import { type Kinds, TearpadError } from "../protocol/index.ts";

/**
 * The errors of entropy, and their facts. Sizes and positions are in bytes, positions from the start of the source.
 * `reserved` when the bytes of a file were reserved already, and so stay used.
 */
export interface EntropyFacts {
  ENTROPY_UNREADABLE: { source: string; reserved: boolean };
  ENTROPY_UNHEALTHY: {
    source: string;
    test: string;
    position: number;
    count: number;
    cutoff: number;
    reserved: boolean;
  };
  ENTROPY_SHORT: { source: string; needed: number; found: number; missing: number; reserved: boolean };
  ENTROPY_USED: { source: string; used: number; left: number; needed: number };
  ENTROPY_REPEATED: { source: string; position: number };
  ENTROPY_UNRECORDED: { path: string };
  ENTROPY_FAILED: { reason: string };
}
export type EntropyErrorCode = keyof EntropyFacts;

/** An error of a source of pad bytes. */
export class EntropyError<C extends EntropyErrorCode = EntropyErrorCode> extends TearpadError<C, EntropyFacts[C]> {
  constructor(code: C, facts: EntropyFacts[C], cause?: unknown) {
    super(code, facts, ERRORS[code], cause);
  }
}

const NOTHING_USED = "No pad was made, and no byte of the source counts as used.";
const notMade = ({ reserved }: { reserved: boolean }): string =>
  reserved
    ? "No pad was made. The bytes of the file that were reserved for it stay used."
    : "No pad was made. Of a file no byte counts as used; what was read from a device or a pipe is gone.";

const ERRORS: Kinds<EntropyFacts> = {
  ENTROPY_UNREADABLE: {
    message: ({ source }) => `The source of randomness ${source} cannot be read.`,
    pad: notMade,
    advice: "Check the path and its permissions.",
  },
  ENTROPY_UNHEALTHY: {
    message: ({ source, test, position, count, cutoff }) =>
      `The source of randomness ${source} fails the ${test} test at byte ${position}: it counts ${count} where ${cutoff} is too many.`,
    pad: notMade,
    advice: "Check the source; if it is sound but less random than claimed, claim a lower --min-entropy.",
  },
  ENTROPY_SHORT: {
    message: ({ source, needed, found, missing }) =>
      `The source of randomness ${source} has ${found} of ${needed} bytes: ${missing} are missing.`,
    pad: notMade,
    advice: "Collect more, or make a smaller pad.",
  },
  ENTROPY_USED: {
    message: ({ source, used, left, needed }) =>
      `Of the source of randomness ${source} ${used} bytes were used for an earlier pad; ${left} are left and ${needed} are needed.`,
    pad: NOTHING_USED,
    advice: "Collect fresh bytes, in a new file or at the end of this one.",
  },
  ENTROPY_REPEATED: {
    message: ({ source, position }) =>
      `The source of randomness ${source} repeats noise before its byte ${position}: it stands there a second time, or it was used for an earlier pad.`,
    pad: NOTHING_USED,
    advice: "Collect fresh bytes, in a new file. Noise that was used once protects no second pad.",
  },
  ENTROPY_UNRECORDED: {
    message: ({ path }) => `What is used cannot be recorded at ${path}.`,
    pad: NOTHING_USED,
    advice: "See the cause; TEARPAD_HOME names another place, on a disk that keeps what it is told.",
  },
  ENTROPY_FAILED: {
    message: ({ reason }) => `This computer's generator of randomness cannot be trusted: ${reason}.`,
    pad: () => "No pad was made.",
    advice: "Make the pair on another computer, and find out what is wrong with this one.",
  },
};
