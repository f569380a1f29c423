// The engine: seals and opens boxes and runs as docs/SPEC.md sections 2 and 3 define them, in WebAssembly.
//
// It computes, and keeps nothing: it does not know which pad bytes were used. Whoever calls it has made it durable that
// they are spent before it seals, destroys them afterwards, and never gives them again; a device or a vault does that.
// One thing it sees: bytes that were destroyed are zero, and it refuses them.

import {
  type BoxKind,
  type Direction,
  type ItemKind,
  itemShape,
  KIND_NUMBER,
  TEXT_MAX_BYTES,
} from "../protocol/index.ts";
import { type Core, faultIn, isDown, newCore } from "./core.ts";
import { EngineError } from "./errors.ts";
import { FRAME_BYTES, itemAt, KEY_BYTES } from "./item.ts";
import { type OpeningPiece, openPieces } from "./opening.ts";
import { assertPadId, type RunPlace } from "./place.ts";
import { type SealingPiece, sealPieces } from "./sealing.ts";

/** Where one box lies. */
export interface BoxPlace {
  /** 16 bytes. */
  readonly padId: Uint8Array;
  readonly direction: Direction;
  readonly offset: number;
}

/** What was in a box. */
export interface Opened {
  readonly kind: BoxKind;
  readonly text: Uint8Array;
}

/** What was in an item of any kind. */
export interface OpenedItem {
  readonly kind: ItemKind;
  readonly text: Uint8Array;
}

export class Engine {
  readonly #module: WebAssembly.Module;
  readonly #core: Core;
  /** Instances that no run uses: each run has windows of its own. */
  readonly #idle: Core[] = [];

  /** @internal loadEngine makes engines. */
  constructor(module: WebAssembly.Module) {
    this.#module = module;
    this.#core = newCore(module);
  }

  /**
   * Seals a text of at most 4,096 bytes into one box. `slice` is the pad at the box's offset: 32 bytes and one for each
   * byte of text, or more.
   * @throws EngineError BOX_USED, FLASH_FAULT
   */
  seal(place: BoxPlace, kind: BoxKind, slice: Uint8Array, text: Uint8Array): Uint8Array {
    if (text.length > TEXT_MAX_BYTES) throw new RangeError("a box holds at most 4,096 bytes of text");
    const core = this.#core;
    const padBytes = this.#load(place, slice, text.length);
    core.text.set(text);
    const last = kind === "last" ? 1 : 0;
    const answer = core.sealBoxes(isDown(place.direction), 1, place.offset, padBytes, text.length, last);
    this.#clear(text.length);
    refuse(answer, place);
    return core.items.slice(0, text.length + FRAME_BYTES);
  }

