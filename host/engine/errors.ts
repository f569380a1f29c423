// What the world does to a box, as the engine finds it: the pad bytes under it, or the box itself, are not what they
// should be.

import { type Kinds, TearpadError } from "../protocol/index.ts";

/** The errors of the engine and their facts: offsets are in the pad, boxes are counted from the first of the call or run. */
export interface EngineFacts {
  AUTH_FAILED: { box: number; offset: number };
  BOX_USED: { box: number; offset: number };
  FLASH_FAULT: { box: number; offset: number };
  BAD_BOX: { box: number };
  TRUNCATED: { boxes: number };
  ENGINE_MISSING: { url: string };
}
export type EngineErrorCode = keyof EngineFacts;

/** A box that cannot be sealed or opened. No byte of it was given out. */
export class EngineError<C extends EngineErrorCode = EngineErrorCode> extends TearpadError<C, EngineFacts[C]> {
  constructor(code: C, facts: EngineFacts[C], cause?: unknown) {
    super(code, facts, WORDS[code], cause);
  }
}

const WORDS: Kinds<EngineFacts> = {
  AUTH_FAILED: {
    message: ({ box, offset }) =>
      `Box ${box} was changed on its way, or was not sealed at offset ${offset} of this pad.`,
    pad: "No text of the box was given out; its pad bytes are as good as before.",
    advice: "Get the box again from where it came from; if it fails again the sender seals the text anew.",
  },
  BOX_USED: {
    message: ({ box, offset }) => `The pad bytes of box ${box}, at offset ${offset}, were used before and destroyed.`,
    pad: "Nothing was given out.",
    advice: "Compare the marks of both ends; the text of a box that was opened before was delivered then.",
  },
  FLASH_FAULT: {
    message: ({ box, offset }) =>
      `The pad bytes of box ${box}, at offset ${offset}, repeat nine times or more: they are no pad.`,
    pad: "Nothing was sealed or opened with them.",
    advice: "Check where the pad was read from; if it stays, retire this pad and make a new pair.",
  },
  BAD_BOX: {
    message: ({ box }) => `Item ${box} is not a box of a run.`,
    pad: "No pad bytes were read for it.",
    advice: "Get the run again, as it was sealed, from where it came from.",
  },
  TRUNCATED: {
    message: ({ boxes }) => `The run ends after ${boxes} boxes and before its last.`,
    pad: "Its pad bytes are as good as before.",
    advice: "Get the whole run and open it again; text that came out before is incomplete.",
  },
  ENGINE_MISSING: {
    message: ({ url }) => `The engine is not at ${url}.`,
    pad: "Nothing was done.",
    advice: "Build it with `npm run build`, or give its bytes to loadEngine.",
  },
};
