// What can go wrong in the commands themselves, on top of what the driver, the device and the simulator report.

import { type Kinds, TearpadError } from "../host/protocol/index.ts";

/** The errors of the commands, and their facts. */
export interface CliFacts {
  ALREADY_OPENED: { boxes: number };
  BUNDLE_KEPT: { id: string };
  NO_BUNDLE: { id: string };
  OUTPUT_EXISTS: { path: string };
  NO_FILE: { path: string };
  BUNDLE_BUSY: { id: string; process: number };
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
  BUNDLE_BUSY: {
    message: ({ id, process }) => `The bundle ${id} is being written by process ${process}.`,
    pad: "Nothing changed.",
    advice: ({ process }) => `Wait until it is finished, or end process ${process} first.`,
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
  linking: "Call again: what was under way is finished then.",
};
