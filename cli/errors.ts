// What can go wrong in the commands themselves, on top of what the driver, the device and the simulator report.

import { TearpadError, type Words } from "../host/protocol/index.ts";

/** The errors of the commands, and their facts. */
export interface CliFacts {
  ALREADY_OPENED: { boxes: number };
  BUNDLE_KEPT: { id: string };
  NO_BUNDLE: { id: string };
  OUTPUT_EXISTS: { path: string };
  INTERRUPTED: Record<string, never>;
}
export type CliErrorCode = keyof CliFacts;

/** An error of a command. */
export class CliError<C extends CliErrorCode = CliErrorCode> extends TearpadError<C, CliFacts[C]> {
  constructor(code: C, facts: CliFacts[C], cause?: unknown) {
    const { message, pad, advice } = ERRORS[code];
    super(code, facts, { message: message(facts), pad, advice: advice(facts) }, cause);
    this.name = "CliError";
  }
}

interface Kind<Facts> extends Pick<Words, "pad"> {
  message(facts: Facts): string;
  advice(facts: Facts): string;
}

const ERRORS: { readonly [C in CliErrorCode]: Kind<CliFacts[C]> } = {
  ALREADY_OPENED: {
    message: ({ boxes }) =>
      `This bundle of ${boxes} boxes was opened before, and its text delivered then; none came out now.`,
    pad: "What was left of its pad bytes is destroyed now.",
    advice: () => "Look for the text that was delivered before.",
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
    advice: () => "See what is there with: tearpad outbox list",
  },
  OUTPUT_EXISTS: {
    message: ({ path }) => `${path} is there already and was left alone.`,
    pad: "No pad bytes were used.",
    advice: () => "Choose another name, or remove the file.",
  },
  INTERRUPTED: {
    message: () => "Interrupted.",
    pad: "No pad was made; devices that were being filled hold none until they are filled again.",
    advice: () => "Run it again; bytes of a source file that were reserved stay used.",
  },
};
