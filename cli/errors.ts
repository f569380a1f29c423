// What can go wrong in the commands themselves, on top of what the driver, the device and the simulator report.

import { type Kinds, type State, TearpadError } from "../host/protocol/index.ts";

/** The errors of the commands, and their facts. */
export interface CliFacts {
  ALREADY_OPENED: { boxes: number };
  BUNDLE_KEPT: { id: string };
  /** `kept`: answers that were to be handed over. */
  OUTPUT_CLOSED: { kept: number };
  NO_BUNDLE: { id: string };
  OUTPUT_EXISTS: { path: string };
  NO_FILE: { path: string };
  NOT_BLANK: { device: string; state: State };
  BUNDLE_BUSY: { id: string; process: number };
  PORTS_UNKNOWN: Record<string, never>;
  TWIN_ALONE: { device: string; other: string };
  INTERRUPTED: { doing: "filling" | "sealing" | "opening" | "linking"; boxes: number };
}
export type CliErrorCode = keyof CliFacts;

/** An error of a command. */
export class CliError<C extends CliErrorCode = CliErrorCode> extends TearpadError<C, CliFacts[C]> {
  constructor(code: C, facts: CliFacts[C], cause?: unknown) {
    super(code, facts, ERRORS[code], cause);
  }
}

const ERRORS: Kinds<CliFacts> = {
  ALREADY_OPENED: {
    message: ({ boxes }) =>
      `This bundle of ${boxes} boxes was opened before, and its text delivered then; none came out now.`,
    pad: "What was left of its pad bytes is destroyed now.",
    advice: "Look for the text that was delivered before.",
  },
  BUNDLE_KEPT: {
    message: ({ id }) =>
      `The bundle is sealed, but it could not be handed over whole; it is kept in the outbox as ${id}.`,
    pad: "The text's pad bytes are used: send this bundle, do not seal the text again.",
    advice: ({ id }) => `Send it with: tearpad outbox send ${id}`,
  },
  OUTPUT_CLOSED: {
    message: ({ kept }) =>
      kept > 0 ? "The answer could not be handed over whole." : "What was to be printed could not be written whole.",
    pad: ({ kept }) =>
      kept > 0
        ? "It is paid for, and kept on this disk until it is handed over; nothing is charged twice."
        : "No answer was lost with it.",
    advice: ({ kept }) =>
      kept > 0
        ? "See the cause, and have it handed out with: tearpad call"
        : "See the cause, and look where things stand before you repeat a command that changes something.",
  },
  NO_BUNDLE: {
    message: ({ id }) => `There is no finished bundle ${id} in the outbox.`,
    pad: "No pad bytes were used.",
    advice: "See what is there with: tearpad outbox list",
  },
  OUTPUT_EXISTS: {
    message: ({ path }) => `${path} is there already and was left alone.`,
    pad: "No pad bytes were used.",
    advice: "Choose another name, or remove the file.",
  },
  NO_FILE: {
    message: ({ path }) => `There is no file ${path}.`,
    pad: "No pad bytes were used.",
    advice: "Check the path.",
  },
  NOT_BLANK: {
    message: ({ device, state }) => `${device} is ${state}, and only a blank device is sold a token.`,
    pad: "It is as it was, nothing was booked, and no pad bytes were used.",
    advice: "Take a blank device.",
  },
  BUNDLE_BUSY: {
    message: ({ id, process }) => `The bundle ${id} is being written by process ${process}.`,
    pad: "Nothing changed.",
    advice: ({ process }) => `Wait until it is finished, or end process ${process} first.`,
  },
  PORTS_UNKNOWN: {
    message: "The serial ports of this computer cannot be listed here; on Linux that takes udevadm.",
    pad: "No device was asked, and no pad bytes were used.",
    advice: "Give the address of the device itself: tearpad device info /dev/ttyACM0. Or install udev.",
  },
  TWIN_ALONE: {
    message: ({ device, other }) => `${device} holds a pad, but the fill of ${other} did not end well: it has no twin.`,
    pad: ({ device }) => `The pad of ${device} was never used, and no other device can be given it any more.`,
    advice: ({ device, other }) =>
      `If "tearpad device info" shows ${other} active with the same pad id, they are a pair. Otherwise seal nothing with ${device} and retire it; an image of a simulator is made anew.`,
  },
  INTERRUPTED: {
    message: ({ doing }) => `Interrupted while ${doing}.`,
    pad: ({ doing, boxes }) => PAD_AFTER[doing](boxes),
    advice: ({ doing }) => ADVICE_AFTER[doing],
  },
};

const PAD_AFTER: { readonly [Doing in CliFacts["INTERRUPTED"]["doing"]]: (boxes: number) => string } = {
  filling: () => "No pad was made; devices that were being filled hold none until they are filled again.",
  sealing: (boxes) =>
    `The pad bytes of ${boxes} boxes, and of one more at most, are used; the boxes were given to no one.`,
  opening: () => "Nothing of this bundle was destroyed: the whole of it can still be opened.",
  linking: () => "What was sealed is kept and sent again as it is; nothing is used or charged twice.",
};

const ADVICE_AFTER: { readonly [Doing in CliFacts["INTERRUPTED"]["doing"]]: string } = {
  filling: "Run it again; bytes of a source file that were reserved stay used.",
  sealing: "Seal the text again: it takes new pad bytes.",
  opening: "Open the bundle again.",
  linking:
    "Call again: what was under way is finished then, and its answer handed out. A file is sent again: it goes on where the server has it.",
};
