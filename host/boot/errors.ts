// Why an image does not go onto a board: the file, its manifest, the drive, or the board itself. Nothing here can touch a
// pad on another chip; a board whose image was replaced in part does not start, and takes another image as before.

import { type Kinds, TearpadError } from "../protocol/index.ts";

/** The errors of an image and of the way onto a board, and their facts. Sizes are in bytes. */
export interface BootFacts {
  UF2_TRUNCATED: { bytes: number; needed: number };
  UF2_MAGIC: { block: number };
  UF2_FLAGS: { block: number; flags: number };
  UF2_FAMILY: { block: number; family: number; expected: number };
  UF2_PAYLOAD: { block: number; bytes: number };
  UF2_COUNT: { block: number; number: number; count: number };
  UF2_DOUBLED: { block: number };
  UF2_MISSING: { block: number; count: number };
  UF2_ORDER: { block: number; found: number };
  UF2_ADDRESS: { block: number; address: number; expected: number };
  UF2_OUTSIDE: { address: number; end: number; allowedEnd: number };
  MANIFEST_MISSING: { path: string };
  MANIFEST_UNREADABLE: { field: string };
  WRONG_DIGEST: { what: "uf2" | "image" | "address"; expected: string; found: string };
  NO_FIRMWARE: { path: string };
  OTHER_IMAGE: { path: string; expected: string; found: string };
  NO_DRIVE: { places: number };
  NOT_A_DRIVE: { path: string };
  OTHER_BOARD: { path: string; board: string };
  SEVERAL_DRIVES: { paths: string };
  DRIVE_FULL: { path: string; written: number; needed: number };
  DRIVE_READ_ONLY: { path: string };
  DRIVE_LOST: { path: string; written: number; needed: number };
  RESTART_UNKNOWN: { path: string; bytes: number };
  BOARD_STAYED: { path: string; seconds: number };
  BOARD_SILENT: { address: string; seconds: number };
  /** Board and version of the firmware, as `pico 0.3.0`. */
  OTHER_FIRMWARE: { expected: string; found: string };
}
export type BootErrorCode = keyof BootFacts;

/** The image did not get onto a board, or not for certain. */
export class BootError<C extends BootErrorCode = BootErrorCode> extends TearpadError<C, BootFacts[C]> {
  constructor(code: C, facts: BootFacts[C], cause?: unknown) {
    super(code, facts, ERRORS[code], cause);
  }
}

/** Whether `error` is one of these under this code; its facts are typed then. */
export function isBootError<C extends BootErrorCode>(error: unknown, code: C): error is BootError<C> {
  return error instanceof BootError && error.code === code;
}

const hex = (word: number): string => `0x${word.toString(16).padStart(8, "0")}`;

const NOTHING_WRITTEN = "Nothing was written: the board is as it was, and so is a pad on it.";
const IN_PART =
  "The image may be on the board in part; the pad is not touched by that, and a board that does not start takes an image as before.";
const BUILD_AGAIN = "Build the image again with npm run firmware, or get the file again whole.";
const BOOT_MODE = "Unplug the board, hold its BOOTSEL button, plug it in, let go, and flash again.";

