// What a command exits with. The numbers are part of the interface: one never changes its meaning.

/**
 * Exit codes, what they mean, and the errors that lead to them. Every other error is 1, but SEAL_UNFINISHED, which exits as
 * what ended it.
 */
export const EXITS: readonly { readonly exit: number; readonly means: string; readonly codes: readonly string[] }[] = [
  { exit: 0, means: "done", codes: [] },
  { exit: 1, means: "failed; stderr says how", codes: [] },
  { exit: 2, means: "the command line makes no sense, or names a file that is not there", codes: ["USAGE", "NO_FILE"] },
  { exit: 3, means: "the bundle ends too early", codes: ["TRUNCATED"] },
  {
    exit: 4,
    means: "opened before, or for another pad",
    codes: ["ALREADY_OPENED", "SLOT_UNKNOWN", "BOX_USED"],
  },
  { exit: 5, means: "the other side has to grant room first", codes: ["NEED_GRANT"] },
  { exit: 6, means: "the pad or its slots are used up", codes: ["EXHAUSTED", "SLOTS_EXHAUSTED"] },
  { exit: 7, means: "a box was changed on its way", codes: ["AUTH_FAILED"] },
  { exit: 8, means: "not a bundle, or put together wrongly", codes: ["BAD_BUNDLE"] },
  {
    exit: 9,
    means: "the device was lost or does not answer",
    codes: ["DEVICE_LOST", "TIMEOUT", "BAD_REPLY", "OTHER_PAD", "MARK_MOVED"],
  },
  {
    exit: 10,
    means: "no device there, or not for us",
    codes: [
      "NO_DEVICE",
      "NO_ACCESS",
      "DEVICE_IN_USE",
      "BAD_ADDRESS",
      "IMAGE_MISSING",
      "IMAGE_BUSY",
      "IMAGE_LINKED",
      "IMAGE_CHANGED",
    ],
  },
  { exit: 11, means: "the device or image is faulty", codes: ["FAULTY", "FLASH_FAULT", "SUPPLY_LOW"] },
  {
    exit: 12,
    means: "the source of randomness was refused",
    codes: [
      "ENTROPY_UNREADABLE",
      "ENTROPY_UNHEALTHY",
      "ENTROPY_SHORT",
      "ENTROPY_USED",
      "ENTROPY_UNRECORDED",
      "ENTROPY_FAILED",
    ],
  },
  { exit: 13, means: "the disk is full or failing", codes: ["DISK_FULL", "DISK_FAILED", "IMAGE_IO"] },
  { exit: 14, means: "the output could not be handed over whole", codes: ["OUTPUT_CLOSED", "BUNDLE_KEPT"] },
  {
    exit: 15,
    means: "not an image that can be read",
    codes: ["IMAGE_SIZE", "IMAGE_TRUNCATED", "IMAGE_VERSION", "NOT_AN_IMAGE"],
  },
  { exit: 16, means: "a file is there already", codes: ["IMAGE_EXISTS", "OUTPUT_EXISTS"] },
  { exit: 17, means: "delivered, but not all of it destroyed", codes: ["RELEASE_UNFINISHED"] },
  { exit: 130, means: "interrupted", codes: ["INTERRUPTED"] },
];

/** The exit code of an error with this code. */
export function exitOf(code: string): number {
  return EXITS.find(({ codes }) => codes.includes(code))?.exit ?? 1;
}
