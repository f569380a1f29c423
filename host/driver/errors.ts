// What can go wrong between this host and a device: lines, disks and texts. (What a device itself answers with, and what
// is wrong with a bundle, is in host/protocol.)

import { type DeviceErrorCode, type Kinds, type State, TearpadError } from "../protocol/index.ts";

/** The errors of the driver, and their facts. */
export interface DriverFacts {
  BAD_ADDRESS: { address: string };
  NO_DEVICE: { address: string };
  NO_ACCESS: { address: string; fix: string };
  DEVICE_IN_USE: { address: string };
  NO_ANSWER: { heard: boolean };
  DEVICE_LOST: Record<string, never>;
  TIMEOUT: { command: string; attempts: number };
  BAD_REPLY: { command: string; attempts: number };
  PROTOCOL_UNKNOWN: { device: number; host: number };
  MARK_MOVED: { expected: number; found: number };
  OTHER_PAD: { expected: string; found: string };
  NOT_BLANK: { state: State };
  NO_SELFTEST: { core: string };
  FILL_FAILED: { reason: DeviceErrorCode };
  FILL_STALLED: { done: number; total: number };
  SOURCE_SHORT: { needed: number; found: number };
  TEXT_CHANGED: { position: number };
  DISK_FULL: { path: string; needed: number };
  DISK_FAILED: { path: string };
  OUTPUT_CLOSED: Record<string, never>;
  SEAL_UNFINISHED: { boxes: number; bytesUsed: number };
  RELEASE_UNFINISHED: { boxes: number; boxesReleased: number };
}
export type DriverErrorCode = keyof DriverFacts;

/** An error between this host and a device. */
export class DriverError<C extends DriverErrorCode = DriverErrorCode> extends TearpadError<C, DriverFacts[C]> {
  constructor(code: C, facts: DriverFacts[C], cause?: unknown) {
    super(code, facts, ERRORS[code], cause);
  }
}

/** Whether `error` is one of the driver under this code; its facts are typed then. */
export function isDriverError<C extends DriverErrorCode>(error: unknown, code: C): error is DriverError<C> {
  return error instanceof DriverError && error.code === code;
}

const UNTOUCHED = "No pad bytes were used.";
const IN_DOUBT = "What the device reserved for its last command may be used up; nothing is used twice.";