  /**
   * Opens one box. `slice` is the pad at the box's offset, as for `seal`.
   * @throws EngineError BAD_BOX, BOX_USED, FLASH_FAULT, AUTH_FAILED
   */
  open(place: BoxPlace, slice: Uint8Array, item: Uint8Array): Opened {
    const shape = itemAt(item, 0);
    if (shape === null || shape === "bad" || item.length !== shape.textLength + FRAME_BYTES) {
      throw new EngineError("BAD_BOX", { box: 0 });
    }
    return { kind: shape.kind, text: this.#openOne(place, slice, item, shape.textLength) };
  }

  /**
   * Seals a text of at most 4,096 bytes into an item of any kind that has a tag, as `seal` does: what a server says of itself
   * in a link. Which length belongs to which kind is the caller's to know.
   * @throws EngineError BOX_USED, FLASH_FAULT
   */
  sealItem(place: BoxPlace, kind: ItemKind, slice: Uint8Array, text: Uint8Array): Uint8Array {
    if (text.length > TEXT_MAX_BYTES) throw new RangeError("a box holds at most 4,096 bytes of text");
    if (kind === "slot") throw new RangeError("a tag is not sealed");
    const core = this.#core;
    this.#load(place, slice, text.length);
    core.text.set(text);
    const answer = core.sealItem(isDown(place.direction), KIND_NUMBER[kind], place.offset, text.length);
    this.#clear(text.length);
    refuse(answer, place);
    return core.items.slice(0, text.length + FRAME_BYTES);
  }

  /**
   * Opens one item of any kind that has a tag, as `open` does.
   * @throws EngineError BAD_BOX, BOX_USED, FLASH_FAULT, AUTH_FAILED
   */
  openItem(place: BoxPlace, slice: Uint8Array, item: Uint8Array): OpenedItem {
    const shape = itemShape(item);
    if (shape === null || shape.kind === "slot" || item.length !== shape.length) {
      throw new EngineError("BAD_BOX", { box: 0 });
    }
    return { kind: shape.kind, text: this.#openOne(place, slice, item, shape.textLength) };
  }

  /**
   * Seals a text of `textLength` bytes as one run, in pieces: read text and pad into the views of each, and take its items.
   * A run left early leaves nothing behind.
   *
   *     for (const piece of engine.sealRun(place, size)) {
   *       readSync(file, piece.text);
   *       readSync(pad, piece.slices, { position: piece.offset });
   *       writeSync(out, piece.seal());
   *     }
   *
   * @throws EngineError BOX_USED, FLASH_FAULT, from `seal` of a piece
   */
  *sealRun(place: RunPlace, textLength: number): Generator<SealingPiece, void, void> {
    const core = this.#borrow();
    try {
      yield* sealPieces(core, place, textLength);
    } finally {
      this.#idle.push(core);
    }
  }

  /**
   * Opens one run, in pieces: read what there is of it into `items` of each, then the pad bytes that `take` asks for, and
   * take the text. What is behind LAST is not the run's: BAD_BOX if it was put into a piece.
   *
   *     for (const piece of engine.openRun(place)) {
   *       const { slices, offset } = piece.take(readSync(file, piece.items));
   *       readSync(pad, slices, { position: offset });
   *       writeSync(out, piece.open());
   *     }
   *
   * @throws EngineError AUTH_FAILED, BOX_USED, FLASH_FAULT, BAD_BOX, TRUNCATED: after the text of all boxes before
   */
  *openRun(place: RunPlace): Generator<OpeningPiece, void, void> {
    const core = this.#borrow();
    try {
      yield* openPieces(core, place);
    } finally {
      this.#idle.push(core);
    }
  }

  #openOne(place: BoxPlace, slice: Uint8Array, item: Uint8Array, textLength: number): Uint8Array {
    const core = this.#core;
    const padBytes = this.#load(place, slice, textLength);
    core.items.set(item);
    const answer = core.openBoxes(isDown(place.direction), 1, place.offset, padBytes, 1);
    const text = core.text.slice(0, textLength);
    this.#clear(textLength);
    refuse(answer, place);
    return text;
  }

  #load({ padId, offset }: BoxPlace, slice: Uint8Array, textLength: number): number {
    assertPadId(padId);
    const padBytes = KEY_BYTES + textLength;
    if (slice.length < padBytes) throw new RangeError("a slice has 32 bytes more than the text");
    if (!(Number.isInteger(offset) && offset >= 0 && offset < 2 ** 32)) throw new RangeError("an offset is a u32");
    this.#core.padId.set(padId);
    this.#core.slices.set(slice.length === padBytes ? slice : slice.subarray(0, padBytes));
    return padBytes;
  }

  /** Takes key and text of a box out of memory. */
  #clear(textLength: number): void {
    this.#core.slices.fill(0, 0, KEY_BYTES + textLength);
    this.#core.text.fill(0, 0, textLength);
  }

  #borrow(): Core {
    return this.#idle.pop() ?? newCore(this.#module);
  }
}

function refuse(answer: number, { offset }: BoxPlace): void {
  const fault = faultIn(answer);
  if (fault !== null) throw new EngineError(fault.code, { box: 0, offset });
}
