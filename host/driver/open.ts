// Opening a bundle (SPEC section 11). Text goes out as it is verified; pad bytes are destroyed only after the whole text is
// where it belongs, ranges first in their order and slots last, the first segment's last of all. So as long as a bundle can
// be found, either its text was not delivered whole, or its first box is destroyed; and that is how a second attempt knows.
//
// The bundle may be larger than memory: it is read from its file a second time to release, or from a temporary file into
// which a pipe went as it was opened. The device remembers one range that it has verified: what it forgot (a restart, a gap
// between segments) is opened again before it is released.

import {
  BundleError,
  boxCost,
  boxOffset,
  type Direction,
  type Item,
  isDeviceError,
  type Opening,
  readBundle,
} from "../protocol/index.ts";
import type { Device } from "./device.ts";
import { ByteFile } from "./disk.ts";
import { DriverError } from "./errors.ts";
import { type ActiveInfo, mustBeActive } from "./position.ts";
import { insist } from "./recovery.ts";
import type { TextSink } from "./sink.ts";

/** The most that one RELEASE destroys. */
const RELEASE_MAX_BYTES = 65_536;

export interface OpenProgress {
  readonly phase: "opening" | "releasing";
  readonly boxes: number;
  readonly textBytes: number;
}

export interface OpenOptions {
  readonly onProgress?: (progress: OpenProgress) => void;
}

/** What became of a bundle. */
export interface OpenedRun {
  /** The text went out when this bundle was opened before: none of it did now, and only the release was finished. */
  readonly alreadyDelivered: boolean;
  readonly textBytes: number;
  readonly boxes: number;
  readonly segments: number;
  /** The split that this device holds now: on low, with what the bundle granted. */
  readonly split: number;
}

/**
 * Opens a bundle, from the path of a file or from a stream, and destroys what was used for it.
 * @throws BundleError BAD_BUNDLE or TRUNCATED; DeviceError SLOT_UNKNOWN for one that was opened before or is for another
 *   pad, AUTH_FAILED for one that was changed; what the sink throws: in all of these nothing was released.
 *   DriverError RELEASE_UNFINISHED when the text is delivered and the device could not destroy all of its pad bytes.
 */
export async function openBundle(
  device: Device,
  bundle: string | AsyncIterable<Uint8Array>,
  sink: TextSink,
  options: OpenOptions = {},
): Promise<OpenedRun> {
  const file = typeof bundle === "string" ? await ByteFile.open(bundle) : await ByteFile.temporary();
  try {
    const start = mustBeActive(await device.info());
    const opening = new OpeningRun(device, start, options);
    try {
      await opening.deliver(typeof bundle === "string" ? file.stream() : keep(bundle, file), sink);
    } catch (error) {
      await sink.abort().catch(() => {}); // The first error is the one that matters.
      throw error;
    }
    await opening.release(file);
    return opening.result();
  } finally {
    await file.close();
  }
}

/** The stream as it comes, and a copy of it in a file. */
async function* keep(stream: AsyncIterable<Uint8Array>, file: ByteFile): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const bytes of stream) {
    await file.append(bytes);
    yield bytes;
  }
}

interface Segment {
  readonly tag: Uint8Array;
  readonly openingItem: Uint8Array;
  /** null when its slot is destroyed already, and with it all of its boxes. */
  readonly opening: Opening | null;
}

interface LocatedBox {
  /** Where it stands in the bundle. */
  readonly position: number;
  readonly box: Uint8Array;
  readonly offset: number;
  readonly cost: number;
}

class OpeningRun {
  readonly #device: Device;
  readonly #start: ActiveInfo;
  readonly #options: OpenOptions;
  readonly #direction: Direction;
  readonly #segments: Segment[] = [];
  #delivered = false;
  #boxes = 0;
  #textBytes = 0;
  #split: number;

  constructor(device: Device, start: ActiveInfo, options: OpenOptions) {
    this.#device = device;
    this.#start = start;
    this.#options = options;
    this.#direction = start.side === "low" ? "down" : "up";
    this.#split = start.split;
  }

  result(): OpenedRun {
    return {
      alreadyDelivered: this.#delivered,
      textBytes: this.#textBytes,
      boxes: this.#boxes,
      segments: this.#segments.length,
      split: this.#split,
    };
  }

