// Bundles: a text as a file or a stream of sealed items, opened later (SPEC section 3). The reader takes a stream of any
// length in pieces of any size, holds one item at a time, and gives out an item only when its place in the order is right.

import { type Kind, TearpadError } from "./errors.ts";
import { HEADER_BYTES, type ItemKind, type ItemShape, itemShape, TAG_BYTES } from "./item.ts";
import { runCost } from "./pad.ts";

const OPENING_BYTES = 16;
/** A SLOT item and an OPENING item. */
const SEGMENT_BYTES: number = HEADER_BYTES + TAG_BYTES + HEADER_BYTES + OPENING_BYTES + TAG_BYTES;

/** One item of a bundle: its place, counted from the start of the bundle, and its bytes as they stand there. */
export type Item = { readonly position: number; readonly bytes: Uint8Array } & (
  | { readonly kind: "slot"; readonly tag: Uint8Array }
  | { readonly kind: "opening" }
  | { readonly kind: "data" | "last"; readonly textLength: number }
);

/** The kinds of which bundles are made. */
const KINDS: readonly ItemKind[] = ["slot", "data", "last", "opening"];

/** Why a bundle cannot be opened as a whole. `position` is in bytes from its start. */
export class BundleError extends TearpadError<"BAD_BUNDLE" | "TRUNCATED", { position: number }> {
  constructor(code: "BAD_BUNDLE" | "TRUNCATED", position: number, what: string) {
    super(code, { position }, { message: `${what} (at byte ${position}).`, ...MEANING[code] });
  }
}

const MEANING: { readonly [C in BundleError["code"]]: Omit<Kind<BundleError["facts"]>, "message"> } = {
  BAD_BUNDLE: {
    pad: "Nothing of this bundle was released: its pad bytes are still there.",
    advice: "Get the bundle again, as it was sealed, from where it came from.",
  },
  TRUNCATED: {
    pad: "Nothing of this bundle was released: the whole of it can still be opened.",
    advice: "Get the whole bundle and open it again; text that came out before is incomplete.",
  },
};

/** The bytes of a bundle of one segment for a text of this length. */
export function bundleBytes(textLength: number): number {
  return SEGMENT_BYTES + textLength + runCost(textLength, 1).boxes * (HEADER_BYTES + TAG_BYTES);
}

/**
 * The items of a bundle in order.
 * @throws BundleError BAD_BUNDLE when it is none; TRUNCATED when it ends before LAST.
 */
export async function* readBundle(source: AsyncIterable<Uint8Array>): AsyncGenerator<Item, void, undefined> {
  const input = new Input(source);
  try {
    for (let before: Item["kind"] | null = null; before !== "last"; ) {
      const at = input.position;
      const header = await input.take(HEADER_BYTES);
      if (header === null && before === null) throw new BundleError("BAD_BUNDLE", at, refusal(before));
      if (header === null) throw new BundleError("TRUNCATED", input.position, "The bundle ends before its last box");
      const item = classify(header);
      if (item === null || !mayFollow(before, item.kind)) throw new BundleError("BAD_BUNDLE", at, refusal(before));
      const rest = await input.take(item.length - HEADER_BYTES);
      if (rest === null) throw new BundleError("TRUNCATED", input.position, "The bundle ends within a box");
      yield assemble(item.kind, at, header, rest);
      before = item.kind;
    }
    const end = input.position;
    if ((await input.take(1)) !== null)
      throw new BundleError("BAD_BUNDLE", end, "The bundle goes on after its last box");
  } finally {
    await input.end();
  }
}

function refusal(before: Item["kind"] | null): string {
  return before === null ? "This is not a bundle" : "The bundle has something here that does not belong";
}

/** The item of a bundle that a header announces, or null when there is no such item. */
function classify(header: Uint8Array): (ItemShape & { readonly kind: Item["kind"] }) | null {
  const shape = itemShape(header);
  return shape !== null && KINDS.includes(shape.kind) ? (shape as ItemShape & { readonly kind: Item["kind"] }) : null;
}

/** A segment is SLOT, OPENING, then any number of DATA, the last segment with a LAST behind them. */
function mayFollow(before: Item["kind"] | null, kind: Item["kind"]): boolean {
  if (before === null) return kind === "slot";
  if (before === "slot") return kind === "opening";
  return kind !== "opening";
}

function assemble(kind: Item["kind"], position: number, header: Uint8Array, rest: Uint8Array): Item {
  const bytes = new Uint8Array(HEADER_BYTES + rest.length);
  bytes.set(header);
  bytes.set(rest, HEADER_BYTES);
  if (kind === "slot") return { kind, position, bytes, tag: rest };
  if (kind === "opening") return { kind, position, bytes };
  return { kind, position, bytes, textLength: rest.length - TAG_BYTES };
}

/** Takes exact numbers of bytes from a stream. */
class Input {
  position = 0;
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next `length` bytes, or null when the stream ends before them. */
  async take(length: number): Promise<Uint8Array | null> {
    const bytes = new Uint8Array(length);
    for (let have = 0; have < length; ) {
      if (this.#chunk.length === 0) {
        const next = await this.#source.next();
        if (next.done) return null;
        this.#chunk = next.value;
      }
      const part = this.#chunk.subarray(0, length - have);
      bytes.set(part, have);
      have += part.length;
      this.position += part.length;
      this.#chunk = this.#chunk.subarray(part.length);
    }
    return bytes;
  }

  /** Lets the source go, however far it was read. */
  async end(): Promise<void> {
    await this.#source.return?.();
  }
}
