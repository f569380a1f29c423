// Error codes and faulty sections of SPEC sections 8 and 9. A function that can fail returns a code, 0 when all is well, and leaves the facts in `failure`.

import { failure, health } from "./layout";

export namespace Code {
  export const OK: u32 = 0;
  export const BAD_FRAME: u32 = 1;
  export const NO_SESSION: u32 = 2;
  export const WRONG_SEQUENCE: u32 = 3;
  export const UNKNOWN_COMMAND: u32 = 4;
  export const BAD_ARGUMENT: u32 = 5;
  export const WRONG_STATE: u32 = 6;
  export const FAULTY: u32 = 7;
  export const NEED_GRANT: u32 = 8;
  export const EXHAUSTED: u32 = 9;
  export const SLOTS_EXHAUSTED: u32 = 10;
  export const SLOT_UNKNOWN: u32 = 11;
  export const AUTH_FAILED: u32 = 12;
  export const BOX_USED: u32 = 13;
  export const NOT_VERIFIED: u32 = 14;
  export const FLASH_FAULT: u32 = 15;
  export const SUPPLY_LOW: u32 = 16;
  export const FILL_REFUSED: u32 = 17;
  export const FILL_MISMATCH: u32 = 18;
  export const WRONG_SIDE: u32 = 19;
  export const BUSY: u32 = 20;
  export const SUITE_UNKNOWN: u32 = 21;
  export const CALL_FIRST: u32 = 22;
  export const PRESENCE: u32 = 23;
  export const OLDER: u32 = 24;
  export const SLOT_KEPT: u32 = 25;
}

/** A control box that was not taken: no error, and nothing has changed. Beside the codes where a box is applied. */
export const REFUSED: u32 = 256;

export namespace Section {
  export const CORE: u32 = 1;
  export const JOURNAL: u32 = 2;
  export const IDENTITY: u32 = 3;
  export const CONNECTION: u32 = 4;
  export const ENCRYPTION: u32 = 5;
  export const PAD: u32 = 6;
  export const CHIP: u32 = 7;
  /** The supply was too low at boot; the next boot may be well. */
  export const SUPPLY: u32 = 8;
}

/** Leaves the facts and returns the code. */
export function fail(code: u32, detail: u32 = 0, a: u32 = 0, b: u32 = 0, c: u32 = 0, d: u32 = 0): u32 {
  failure.detail = detail;
  failure.a = a;
  failure.b = b;
  failure.c = c;
  failure.d = d;
  return code;
}

/** BAD_ARGUMENT for the argument at `offset` of the payload. */
export function badArgument(offset: u32): u32 {
  return fail(Code.BAD_ARGUMENT, offset);
}

/** Takes the device out of service until the next boot, and says why. */
export function faulty(section: u32): void {
  health.fault = section;
}
