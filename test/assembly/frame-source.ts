// Where the fuzz gets its frames: noise, damage, and every way to tell a device something that it was told before, but not quite like this. They are made by the
// million, so they go into one buffer, and most of them are short.

import { cobsEncode } from "../../host/protocol/cobs.ts";
import { crc32 } from "../../host/protocol/crc32.ts";
import type { Random } from "../../simulator/index.ts";
import type { Good } from "./states.ts";

const HEADER = 12;
const PAYLOAD_MAX = 4128;
/** Of good commands longer than this one in so many is used. */
const LONG = 300;
const LONG_RARITY = 24;
const FRAMES_A_BURST = 8;
/** Further than the core has memory behind its buffer for a frame. */
const TOO_LONG = 40_000;
/** Room for a burst of the longest frames. */
const BURST_MAX = FRAMES_A_BURST * (TOO_LONG + 400);

type Kind =
  | "noise"
  | "bad CRC"
  | "any command"
  | "good"
  | "flipped"
  | "changed"
  | "spliced"
  | "repeated"
  | "swapped"
  | "cut"
  | "elsewhere"
  | "long";

const WEIGHTS: readonly [Kind, number][] = [
  ["noise", 18],
  ["bad CRC", 10],
  ["any command", 15],
  ["good", 13],
  ["flipped", 9],
  ["changed", 13],
  ["spliced", 5],
  ["repeated", 6],
  ["swapped", 3],
  ["cut", 4],
  ["elsewhere", 4],
  ["long", 1],
];
const KINDS: readonly Kind[] = WEIGHTS.flatMap(([kind, weight]) => Array.from({ length: weight }, () => kind));

export class FrameSource {
  /** What the device said last: its session, and the sequence that it expects next. */
  session = 0;
  sequence = 1;
  readonly #random: Random;
  readonly #good: readonly Good[];
  readonly #line = new Uint8Array(BURST_MAX);
  readonly #plain = new Uint8Array(HEADER + TOO_LONG + 64);
  readonly #view = new DataView(this.#plain.buffer);
  #length = 0;
  #last: Uint8Array = Uint8Array.of(2, 1);

  constructor(random: Random, good: readonly Good[]) {
    this.#random = random;
    this.#good = good;
  }

  /** The next few frames as they go over the line; good until the next burst. */
  burst(): Uint8Array {
    this.#length = 0;
    for (let i = 0; i < FRAMES_A_BURST; i++) this.#add(KINDS[this.#random.below(KINDS.length)]!);
    return this.#line.subarray(0, this.#length);
  }

