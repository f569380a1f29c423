// Sealing a text as a bundle (SPEC section 11). The whole text is weighed against the pad before its first box. Every box
// is on this host's disk before anyone gets it. When the device restarts or is lost on the way, what arrived is kept as it
// is, and the rest goes on in a new segment; the text of a box in doubt is sealed anew, under pad bytes never used before.

import {
  boxCost,
  bundleBytes,
  DeviceError,
  roomOf,
  roundDown,
  runCost,
  sealingMark,
  TEXT_MAX_BYTES,
} from "../protocol/index.ts";
import type { Device } from "./device.ts";
import { DriverError } from "./errors.ts";
import type { Outbox, OutboxPart } from "./outbox.ts";
import { type ActiveInfo, mustBeActive } from "./position.ts";
import { insist, lastWord, mayComeBack, regain, SETBACKS_MAX } from "./recovery.ts";
import { readExactly, type TextSource, textSource } from "./text.ts";

export interface SealProgress {
  readonly boxes: number;
  readonly boxesTotal: number;
  readonly textBytes: number;
  readonly textBytesTotal: number;
}

export interface SealOptions {
  /** High only: pad bytes to give to the other side with this bundle. */
  readonly grant?: number;
  readonly onProgress?: (progress: SealProgress) => void;
  /**
   * Asked when patience is at its end, or the disk is full: true goes on from the first box that did not arrive, once what
   * was in the way is gone. Without it, or on false, the error is thrown and the boxes sealed so far are given up.
   */
  readonly onObstacle?: (error: unknown) => Promise<boolean>;
}

/** What became of a text: a finished bundle in the outbox. */
export interface SealedRun {
  /** Its name in the outbox. */
  readonly id: string;
  readonly textBytes: number;
  readonly bundleBytes: number;
  readonly boxes: number;
  readonly segments: number;
  /** Pad bytes that the device reserved for boxes that never arrived. */
  readonly bytesSkipped: number;
  /** The marks of the sealing direction. */
  readonly markBefore: number;
  readonly markAfter: number;
  /** The split that the bundle tells the other side. */
  readonly split: number;
}

/**
 * Seals a text into the outbox.
 * @throws DeviceError NEED_GRANT, EXHAUSTED or SLOTS_EXHAUSTED for a text that does not fit, with nothing consumed;
 *   DriverError DISK_FULL likewise when the bundle will not fit on the disk; what the device fails with for good, before a
 *   slot is taken. Whatever ends it after that is the cause of a DriverError SEAL_UNFINISHED, and no part is left.
 */
export async function sealRun(
  device: Device,
  text: Uint8Array | Blob | TextSource,
  outbox: Outbox,
  options: SealOptions = {},
): Promise<SealedRun> {
  const source = textSource(text);
  const grant = options.grant ?? 0;
  const start = mustBeActive(await device.info());
  if (grant > 0 && start.side === "low") throw new DeviceError("WRONG_SIDE", {});
  mustFit(start, source.size, grant);

  const part = await outbox.begin(bundleBytes(source.size));
  const run = new Sealing(device, source, start, part, options);
  try {
    let { split } = start;
    if (grant > 0) {
      const raised = roundDown(start.split + grant, start.burnUnit);
      split = await insist(device, start, () => device.raise(raised));
    }
    await run.finish();
    return {
      id: part.id,
      textBytes: source.size,
      bundleBytes: part.size,
      boxes: run.number,
      segments: run.segments,
      bytesSkipped: run.bytesSkipped,
      markBefore: sealingMark(start),
      markAfter: run.mark,
      split,
    };
  } catch (error) {
    await part.discard().catch(() => {}); // The first error is the one that matters.
    if (!run.begun) throw error;
    const bytesUsed = run.mark - sealingMark(start);
    throw new DriverError("SEAL_UNFINISHED", { boxes: run.number, bytesUsed }, error);
  }
}

