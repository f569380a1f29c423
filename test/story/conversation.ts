// What passes on a device's line, put together with the second implementation: honest conversations, and such as no device may
// ever have. So the observer is tried on bytes that no device and no driver made.

import type { Chunk, OriginalPad } from "../../cli/demo/index.ts";
import { boxOffset, type Direction, downEnd, SLOT_BYTES, upBase } from "../../host/protocol/index.ts";
import { concat, DATA, LAST, OPENING, seal, u32 } from "../second/box.ts";
import { encodeFrame } from "../second/frame.ts";

const SESSION = 0x10001;
const ERROR = 0xff;

/** A box and where it lies. */
export interface Box {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly text: Uint8Array;
}

/** A sealed box as the device says it, and as it is: who lies says something else. */
export interface Sealing {
  readonly mark: number;
  readonly text: Uint8Array | string;
  readonly last?: boolean;
  /** The offset under whose bytes it really is; that of its mark when it is honest. */
  readonly under?: number;
  /** The offset that the device names; that of its mark when it is honest. */
  readonly says?: number;
  /** Changes the box on its way out. */
  readonly spoil?: (box: Uint8Array) => void;
}

/** Both ends of one line, and all that passes on it. */
export class Conversation {
  readonly chunks: Chunk[] = [];
  readonly #pad: OriginalPad;
  readonly #direction: Direction;
  #sequence = 0;

  /** @param direction in which this end seals */
  constructor(pad: OriginalPad, direction: Direction) {
    this.#pad = pad;
    this.#direction = direction;
  }

  /** A command and its reply; without one the device was silent. */
  exchange(type: number, payload: Uint8Array, reply: Uint8Array | null): void {
    this.#sequence++;
    const sequence = this.#sequence;
    this.#say("device", { type, sequence, session: SESSION, payload });
    if (reply !== null) this.#say("host", { type: type + 0x80, sequence, session: SESSION, payload: reply });
  }

  /** A command that the device refuses. */
  refused(type: number, payload: Uint8Array, code: number): void {
    this.exchange(type, payload, null);
    const error = concat(Uint8Array.of(code, type), new Uint8Array(18));
    this.#say("host", { type: ERROR, sequence: this.#sequence, session: SESSION, payload: error });
  }

  /** The last command and its reply once more, as after a lost reply. */
  repeat(): void {
    this.chunks.push(...this.chunks.slice(-2));
  }

  /** The first segment of a run; who lies says another mark in its opening. */
  begins(slot: number, { first, says = first }: { first: number; says?: number }): Box {
    const slotOffset =
      this.#direction === "up" ? SLOT_BYTES * slot : this.#pad.shape.padLength - SLOT_BYTES * (slot + 1);
    const text = u32(says, first, 0, this.split);
    const offset = slotOffset + 96;
    const bytes = this.#seal(this.#direction, offset, OPENING, text);
    const tag = this.#pad.bytes.subarray(slotOffset, slotOffset + 16);
    const item = concat(Uint8Array.of(16, 0, 0, 0), tag);
    this.exchange(0x20, u32(0xffffffff, 0), concat(u32(slot, first), item, bytes));
    return { offset, bytes, text };
  }

  seals({ mark, text, last = true, under, says, spoil }: Sealing): Box {
    const plain = typeof text === "string" ? Uint8Array.from(Buffer.from(text)) : text;
    const offset = this.offsetAt(mark, plain.length);
    const kind = last ? LAST : DATA;
    const bytes = this.#seal(this.#direction, under ?? offset, kind, plain);
    spoil?.(bytes);
    this.exchange(0x21, concat(u32(kind), plain), concat(u32(mark, says ?? offset), bytes));
    return { offset, bytes, text: plain };
  }

  /** A SEAL that is never answered. */
  sealsInVain(text: string): void {
    this.exchange(0x21, concat(u32(LAST), Uint8Array.from(Buffer.from(text))), null);
  }

  opens(box: Box): void {
    this.exchange(0x31, concat(u32(box.offset), box.bytes), concat(u32(LAST), box.text));
  }

  releases(offset: number, length: number, used: number): void {
    this.exchange(0x32, u32(offset, length), u32(used));
  }

  offsetAt(mark: number, textBytes: number): number {
    return boxOffset(this.#pad.shape, this.#direction, mark, 32 + textBytes);
  }

  /** The first split of a pair. */
  get split(): number {
    const base = upBase(this.#pad.shape);
    return base + Math.floor((downEnd(this.#pad.shape) - base) / 2);
  }

  #seal(direction: Direction, offset: number, kind: number, text: Uint8Array): Uint8Array {
    const slice = this.#pad.bytes.subarray(offset, offset + 32 + text.length);
    const padId = Uint8Array.from(Buffer.from(this.#pad.padId, "hex"));
    return seal(Uint8Array.from(slice), { padId, direction, offset }, kind, text);
  }

  #say(to: Chunk["to"], frame: { type: number; sequence: number; session: number; payload: Uint8Array }): void {
    this.chunks.push({ to, bytes: encodeFrame(frame) });
  }
}

/** The trace that a simulator would have written of this. */
export function traceOf({ chunks }: Conversation): string {
  const lines = chunks.map(({ to, bytes }, us) => ({ us, to, bytes: Buffer.from(bytes).toString("base64") }));
  return [{ trace: "tearpad", version: 1 }, ...lines].map((line) => `${JSON.stringify(line)}\n`).join("");
}