  /** The first pass: all text into the sink, unless the first box shows that it was delivered before. */
  async deliver(stream: AsyncIterable<Uint8Array>, sink: TextSink): Promise<void> {
    for await (const located of this.#locate(stream, (tag, item) => this.#find(tag, item))) {
      if (located !== null && !this.#delivered) await this.#deliverBox(located, sink);
      this.#boxes++;
      this.#tell("opening");
    }
    if (this.#delivered) await sink.abort();
    else await sink.finish();
  }

  async #deliverBox(located: LocatedBox, sink: TextSink): Promise<void> {
    try {
      const { text } = await this.#insist(() => this.#device.open(located.offset, located.box));
      await sink.write(text);
      this.#textBytes += text.length;
    } catch (error) {
      if (isDeviceError(error, "BAD_ARGUMENT")) {
        throw new BundleError("BAD_BUNDLE", located.position, "A box lies outside what this device may open");
      }
      if (this.#boxes > 0 || !isDeviceError(error, "BOX_USED")) throw error;
      this.#delivered = true;
    }
  }

  async #find(tag: Uint8Array, item: Item): Promise<Segment> {
    const segment = { tag, openingItem: item.bytes };
    try {
      const opening = await this.#insist(() => this.#device.find(tag, item.bytes));
      const run = this.#segments.find(({ opening }) => opening !== null)?.opening?.run ?? opening.first;
      if (opening.run !== run || opening.number !== this.#boxes) {
        throw new BundleError("BAD_BUNDLE", item.position, "A segment is missing, doubled or out of place");
      }
      this.#split = opening.split;
      this.#segments.push({ ...segment, opening });
    } catch (error) {
      if (!this.#delivered || !isDeviceError(error, "SLOT_UNKNOWN")) throw error;
      this.#segments.push({ ...segment, opening: null });
    }
    return this.#segments.at(-1) as Segment;
  }

  /** The second pass: destroys what was used, however often the device restarts on the way. */
  async release(file: ByteFile): Promise<void> {
    let boxesReleased = 0;
    try {
      let index = 0;
      const segments = () => Promise.resolve(this.#segments[index++] as Segment);
      for await (const piece of pieces(this.#locate(file.stream(), segments))) {
        await this.#insist(() => this.#releasePiece(piece));
        boxesReleased += piece.length;
        this.#tell("releasing", boxesReleased);
      }
      for (const segment of this.#segments.toReversed()) await this.#insist(() => this.#releaseSlot(segment));
    } catch (error) {
      throw new DriverError("RELEASE_UNFINISHED", { boxes: this.#boxes, boxesReleased }, error);
    }
  }

  async #releasePiece(piece: readonly LocatedBox[]): Promise<void> {
    try {
      await this.#releaseRange(piece);
    } catch (error) {
      if (!isDeviceError(error, "NOT_VERIFIED")) throw error;
      await this.#releaseAnew(piece);
    }
  }

  /** Opens boxes again that the device has forgotten, without output, and releases them. */
  async #releaseAnew(piece: readonly LocatedBox[]): Promise<void> {
    let opened: LocatedBox[] = [];
    for (const located of piece) {
      try {
        await this.#device.open(located.offset, located.box);
        opened.push(located);
      } catch (error) {
        if (!isDeviceError(error, "BOX_USED")) throw error;
        if (opened.length > 0) await this.#releaseRange(opened);
        opened = [];
      }
    }
    if (opened.length > 0) await this.#releaseRange(opened);
  }

  async #releaseRange(boxes: readonly LocatedBox[]): Promise<void> {
    const offset = Math.min(...boxes.map((box) => box.offset));
    const length = boxes.reduce((sum, box) => sum + box.cost, 0);
    await this.#device.release(offset, length);
  }

  async #releaseSlot({ tag, openingItem, opening }: Segment): Promise<void> {
    if (opening === null) return;
    try {
      await this.#device.releaseSlot(opening.slot);
    } catch (error) {
      if (!isDeviceError(error, "NOT_VERIFIED")) throw error;
      try {
        await this.#device.find(tag, openingItem);
      } catch (error) {
        if (isDeviceError(error, "SLOT_UNKNOWN")) return;
        throw error;
      }
      await this.#device.releaseSlot(opening.slot);
    }
  }

  /** The boxes of a bundle and where they lie on the pad; null for one whose segment is destroyed already. */
  async *#locate(
    stream: AsyncIterable<Uint8Array>,
    segmentOf: (tag: Uint8Array, opening: Item) => Promise<Segment>,
  ): AsyncGenerator<LocatedBox | null, void, undefined> {
    let tag: Uint8Array = new Uint8Array(0);
    let mark: number | null = null;
    for await (const item of readBundle(stream)) {
      if (item.kind === "slot") {
        tag = item.tag;
      } else if (item.kind === "opening") {
        mark = (await segmentOf(tag, item)).opening?.first ?? null;
      } else if (mark === null) {
        yield null;
      } else {
        const cost = boxCost(item.textLength, this.#start.burnUnit);
        const offset = boxOffset(this.#start, this.#direction, mark, cost);
        yield { position: item.position, box: item.bytes, offset, cost };
        mark += cost;
      }
    }
  }

  #insist<Result>(action: () => Promise<Result>): Promise<Result> {
    return insist(this.#device, this.#start, action);
  }

  #tell(phase: OpenProgress["phase"], boxes: number = this.#boxes): void {
    this.#options.onProgress?.({ phase, boxes, textBytes: this.#textBytes });
  }
}

/** Boxes joined while they lie side by side, as many as one RELEASE takes. */
async function* pieces(boxes: AsyncIterable<LocatedBox | null>): AsyncGenerator<LocatedBox[], void, undefined> {
  let piece: LocatedBox[] = [];
  let length = 0;
  for await (const box of boxes) {
    if (box === null) continue;
    const last = piece.at(-1);
    if (last !== undefined && (!areAdjacent(last, box) || length + box.cost > RELEASE_MAX_BYTES)) {
      yield piece;
      piece = [];
      length = 0;
    }
    piece.push(box);
    length += box.cost;
  }
  if (piece.length > 0) yield piece;
}

function areAdjacent(one: LocatedBox, other: LocatedBox): boolean {
  return one.offset + one.cost === other.offset || other.offset + other.cost === one.offset;
}