/** A text on its way into the outbox. */
class Sealing {
  /** Where the next box is expected to lie. */
  mark: number;
  /** Boxes that arrived. */
  number = 0;
  /** Whether a slot was taken. */
  begun = false;
  segments = 0;
  bytesSkipped = 0;
  #run: number | null = null;
  #position = 0;
  #ended = false;
  readonly #device: Device;
  readonly #text: TextSource;
  readonly #start: ActiveInfo;
  readonly #part: OutboxPart;
  readonly #options: SealOptions;
  readonly #boxesTotal: number;

  constructor(device: Device, text: TextSource, start: ActiveInfo, part: OutboxPart, options: SealOptions) {
    this.#device = device;
    this.#text = text;
    this.#start = start;
    this.#part = part;
    this.#options = options;
    this.mark = sealingMark(start);
    this.#boxesTotal = runCost(text.size, start.burnUnit).boxes;
  }

  /** Seals what is left, segment by segment, through every setback that is bounded. */
  async finish(): Promise<void> {
    for (let setbacks = 0; ; ) {
      const before = this.number;
      try {
        if (!this.#ended) {
          if (setbacks > 0) await this.#comeBack(setbacks);
          await this.#segment();
        }
        await this.#part.finish();
        return;
      } catch (error) {
        setbacks = this.number > before ? 1 : setbacks + 1;
        if (mayComeBack(this.#device, error) && setbacks <= SETBACKS_MAX) continue;
        if (!(await this.#options.onObstacle?.(error))) throw lastWord(error);
        setbacks = 1;
      }
    }
  }

  async #comeBack(setbacks: number): Promise<void> {
    const info = mustBeActive(await regain(this.#device, this.#start, setbacks));
    mustFit(info, this.#text.size - this.#position, 0);
    if (this.number === 0) await this.#beginAnew();
  }

  /**
   * No bundle starts with an empty segment: who opens a bundle for the second time knows by its first box, and by the slot
   * before it, that it was delivered.
   */
  async #beginAnew(): Promise<void> {
    await this.#part.clear();
    this.#run = null;
    this.segments = 0;
  }

  /** One segment: as far as its boxes lie without a gap. */
  async #segment(): Promise<void> {
    const { first, slotItem, openingItem } = await this.#device.begin(this.#run, this.number);
    this.begun = true;
    await this.#part.append(concatenate(slotItem, openingItem));
    this.#run ??= first;
    this.segments++;
    this.bytesSkipped += first - this.mark;
    this.mark = first;
    while (!this.#ended) {
      const length = Math.min(TEXT_MAX_BYTES, this.#text.size - this.#position);
      const ends = this.#position + length === this.#text.size;
      const text = await readExactly(this.#text, this.#position, length);
      const { mark, box } = await this.#device.seal(ends ? "last" : "data", text);
      if (mark !== this.mark) throw new DriverError("MARK_MOVED", { expected: this.mark, found: mark });
      await this.#part.append(box);
      this.mark += boxCost(length, this.#start.burnUnit);
      this.#position += length;
      this.number++;
      this.#ended = ends;
      this.#tell();
    }
  }

  #tell(): void {
    this.#options.onProgress?.({
      boxes: this.number,
      boxesTotal: this.#boxesTotal,
      textBytes: this.#position,
      textBytesTotal: this.#text.size,
    });
  }
}

/** Whether a whole text and a grant fit into what is left, a slot included. @throws DeviceError */
function mustFit(info: ActiveInfo, textBytes: number, grant: number): void {
  const slots = info.slots[info.side];
  if (info.nextSlot >= slots) throw new DeviceError("SLOTS_EXHAUSTED", { slots });
  const needed = runCost(textBytes, info.burnUnit).padBytes + grant;
  const room = roomOf(info);
  if (needed <= room.now) return;
  if (needed <= room.afterGrant) throw new DeviceError("NEED_GRANT", { needed, room: room.now });
  throw new DeviceError("EXHAUSTED", { needed, room: room.now });
}

function concatenate(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}
