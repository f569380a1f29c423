/** A simulated device on which a vector is tried: a chip as the vector wants it, the built core, and its line. */
import {
  COMMAND_TYPES,
  type CommandName,
  decodeError,
  encodeFrame,
  type Frame,
  FrameDecoder,
} from "../../host/protocol/index.ts";
import { builtCore, Flash, Machine } from "../../simulator/index.ts";
import { type Bytes, bytesOf, expectEqual, hex, type Seeded } from "./bytes.ts";

export interface Chip {
  readonly sectors: number;
  readonly burnUnit: number;
  readonly overprogram?: boolean;
}

/** A fill as a vector describes it. */
export interface Fill {
  readonly side: "low" | "high";
  readonly slots: number;
  readonly provenance: number;
  readonly padLength: number;
  readonly split: number;
  readonly burnUnit: number;
  readonly padId: string;
  readonly pad: Seeded;
  readonly key: string;
  readonly tag: string;
  /** What FILL says of a token behind all else: its money and its addresses. */
  readonly token?: Bytes;
}

/** An error frame in the words of SPEC section 9. */
export interface Refusal {
  readonly code: string;
  readonly detail: number;
  readonly facts: readonly number[];
}

/** The fields of INFO by name: offset and size. A size above 4 is written in hexadecimal. */
const INFO: Readonly<Record<string, readonly [number, number]>> = {
  ...fields(0, 1, "state side suite section work error traps provenance"),
  ...fields(8, 4, "reason workDone workAll bootEpoch generation journalSequence"),
  padId: [32, 16],
  serial: [48, 8],
  ...fields(56, 4, "padLength slotsLow slotsHigh nextSlot upUsed upBurned downUsed downBurned"),
  ...fields(88, 4, "split room burnUnit failedTags chipSize"),
};

function fields(offset: number, size: number, names: string): Record<string, [number, number]> {
  return Object.fromEntries(names.split(" ").map((name, i) => [name, [offset + i * size, size]]));
}

export class Board {
  readonly flash: Flash;
  readonly machine: Machine;
  private readonly sent: Uint8Array[] = [];
  private session = 0;
  private sequence = 0;

  constructor(chip: Chip) {
    const { sectors, burnUnit, overprogram = true } = chip;
    this.flash = new Flash({ sectors, burnUnit, overprogram });
    this.machine = new Machine({ core: builtCore(), flash: this.flash, entropy: 1, presence: "ask" });
    this.machine.onTransmit = (bytes) => this.sent.push(bytes.slice());
  }

  /** Boots, as after so many traps since power-on. */
  boot(traps = 0): void {
    this.session = 0;
    this.machine.restore({ ...this.machine.snapshot(), traps, state: "held" });
    this.machine.reset();
  }

  /** What the device's next look at its button finds. */
  button(found: "pressed" | "refused"): void {
    this.machine.press(found === "pressed" ? "accept" : "reject");
  }

  /** What the device sends for these bytes; by default also all work that they begin is done. */
  feed(bytes: Uint8Array, wait = true): Uint8Array {
    this.sent.length = 0;
    this.machine.feed(bytes);
    if (wait) this.machine.runUntilIdle();
    return new Uint8Array(Buffer.concat(this.sent));
  }

  /** How a command is refused when there was no HELLO since the boot. INFO needs none. */
  askWithoutSession(command: string): Uint8Array | Refusal {
    const frame = { type: typeOf(command), sequence: 1, session: 0, payload: new Uint8Array(0) };
    const reply = this.converse(frame, true);
    return reply.type === 0xff ? refusal(reply.payload) : reply.payload;
  }

  /** The payload of the reply to a command, or how it was refused. Begins a session when there is none. */
  ask(command: string, payload: Bytes, wait = true): Uint8Array | Refusal {
    const type = typeOf(command);
    if (this.session === 0 && type >= COMMAND_TYPES.FILL) this.hello();
    const frame = { type, sequence: this.sequence + 1, session: this.session, payload: bytesOf(payload) };
    const reply = this.converse(frame, wait);
    if (reply.type === 0xff) return refusal(reply.payload);
    expectEqual(`${command}: type of the reply`, reply.type, type | 0x80);
    if (type >= COMMAND_TYPES.FILL) this.sequence += 1;
    return reply.payload;
  }

  /** The same for a command that has to succeed. */
  must(command: string, payload: Bytes): Uint8Array {
    const reply = this.ask(command, payload);
    if (reply instanceof Uint8Array) return reply;
    throw new Error(`${command}: ${reply.code} ${reply.detail} ${reply.facts}`);
  }

  /** Compares these fields of INFO, and no others. */
  expectInfo(expected: Readonly<Record<string, number | string>>): void {
    const info = this.must("INFO", "");
    const view = new DataView(info.buffer, info.byteOffset);
    for (const [name, value] of Object.entries(expected)) {
      const [offset, size] = INFO[name] as [number, number];
      const number = size === 1 ? view.getUint8(offset) : view.getUint32(offset, true);
      expectEqual(name, size > 4 ? hex(info.subarray(offset, offset + size)) : number, value);
    }
  }

  fill(fill: Fill): void {
    const { side, slots, provenance, padLength, split, padId } = fill;
    const head = hex(Uint8Array.of(side === "low" ? 0 : 1, 1, slots, provenance));
    const unit = hex(Uint8Array.of(0, 0, fill.burnUnit, 0));
    this.must("FILL", [head, { u32: padLength }, { u32: split }, unit, padId, { zeros: 80 }, fill.token ?? ""]);
    for (let from = 0; from < padLength; from += 4096) {
      this.must("WRITE", [{ u32: from }, { ...fill.pad, from, length: 4096 }]);
    }
    this.must("COMMIT", [fill.key, fill.tag]);
    this.expectInfo({ state: 3 });
  }

  /** The next command begins a session of its own: someone else had the line. */
  forget(): void {
    this.session = 0;
  }

  private hello(): void {
    const { payload } = this.converse({ type: 1, sequence: 0, session: 0, payload: new Uint8Array(4) }, true);
    this.session = new DataView(payload.buffer, payload.byteOffset).getUint32(8, true);
    this.sequence = 0;
  }

  private converse(frame: Frame, wait: boolean): Frame {
    const frames = new FrameDecoder().push(this.feed(encodeFrame(frame), wait));
    const [reply] = frames;
    if (frames.length !== 1 || reply === undefined || "fault" in reply)
      throw new Error("The device gave no reply, or a broken one.");
    expectEqual("sequence of the reply", reply.sequence, frame.sequence);
    expectEqual("session of the reply", reply.session, frame.session);
    return reply;
  }
}

function typeOf(command: string): number {
  return COMMAND_TYPES[command as CommandName];
}

function refusal(payload: Uint8Array): Refusal {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const facts = [4, 8, 12, 16].map((at) => view.getUint32(at, true));
  return { code: decodeError(payload)?.code ?? `error ${payload[0]}`, detail: view.getUint16(2, true), facts };
}