const ERRORS: Kinds<BootFacts> = {
  UF2_TRUNCATED: {
    message: ({ bytes, needed }) => `The UF2 file has ${bytes} bytes and should have ${needed}.`,
    pad: NOTHING_WRITTEN,
    advice: BUILD_AGAIN,
  },
  UF2_MAGIC: {
    message: ({ block }) => `Block ${block} of the file is no UF2 block.`,
    pad: NOTHING_WRITTEN,
    advice: BUILD_AGAIN,
  },
  UF2_FLAGS: {
    message: ({ block, flags }) =>
      `Block ${block} of the UF2 file has the flags ${hex(flags)}: it is not for a chip's flash.`,
    pad: NOTHING_WRITTEN,
    advice: BUILD_AGAIN,
  },
  UF2_FAMILY: {
    message: ({ family, expected }) =>
      `The UF2 file is for chips of family ${hex(family)}, and this board is of ${hex(expected)}.`,
    pad: NOTHING_WRITTEN,
    advice: "Take the image that was built for this board.",
  },
  UF2_PAYLOAD: {
    message: ({ block, bytes }) => `Block ${block} of the UF2 file carries ${bytes} bytes, and a page has 256.`,
    pad: NOTHING_WRITTEN,
    advice: BUILD_AGAIN,
  },
  UF2_COUNT: {
    message: ({ block, number, count }) =>
      `Block ${block} of the UF2 file says that it is number ${number} of ${count}, and the others say otherwise.`,
    pad: NOTHING_WRITTEN,
    advice: BUILD_AGAIN,
  },
  UF2_DOUBLED: {
    message: ({ block }) => `Block ${block} is in the UF2 file twice.`,
    pad: NOTHING_WRITTEN,
    advice: BUILD_AGAIN,
  },
  UF2_MISSING: {
    message: ({ block, count }) => `Block ${block} of ${count} is missing from the UF2 file.`,
    pad: NOTHING_WRITTEN,
    advice: BUILD_AGAIN,
  },
  UF2_ORDER: {
    message: ({ block, found }) => `Where block ${block} of the UF2 file should be, there is block ${found}.`,
    pad: NOTHING_WRITTEN,
    advice: BUILD_AGAIN,
  },
  UF2_ADDRESS: {
    message: ({ block, address, expected }) =>
      `Block ${block} of the UF2 file is for address ${hex(address)}, and ${hex(expected)} comes there.`,
    pad: NOTHING_WRITTEN,
    advice: BUILD_AGAIN,
  },
  UF2_OUTSIDE: {
    message: ({ address, end, allowedEnd }) =>
      `The image takes ${hex(address)} to ${hex(end)}: the firmware's part of the flash ends at ${hex(allowedEnd)}, and behind it a bare board has its pad.`,
    pad: NOTHING_WRITTEN,
    advice: "Take an image that was built for these boards.",
  },
  MANIFEST_MISSING: {
    message: ({ path }) => `There is no manifest ${path}: nobody can tell whether the image is the one that was built.`,
    pad: NOTHING_WRITTEN,
    advice: "Put the manifest of the build beside the image.",
  },
  MANIFEST_UNREADABLE: {
    message: ({ field }) => `The manifest of the image cannot be read: "${field}" is not what it should be.`,
    pad: NOTHING_WRITTEN,
    advice: BUILD_AGAIN,
  },
  WRONG_DIGEST: {
    message: ({ what, expected, found }) => `The manifest says ${what} ${expected}, and the file has ${found}.`,
    pad: NOTHING_WRITTEN,
    advice: BUILD_AGAIN,
  },
  NO_FIRMWARE: {
    message: ({ path }) => `There is no image ${path}.`,
    pad: NOTHING_WRITTEN,
    advice: "Build it with npm run firmware, in a checkout of the source, or name an image.",
  },
  OTHER_IMAGE: {
    message: ({ path, expected, found }) => `The image ${path} is for the board ${found}, and not for ${expected}.`,
    pad: NOTHING_WRITTEN,
    advice: "Take the image of the board that you have; its manifest says for which it is.",
  },
  NO_DRIVE: {
    message: ({ places }) => `None of the ${places} drives that are mounted is that of a board in boot mode.`,
    pad: NOTHING_WRITTEN,
    advice: `${BOOT_MODE} Where drives are not mounted by themselves, mount it and name the place with --drive.`,
  },
  NOT_A_DRIVE: {
    message: ({ path }) => `${path} is not the drive of a board in boot mode: it has no INFO_UF2.TXT that can be read.`,
    pad: NOTHING_WRITTEN,
    advice: BOOT_MODE,
  },
  OTHER_BOARD: {
    message: ({ path, board }) => `The drive ${path} is of a board "${board}", and the image is for RPI-RP2.`,
    pad: NOTHING_WRITTEN,
    advice: "Take a board with an RP2040, or an image that was built for this one.",
  },
  SEVERAL_DRIVES: {
    message: ({ paths }) => `More than one board is in boot mode: ${paths}.`,
    pad: NOTHING_WRITTEN,
    advice: "Unplug the others, or name the one with --drive.",
  },
  DRIVE_FULL: {
    message: ({ path, written, needed }) => `The drive ${path} was full after ${written} of ${needed} bytes.`,
    pad: IN_PART,
    advice: `The drive of a board in boot mode has room for any image: check that it is one. ${BOOT_MODE}`,
  },
  DRIVE_READ_ONLY: {
    message: ({ path }) => `This user may not write to the drive ${path}.`,
    pad: NOTHING_WRITTEN,
    advice: "Mount it so that it can be written by this user, and flash again.",
  },
  DRIVE_LOST: {
    message: ({ path, written, needed }) => `The drive ${path} was lost after ${written} of ${needed} bytes.`,
    pad: IN_PART,
    advice: BOOT_MODE,
  },
  RESTART_UNKNOWN: {
    message: ({ path, bytes }) =>
      `The drive ${path} went during the last of ${bytes} bytes, as it does when the board restarts and when it is unplugged, and no device answered since: it is not known whether the board has all of the image.`,
    pad: IN_PART,
    advice: `Unplug the board, plug it in without holding a button, and ask it with tearpad device info ADDRESS. If it stays silent: ${BOOT_MODE}`,
  },
  BOARD_STAYED: {
    message: ({ path, seconds }) =>
      `The whole image was written to ${path}, but the drive stayed for ${seconds} seconds: the board did not take it.`,
    pad: IN_PART,
    advice: BOOT_MODE,
  },
  BOARD_SILENT: {
    message: ({ address, seconds }) =>
      `The whole image was written and the drive is gone, but no device answered at ${address} within ${seconds} seconds.`,
    pad: "A pad on the board was not touched.",
    advice: `Unplug the board and plug it in without holding a button; check the address with tearpad device info. If it stays silent: ${BOOT_MODE}`,
  },
  OTHER_FIRMWARE: {
    message: ({ expected, found }) => `The device that answers is ${found}, and the image is ${expected}.`,
    pad: "A pad on the board was not touched.",
    advice: `Check that the address is that of the board just flashed. If it is, it did not take the image: ${BOOT_MODE}`,
  },
};