  #add(kind: Kind): void {
    const random = this.#random;
    switch (kind) {
      case "noise":
        this.#append(this.#noise(1 + random.below(40)));
        this.#end();
        break;
      case "bad CRC":
        this.#put(cobsEncode(this.#noise(16 + random.below(50))));
        break;
      case "any command":
        this.#put(this.#anyCommand());
        break;
      case "good":
        this.#put(this.#goodFrame());
        break;
      case "flipped":
        this.#put(this.#flip(this.#goodFrame()));
        break;
      case "changed":
        this.#put(this.#changed());
        break;
      case "spliced":
        this.#put(this.#spliced());
        break;
      case "repeated":
        this.#put(this.#last);
        break;
      case "swapped":
        this.sequence++;
        this.#put(this.#goodFrame());
        this.sequence--;
        this.#put(this.#goodFrame());
        break;
      case "cut": {
        const frame = this.#goodFrame();
        const at = random.below(frame.length);
        this.#append(random.below(2) ? frame.subarray(at) : frame.subarray(0, at));
        // Half of them run into the next frame.
        if (random.below(2)) this.#end();
        break;
      }
      case "elsewhere":
        this.#elsewhere();
        break;
      case "long":
        if (random.below(LONG_RARITY) === 0) this.#put(this.#long());
    }
  }

  #noise(length: number): Uint8Array {
    const noise = this.#plain.subarray(0, length);
    this.#random.fill(noise);
    return noise;
  }

  /** What nobody ever said, in a frame that is right. */
  #anyCommand(): Uint8Array {
    const random = this.#random;
    const length = random.below(16) === 0 ? random.below(300) : random.below(24);
    random.fill(this.#plain.subarray(HEADER, HEADER + length));
    if (random.below(4) === 0) this.#view.setUint32(HEADER, random.below(8), true);
    return this.#frame(this.#anyType(), length);
  }

  /** More than a frame can hold, by a little or by a lot, and right but for that. */
  #long(): Uint8Array {
    const random = this.#random;
    const length = PAYLOAD_MAX - 2 + random.below(random.below(2) ? 6 : TOO_LONG - PAYLOAD_MAX);
    random.fill(this.#plain.subarray(HEADER, HEADER + length));
    return this.#frame(this.#anyType(), length);
  }

  #flip(frame: Uint8Array): Uint8Array {
    for (let flips = 1 + this.#random.below(3); flips > 0; flips--) {
      frame[this.#random.below(frame.length)]! ^= 1 << this.#random.below(8);
    }
    return frame;
  }

  /** The head of one good command and the tail of another. */
  #spliced(): Uint8Array {
    const random = this.#random;
    const [head, tail] = [this.#choose(), this.#choose()];
    const keep = random.below(head.payload.length + 1);
    const from = random.below(tail.payload.length + 1);
    const length = Math.min(PAYLOAD_MAX, keep + tail.payload.length - from);
    this.#plain.set(head.payload.subarray(0, keep), HEADER);
    this.#plain.set(tail.payload.subarray(from, from + length - keep), HEADER + keep);
    return this.#frame(head.type, length);
  }

  /** A good frame of another session, or out of turn. */
  #elsewhere(): void {
    const random = this.#random;
    const { session, sequence } = this;
    if (random.below(2)) this.session = random.below(2) ? session ^ 1 : session ^ 0x10000;
    else this.sequence = sequence + random.below(7) - 3;
    this.#put(this.#goodFrame());
    this.session = session;
    this.sequence = sequence;
  }

  /** A good command with one thing wrong that its CRC-32 does not show. */
  #changed(): Uint8Array {
    const random = this.#random;
    const { type, payload } = this.#choose();
    let length = payload.length;
    this.#plain.set(payload, HEADER);
    switch (random.below(5)) {
      case 0:
        length = random.below(length + 1);
        break;
      case 1: {
        const more = Math.min(PAYLOAD_MAX - length, 1 + random.below(20));
        random.fill(this.#plain.subarray(HEADER + length, HEADER + length + more));
        length += more;
        break;
      }
      case 2: {
        const at = HEADER + 4 * random.below(2);
        const old = this.#view.getUint32(at, true);
        this.#view.setUint32(
          at,
          [0, 0xffffffff, 0x80000000, old + 1, old - 1, old + 256, random.u32(), 0x5000][random.below(8)]! >>> 0,
          true,
        );
        break;
      }
      default:
        for (let flips = 1 + random.below(2); flips > 0 && length > 0; flips--) {
          this.#plain[HEADER + random.below(length)]! ^= 1 << random.below(8);
        }
    }
    return this.#frame(type, length);
  }

  #choose(): Good {
    for (;;) {
      const good = this.#good[this.#random.below(this.#good.length)]!;
      if (good.payload.length < LONG || this.#random.below(LONG_RARITY) === 0) return good;
    }
  }

  #goodFrame(): Uint8Array {
    const { type, payload } = this.#choose();
    this.#plain.set(payload, HEADER);
    return this.#frame(type, payload.length);
  }

  #anyType(): number {
    const random = this.#random;
    return random.below(3) === 0 ? random.below(256) : this.#good[random.below(this.#good.length)]!.type;
  }

  /** The frame whose payload lies in the buffer; a few say something else of themselves than is true. */
  #frame(type: number, length: number): Uint8Array {
    const random = this.#random;
    const odd = random.below(32) === 0;
    this.#plain[0] = type;
    this.#plain[1] = odd && random.below(2) ? 1 << random.below(8) : 0;
    this.#view.setUint16(2, odd && random.below(2) ? random.below(65536) : length, true);
    this.#view.setUint32(4, this.sequence >>> 0, true);
    this.#view.setUint32(8, this.session >>> 0, true);
    const end = HEADER + length;
    this.#view.setUint32(end, crc32(this.#plain.subarray(0, end)), true);
    return cobsEncode(this.#plain.subarray(0, end + 4));
  }

  #put(stuffed: Uint8Array): void {
    this.#last = stuffed;
    this.#append(stuffed);
    this.#end();
  }

  #append(bytes: Uint8Array): void {
    this.#line.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #end(): void {
    this.#line[this.#length++] = 0;
  }
}
