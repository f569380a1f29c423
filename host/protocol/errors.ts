// What the world does to a pad, in words. Every error has a stable `code`, one sentence that says what happened, typed
// facts, what it means for the pad, and what to do next. No pad bytes, text or keys are ever in one.

/** A sentence about an error, or how it is made of the error's facts. */
type Said<Facts> = string | ((facts: Facts) => string);

/** What an error says: what happened, what it means for the pad, and what helps. Written once per code. */
export interface Kind<Facts> {
  readonly message: Said<Facts>;
  readonly pad: Said<Facts>;
  readonly advice: Said<Facts>;
}

/** What each of a module's errors says, by their codes. */
export type Kinds<AllFacts> = { readonly [Code in keyof AllFacts]: Kind<AllFacts[Code]> };

/** An error that the world caused, as opposed to a mistake of the program. */
export class TearpadError<Code extends string = string, Facts extends object = object> extends Error {
  /** Stable: programs may compare it. */
  readonly code: Code;
  readonly facts: Readonly<Facts>;
  /** What it means for the pad. */
  readonly pad: string;
  /** What to do next. */
  readonly advice: string;

  constructor(code: Code, facts: Facts, { message, pad, advice }: Kind<Facts>, cause?: unknown) {
    super(say(message, facts), cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.facts = facts;
    this.pad = say(pad, facts);
    this.advice = say(advice, facts);
  }
}

function say<Facts>(said: Said<Facts>, facts: Facts): string {
  return typeof said === "string" ? said : said(facts);
}

/** The parts of a device that can be faulty, by the number that INFO and errors give them (SPEC section 8). */
export const SECTIONS = [
  "none",
  "core",
  "journal",
  "identity",
  "connection",
  "encryption",
  "pad",
  "chip",
  "supply",
  "unknown",
] as const;
export type Section = (typeof SECTIONS)[number];

/** The states of a device, by number (SPEC sections 5 and 8). */
export const STATES = ["blank", "filling", "inactive", "active", "cancelled", "wiping", "faulty", "unknown"] as const;
export type State = (typeof STATES)[number];

type Nothing = Record<string, never>;

/** The errors that a device answers with, and their facts (SPEC section 9). Sizes and offsets are in bytes. */
export interface DeviceFacts {
  BAD_FRAME: { reason: "crc" | "length" | "too long" | "cobs" | "flags" | "unknown" };
  NO_SESSION: { upUsed: number; downUsed: number; split: number; nextSlot: number };
  WRONG_SEQUENCE: { expected: number };
  UNKNOWN_COMMAND: Nothing;
  BAD_ARGUMENT: { argumentOffset: number };
  WRONG_STATE: { state: State };
  FAULTY: { section: Section };
  NEED_GRANT: { needed: number; room: number };
  EXHAUSTED: { needed: number; room: number };
  SLOTS_EXHAUSTED: { slots: number };
  SLOT_UNKNOWN: Nothing;
  AUTH_FAILED: { failedTags: number };
  BOX_USED: { offset: number };
  NOT_VERIFIED: { start: number; end: number };
  FLASH_FAULT: { section: Section; address: number };
  SUPPLY_LOW: Nothing;
  FILL_REFUSED: { offset: number };
  FILL_MISMATCH: Nothing;
  WRONG_SIDE: Nothing;
  BUSY: { done: number; total: number };
  SUITE_UNKNOWN: { suite: number };
  CALL_FIRST: Nothing;
  PRESENCE: { refused: boolean };
  OLDER: { older: "device" | "server"; number: OlderNumber; device: number; server: number };
  SLOT_KEPT: { slot: number };
}

/** The numbers that device and server compare at every call, in this order (SPEC section 13). */
const OLDER_NUMBERS = ["unknown", "up used", "down released", "next slot", "down used", "split", "receipt"] as const;
export type OlderNumber = (typeof OLDER_NUMBERS)[number];
export type DeviceErrorCode = keyof DeviceFacts;

/** An error that a device answered with, or that the host can tell from INFO before it asks. */
export class DeviceError<C extends DeviceErrorCode = DeviceErrorCode> extends TearpadError<C, DeviceFacts[C]> {
  constructor(code: C, facts: DeviceFacts[C]) {
    super(code, facts, ERRORS[code]);
  }
}

/** Whether `error` is what a device answers with under this code; its facts are typed then. */
export function isDeviceError<C extends DeviceErrorCode>(error: unknown, code: C): error is DeviceError<C> {
  return error instanceof DeviceError && error.code === code;
}

/** The error in the payload of an error frame, or null when that is none that this version knows. */
export function decodeError(payload: Uint8Array): DeviceError | null {
  if (payload.length !== 20) return null;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const word = (index: number) => view.getUint32(4 + 4 * index, true);
  const code = CODES[payload[0] as number];
  if (code === undefined) return null;
  return new DeviceError(code, ERRORS[code].facts(view.getUint16(2, true), word(0), word(1), word(2), word(3)));
}

/** The error of this number without the facts that would come with it, as INFO reports how the last work ended. */
export function errorCode(number: number): DeviceErrorCode | null {
  return CODES[number] ?? null;
}

/** The section of this number; a number of a later version is "unknown". */
export function sectionName(number: number): Section {
  return SECTIONS[number] ?? "unknown";
}

/** The state of this number; a number of a later version is "unknown". */
export function stateName(number: number): State {
  return STATES[number] ?? "unknown";
}

interface DeviceKind<Facts> extends Kind<Facts> {
  readonly number: number;
  facts(detail: number, a: number, b: number, c: number, d: number): Facts;
}

const BAD_FRAME_REASONS = ["unknown", "crc", "length", "too long", "cobs", "flags"] as const;
const UNTOUCHED = "No pad bytes were used.";
const none = (): Nothing => ({});

const ERRORS: { readonly [C in DeviceErrorCode]: DeviceKind<DeviceFacts[C]> } = {
  BAD_FRAME: {
    number: 1,
    facts: (detail) => ({ reason: BAD_FRAME_REASONS[detail] ?? "unknown" }),
    message: ({ reason }) => `The device could not read a frame (${reason}).`,
    pad: UNTOUCHED,
    advice: "Try again; if it stays, check the cable and that no other program uses the line.",
  },
  NO_SESSION: {
    number: 2,
    facts: (_detail, a, b, c, d) => ({ upUsed: a, downUsed: b, split: c, nextSlot: d }),
    message: () => "The device has restarted, or another program has greeted it, since this session began.",
    pad: "What the device reserved before stays used; nothing is used twice.",
    advice: "Begin a new session, compare the marks, and seal again what did not arrive.",
  },
  WRONG_SEQUENCE: {
    number: 3,
    facts: (_detail, a) => ({ expected: a }),
    message: ({ expected }) => `The device expected the frame with sequence ${expected}.`,
    pad: UNTOUCHED,
    advice: "Begin a new session and compare the marks; make sure that one program alone uses the device.",
  },
  UNKNOWN_COMMAND: {
    number: 4,
    facts: none,
    message: () => "The device does not know this command.",
    pad: UNTOUCHED,
    advice: "Update the device's firmware or this program, so that both are of one version.",
  },
  BAD_ARGUMENT: {
    number: 5,
    facts: (detail) => ({ argumentOffset: detail }),
    message: ({ argumentOffset }) => `The device refused the argument at byte ${argumentOffset} of a command.`,
    pad: UNTOUCHED,
    advice: "Check what was asked for against the device's pad; a bundle that leads here was made or changed wrongly.",
  },
  WRONG_STATE: {
    number: 6,
    facts: (detail) => ({ state: stateName(detail) }),
    message: ({ state }) => `The device does not do this in its state "${state}".`,
    pad: UNTOUCHED,
    advice: ({ state }) =>
      state === "filling"
        ? 'If it never held a pad, its fill was interrupted: fill it anew. If it did, look first: a fill destroys what lies there, and "tearpad image inspect" of its image or of its chip says whether that is a pad.'
        : "A blank device is filled first; one that is active cannot be filled.",
  },
  FAULTY: {
    number: 7,
    facts: (detail) => ({ section: sectionName(detail) }),
    message: ({ section }) => `The device is faulty: its section "${section}" cannot be trusted.`,
    pad: "The device answers questions only and uses no pad bytes.",
    advice:
      'With section "supply", give it better power and plug it in again. Otherwise keep it for inspection, retire this pad, and make a new pair.',
  },
  NEED_GRANT: {
    number: 8,
    facts: (_detail, a, b) => ({ needed: a, room: b }),
    message: ({ needed, room }) => `This needs ${needed} pad bytes and ${room} are granted to this side.`,
    pad: UNTOUCHED,
    advice: "Ask the other side to seal something with a grant, open that here, and seal again.",
  },
  EXHAUSTED: {
    number: 9,
    facts: (_detail, a, b) => ({ needed: a, room: b }),
    message: ({ needed, room }) => `This needs ${needed} pad bytes and this side has ${room} left.`,
    pad: UNTOUCHED,
    advice: "Send less, or make a new pair and bring the twin to the other side.",
  },
  SLOTS_EXHAUSTED: {
    number: 10,
    facts: (_detail, a) => ({ slots: a }),
    message: ({ slots }) => `All ${slots} slots of this side are used.`,
    pad: "The bytes that are left cannot start another message.",
    advice: "Make a new pair; fewer and longer messages use fewer slots.",
  },
  SLOT_UNKNOWN: {
    number: 11,
    facts: none,
    message: () => "This bundle was opened before, or it was not sealed by this device's twin.",
    pad: UNTOUCHED,
    advice: "Look for the text that was delivered before; otherwise use the device whose twin sealed the bundle.",
  },
  AUTH_FAILED: {
    number: 12,
    facts: (_detail, a) => ({ failedTags: a }),
    message: ({ failedTags }) =>
      `A box was changed on its way, or is not of this pad (failed tags since boot: ${failedTags}).`,
    pad: "No pad bytes were used and no text of that box was given out.",
    advice: "Get the bundle again from where it came from; if it fails again the sender seals the text anew.",
  },
  BOX_USED: {
    number: 13,
    facts: (_detail, a) => ({ offset: a }),
    message: ({ offset }) => `The pad bytes of the box at offset ${offset} were destroyed after it was delivered.`,
    pad: UNTOUCHED,
    advice: "Look for the text that was delivered before.",
  },
  NOT_VERIFIED: {
    number: 14,
    facts: (_detail, a, b) => ({ start: a, end: b }),
    message: ({ start, end }) =>
      `The device releases only what it has verified since it started, now ${start} to ${end}.`,
    pad: UNTOUCHED,
    advice: "Open the boxes again, then release them.",
  },
  FLASH_FAULT: {
    number: 15,
    facts: (detail, a) => ({ section: sectionName(detail), address: a }),
    message: ({ section, address }) => `The device's flash fails at address ${address} (section "${section}").`,
    pad: "Nothing was given out; bytes that were already reserved stay used.",
    advice: "Check the supply and the chip; if it stays, retire this pad and make a new pair.",
  },
  SUPPLY_LOW: {
    number: 16,
    facts: none,
    message: () => "The device's supply is too low to change its flash.",
    pad: "Nothing was given out; bytes that were already reserved stay used.",
    advice: "Use another port or cable, without a hub, and try again.",
  },
  FILL_REFUSED: {
    number: 17,
    facts: (_detail, a) => ({ offset: a }),
    message: ({ offset }) => `Nine or more equal bytes in a row at offset ${offset} cannot be part of a pad.`,
    pad: "The device holds no pad yet.",
    advice: "Check the source of randomness, then fill both devices anew from fresh bytes.",
  },
  FILL_MISMATCH: {
    number: 18,
    facts: none,
    message: () => "The device read its pad back and it is not what was written.",
    pad: "The device holds no usable pad.",
    advice: "Fill it again; if it fails again the chip is bad.",
  },
  WRONG_SIDE: {
    number: 19,
    facts: none,
    message: () => "This device is not on the side of its pad that can do this.",
    pad: UNTOUCHED,
    advice: "Grants are given by the high side of a pad; calls are made by tokens.",
  },
  BUSY: {
    number: 20,
    facts: (_detail, a, b) => ({ done: a, total: b }),
    message: ({ done, total }) => `The device is busy: ${done} of ${total} bytes done.`,
    pad: UNTOUCHED,
    advice: "Wait until it has finished.",
  },
  SUITE_UNKNOWN: {
    number: 21,
    facts: (detail) => ({ suite: detail }),
    message: ({ suite }) => `The device does not know suite ${suite}.`,
    pad: UNTOUCHED,
    advice: "Update the device's firmware or this program, so that both are of one version.",
  },
  CALL_FIRST: {
    number: 22,
    facts: none,
    message: () => "This token seals only within a link to its server.",
    pad: "No pad bytes were used and no value has moved.",
    advice: "Call the server first, and seal when the link stands.",
  },
  PRESENCE: {
    number: 23,
    facts: (detail) => ({ refused: detail === 1 }),
    message: ({ refused }) =>
      refused
        ? "The owner refused at the button to spend more than the limit."
        : "More than the owner's limit is to be spent: the device waits for its button.",
    pad: "No pad bytes were used and no value has moved.",
    advice: "Press the device's button and ask again, or allow at most the limit.",
  },
  OLDER: {
    number: 24,
    facts: (detail, a, b, c) => ({
      older: detail === 1 ? "server" : "device",
      number: OLDER_NUMBERS[a] ?? "unknown",
      device: b,
      server: c,
    }),
    message: ({ older, number, device, server }) =>
      `The ${older} is older than the ${older === "device" ? "server" : "device"} remembers it: ${number} is ${device} here and ${server} there.`,
    pad: "No link was made: no pad bytes were used and no value has moved.",
    advice:
      "Somebody put back an earlier state, or another copy of this device was used. Ask whoever runs the server: the pad is retired, and the value is moved to a new one.",
  },
  SLOT_KEPT: {
    number: 25,
    facts: (_detail, a) => ({ slot: a }),
    message: ({ slot }) => `The device keeps slot ${slot}: too many calls in a row were given up.`,
    pad: "No pad bytes were used and no value has moved.",
    advice: "Call again with the same slot: the server knows no later ones. Check that it is the right server.",
  },
};

const CODES: readonly (DeviceErrorCode | undefined)[] = codesByNumber();

function codesByNumber(): (DeviceErrorCode | undefined)[] {
  const codes: (DeviceErrorCode | undefined)[] = [];
  for (const [code, { number }] of Object.entries(ERRORS)) codes[number] = code as DeviceErrorCode;
  return codes;
}