const ERRORS: Kinds<DriverFacts> = {
  BAD_ADDRESS: {
    message: ({ address }) => `"${address}" is not the address of a device.`,
    pad: UNTOUCHED,
    advice: "Give a serial port such as /dev/ttyACM0 or COM3, or tcp://host:port.",
  },
  NO_DEVICE: {
    message: ({ address }) => `There is no device at ${address}.`,
    pad: UNTOUCHED,
    advice: "Plug the device in, or start the simulator, and check the address.",
  },
  NO_ACCESS: {
    message: ({ address, fix }) => `This user may not open ${address}: ${fix}.`,
    pad: UNTOUCHED,
    advice: "Apply the fix and plug the device in again; running as root is not needed.",
  },
  DEVICE_IN_USE: {
    message: ({ address }) => `Another program is using ${address}.`,
    pad: UNTOUCHED,
    advice: "Close the other program (a modem manager or a terminal, perhaps) and try again.",
  },
  NO_ANSWER: {
    message: ({ heard }) =>
      heard
        ? "What answers here is no device, or the line damages what it says."
        : "No device answers here: it was greeted, and nothing came back.",
    pad: UNTOUCHED,
    advice: ({ heard }) =>
      heard
        ? "Check the address; if it is that of a device, check the cable and that no other program uses the line."
        : "Check the address, the cable and the supply; plug the device in again, or start the simulator.",
  },
  DEVICE_LOST: {
    message: () => "The device was disconnected.",
    pad: IN_DOUBT,
    advice: "Plug the device in again and repeat what was interrupted.",
  },
  TIMEOUT: {
    message: ({ command, attempts }) => `The device did not answer ${command}, asked ${attempts} times.`,
    pad: IN_DOUBT,
    advice: "Check the cable and the supply, plug the device in again, and repeat what was interrupted.",
  },
  BAD_REPLY: {
    message: ({ command, attempts }) => `The answers to ${command} came damaged, ${attempts} times.`,
    pad: IN_DOUBT,
    advice: "Check the cable and that no other program uses the line, and repeat what was interrupted.",
  },
  PROTOCOL_UNKNOWN: {
    message: ({ device, host }) => `The device speaks protocol ${device} and this program ${host}.`,
    pad: UNTOUCHED,
    advice: "Update the device's firmware or this program, so that both are of one version.",
  },
  MARK_MOVED: {
    message: ({ expected, found }) => `The device sealed at mark ${found} where ${expected} was next.`,
    pad: "The pad bytes between are used, perhaps by another program.",
    advice: "Make sure that one program alone uses the device, and repeat what was interrupted.",
  },
  OTHER_PAD: {
    message: () => "The device that came back holds another pad than the one this began with.",
    pad: "Neither pad was used since.",
    advice: "Plug in the device that this began with.",
  },
  NOT_BLANK: {
    message: ({ state }) => `The device is ${state}, and only a blank one is tested: the test writes to its chip.`,
    pad: "Nothing was written, and no pad bytes were used.",
    advice: "Test a device before it gets its pad. What one with a pad says of itself is in tearpad device info.",
  },
  NO_SELFTEST: {
    message: ({ core }) => `The device's core ${core} has no self test.`,
    pad: UNTOUCHED,
    advice: "Flash the firmware of this release with tearpad device flash, and test again.",
  },
  FILL_FAILED: {
    message: ({ reason }) => `The device gave up while it was filled (${reason}).`,
    pad: "The device holds no usable pad.",
    advice: "Check the supply and fill the device again, from fresh bytes; if it fails again the chip is bad.",
  },
  FILL_STALLED: {
    message: ({ done, total }) => `The device stopped making progress at ${done} of ${total} bytes.`,
    pad: "The device holds no usable pad.",
    advice: "Check the supply and fill the device again, from fresh bytes.",
  },
  SOURCE_SHORT: {
    message: ({ needed, found }) => `The pad needs ${needed} bytes and its source gave ${found}.`,
    pad: "The device holds no usable pad.",
    advice: "Give a source with enough bytes and fill again.",
  },
  TEXT_CHANGED: {
    message: ({ position }) => `The text became shorter while it was sealed: it ends at byte ${position}.`,
    pad: "The boxes sealed so far stay used and were given to no one.",
    advice: "Seal a copy that nobody writes to.",
  },
  DISK_FULL: {
    message: ({ path, needed }) => `There is no room for ${needed} bytes at ${path}.`,
    pad: "No pad bytes were used or released.",
    advice: "Free some space and repeat what was interrupted.",
  },
  DISK_FAILED: {
    message: ({ path }) => `The disk refused to read or write ${path}.`,
    pad: "No pad bytes were used or released.",
    advice: "See the cause, and repeat what was interrupted.",
  },
  SEAL_UNFINISHED: {
    message: ({ boxes, bytesUsed }) =>
      `Sealing ended after ${boxes} boxes, with ${bytesUsed} pad bytes and a slot used.`,
    pad: "They stay used, as those of a box under way may be; nobody has these boxes, and nothing is used twice.",
    advice: "Put right what the cause says, and seal the whole text again.",
  },
  OUTPUT_CLOSED: {
    message: () => "Whoever read the text went away before its end.",
    pad: "Nothing of this bundle was released: the whole of it can still be opened.",
    advice: "Open the bundle again.",
  },
  RELEASE_UNFINISHED: {
    message: ({ boxes, boxesReleased }) =>
      `The text is delivered, but the device destroyed the pad bytes of ${boxesReleased} of its ${boxes} boxes only.`,
    pad: "Some delivered bytes still lie on the device; they will not seal anything.",
    advice: "Open the same bundle again: no text comes out a second time, and the rest is destroyed.",
  },
};
