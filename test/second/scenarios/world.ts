/** Model devices that are given commands, and the steps of a vector that come of it. */
import { poly1305, u16 } from "../box.ts";
import { type Bytes, bytesOf, type Expected, expected, hex, type Seeded } from "../bytes.ts";
import { COMMANDS } from "../commands.ts";
import { Device } from "../device.ts";
import type { Side } from "../end.ts";
import type { Info } from "../info.ts";
import type { Chip } from "../journal.ts";
import { failureOf } from "./vector.ts";

/** Ten sectors: four of journal, two of identity, four of pad. */
export const CHIP: Chip = { sectors: 10, burnUnit: 1 };

/** What a device is filled with before the steps: FILL, then WRITEs of the pad, then COMMIT with key and tag. */
export interface Fill {
  side: Side;
  /** Bit 0 low, bit 1 high. */
  slots: number;
  provenance: number;
  padLength: number;
  split: number;
  burnUnit: number;
  padId: string;
  pad: Seeded;
  key: string;
  tag: string;
  /** What stands behind byte 112 in FILL: the longer form, for tokens. */
  token?: Bytes;
}

/** A pair of 16,384 bytes: two slots on each side, up from 384, down from 16,000, split in the middle. */
export function fillOf(side: Side, change: Partial<Fill> = {}): Fill {
  const padLength = change.padLength ?? 16384;
  const pad = change.pad ?? { seed: "pad of a pair", length: padLength };
  const key = hex(bytesOf({ seed: "key of a commit", length: 32 }));
  const tag = hex(poly1305(bytesOf(key), bytesOf(pad)));
  const rest = {
    slots: 3,
    provenance: 1,
    padLength,
    split: 8192,
    burnUnit: 1,
    padId: "101112131415161718191a1b1c1d1e1f",
  };
  return { side, ...rest, pad, key, tag, ...change };
}

export type Command = Exclude<keyof typeof COMMANDS, "HELLO">;

export interface Step {
  on: string;
  /** REBOOT is none: the power goes and comes, and nothing is answered. BUTTON is none: the next look at the button finds it so, once. */
  command: Command | "REBOOT" | "BUTTON";
  button?: "pressed" | "refused";
  payload?: Bytes;
  /** A dot stands for half a byte that may be anything. */
  reply?: Expected;
  /** Fields of INFO. */
  info?: Record<string, number | string>;
  error?: { code: string; detail: number; facts: number[] };
  /** False: the command after this one comes before the work of this one is done. */
  wait?: false;
}

export class World {
  readonly chip: Chip;
  readonly devices: Record<string, Device> = {};
  readonly fills: Record<string, Fill | null> = {};
  readonly steps: Step[] = [];

  /** `null` leaves a device blank; other devices may be given as they are. */
  constructor(fills: Record<string, Fill | null>, chip: Chip = CHIP, devices: Record<string, Device> = {}) {
    this.chip = chip;
    Object.assign(this.devices, devices);
    this.fills = fills;
    for (const [name, fill] of Object.entries(fills)) {
      const device = new Device(chip);
      this.devices[name] = device;
      if (fill) fillDevice(device, fill);
    }
  }

  /** A step that succeeds; its reply as it is and, in the vector, with the bytes from `open[0]` to `open[1]` left open. */
  does(on: string, command: Command, payload: Bytes, ...open: [number, number][]): Uint8Array {
    const reply = this.device(on).execute(COMMANDS[command], bytesOf(payload));
    let shown = expected(reply);
    for (const [from, to] of open) {
      if (typeof shown === "string")
        shown = shown.slice(0, 2 * from) + ".".repeat(2 * (to - from)) + shown.slice(2 * to);
    }
    this.steps.push({ on, command, payload, reply: shown });
    return reply;
  }

  /** A step that fails, and changes nothing. */
  fails(on: string, command: Command, payload: Bytes, code: string): void {
    const failure = failureOf(() => this.device(on).execute(COMMANDS[command], bytesOf(payload)));
    if (failure?.code !== code) throw new Error(`${failure?.code ?? "success"} instead of ${code}`);
    const facts = [0, 1, 2, 3].map((i) => failure.facts[i] ?? 0);
    this.steps.push({ on, command, payload, error: { code, detail: failure.detail, facts } });
  }

  /** A step of INFO that shows these fields. */
  shows(on: string, ...fields: string[]): void {
    this.steps.push({ on, command: "INFO", payload: "", info: infoFields(this.device(on).info(), fields) });
  }

  reboots(on: string): void {
    this.device(on).reboot();
    this.steps.push({ on, command: "REBOOT" });
  }

  /** The owner's answer to the next question for presence. */
  button(on: string, button: "pressed" | "refused"): void {
    this.device(on).button = button === "pressed" ? 1 : 2;
    this.steps.push({ on, command: "BUTTON", button });
  }

  device(name: string): Device {
    return this.devices[name] as Device;
  }
}

export function infoFields(info: Info, fields: string[]): Record<string, number | string> {
  return Object.fromEntries(
    fields.map((field) => {
      const value = info[field] ?? (field === "side" ? 255 : 0);
      return [field, typeof value === "number" ? value : hex(value)];
    }),
  );
}

export function fillPayload(fill: Fill): Bytes {
  const { side, slots, provenance, padLength, split, burnUnit, padId } = fill;
  const head = Uint8Array.of(side === "low" ? 0 : 1, 1, slots, provenance);
  const entropy = "0000";
  const body: Bytes[] = [
    hex(head),
    { u32: padLength },
    { u32: split },
    entropy,
    hex(u16(burnUnit)),
    padId,
    { zeros: 80 },
  ];
  return fill.token ? [...body, fill.token] : body;
}

export function fillDevice(device: Device, fill: Fill): void {
  device.execute(COMMANDS.FILL, bytesOf(fillPayload(fill)));
  const pad = bytesOf(fill.pad);
  for (let at = 0; at < pad.length; at += 4096) {
    device.execute(COMMANDS.WRITE, bytesOf([{ u32: at }, hex(pad.subarray(at, at + 4096))]));
  }
  device.execute(COMMANDS.COMMIT, bytesOf([fill.key, fill.tag]));
}
