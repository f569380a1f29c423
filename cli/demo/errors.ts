// What can go wrong in the demonstration itself, on top of what the commands, the driver and the devices report.

import { type Kinds, TearpadError } from "../../host/protocol/index.ts";

/** The errors of `npm start`, and their facts. */
export interface DemoFacts {
  DEVICE_NOT_STARTED: { device: string; reason: string };
  DEVICE_ENDED: { device: string; reason: string };
  PAIR_IN_USE: { directory: string };
  PAIR_DAMAGED: { directory: string; reason: string };
  PAIR_NOT_MADE: { reason: string };
  SERVER_NOT_STARTED: { reason: string };
  SERVER_ENDED: { reason: string };
  NOT_SOLD: { reason: string };
  NOT_A_FILE: { path: string };
  EXHAUSTED: { needed: number; room: number };
  SLOTS_EXHAUSTED: { slots: number };
  TEXT_DIFFERS: { sent: string; received: string };
  DISAGREEMENT: { bytesReused: number; disagreements: readonly string[] };
  INTERRUPTED: Record<string, never>;
}
export type DemoErrorCode = keyof DemoFacts;

/** An error of the demonstration. */
export class DemoError<C extends DemoErrorCode = DemoErrorCode> extends TearpadError<C, DemoFacts[C]> {
  constructor(code: C, facts: DemoFacts[C]) {
    super(code, facts, ERRORS[code]);
  }
}

const UNTOUCHED = "No pad bytes were used.";
const FRESH = "Make a fresh pair, which replaces this one: npm start -- --new";

const ERRORS: Kinds<DemoFacts> = {
  DEVICE_NOT_STARTED: {
    message: ({ device, reason }) => `Device ${device} could not be started on a terminal of its own: ${reason}`,
    pad: UNTOUCHED,
    advice:
      "The demonstration needs two pseudoterminals and takes nothing else for them; make them possible and start again.",
  },
  DEVICE_ENDED: {
    message: ({ device, reason }) => `The process of device ${device} ended: ${reason}`,
    pad: "Both devices are off. What was sealed and not opened yet stays used.",
    advice: "Start again: the devices go on at their marks.",
  },
  PAIR_IN_USE: {
    message: ({ directory }) => `Another program is using the devices in ${directory}.`,
    pad: UNTOUCHED,
    advice: "End the other npm start (Ctrl-C in its terminal), or give this one a TEARPAD_HOME of its own.",
  },
  PAIR_DAMAGED: {
    message: ({ directory, reason }) => `The pair in ${directory} cannot be gone on with: ${reason}`,
    pad: UNTOUCHED,
    advice: FRESH,
  },
  PAIR_NOT_MADE: {
    message: ({ reason }) => `No pair could be made: ${reason}`,
    pad: "There is none.",
    advice: "See what tearpad pair said, and start again.",
  },
  SERVER_NOT_STARTED: {
    message: ({ reason }) => `The server could not be started: ${reason}`,
    pad: UNTOUCHED,
    advice: "Put right what it says and start again; npm start -- --new makes a new server too.",
  },
  SERVER_ENDED: {
    message: ({ reason }) => `The process of the server ended: ${reason}`,
    pad: "What the server acknowledged is in its books; nothing is used twice.",
    advice: "Start again.",
  },
  NOT_SOLD: {
    message: ({ reason }) => `The server could not sell a token: ${reason}`,
    pad: "There is no token.",
    advice: "See what tearpad issue said, and start again.",
  },
  NOT_A_FILE: {
    message: ({ path }) => `${path} is not a file that can be read.`,
    pad: UNTOUCHED,
    advice: "Give a file: npm start -- --file PATH",
  },
  EXHAUSTED: {
    message: ({ needed, room }) =>
      `This start needs ${needed.toLocaleString("en-US")} bytes of pad for device A, and ${room.toLocaleString("en-US")} are left.`,
    pad: UNTOUCHED,
    advice: `${FRESH} (large enough for the file that you give with --file)`,
  },
  SLOTS_EXHAUSTED: {
    message: ({ slots }) => `The ${slots} slots of a device are used up: each bundle takes one from its sender.`,
    pad: UNTOUCHED,
    advice: FRESH,
  },
  TEXT_DIFFERS: {
    message: () => "The text that came out is not the text that went in.",
    pad: "Its pad bytes are used.",
    advice: "This must never happen: please report it, with the output of npm start -- --once --json.",
  },
  DISAGREEMENT: {
    message: ({ bytesReused, disagreements }) =>
      `The observer does not agree: ${[...(bytesReused > 0 ? [`${bytesReused} pad bytes hid two different texts`] : []), ...disagreements.slice(0, 3)].join("; ")}.`,
    pad: "Trust nothing that this pair sealed.",
    advice:
      "When the devices were used while npm start was not there to watch, make a fresh pair: npm start -- --new. Otherwise please report it.",
  },
  INTERRUPTED: {
    message: () => "Interrupted.",
    pad: "Both devices are off. What was sealed and not opened yet stays used; nothing is used twice.",
    advice: "Start again: the devices go on at their marks.",
  },
};
