/** Vectors of kind bundle: what a host and its device make of bundles. */
import { openBundle, openDevice, type TextSink, type Transport } from "../../host/driver/index.ts";
import { Board, type Chip, type Fill } from "./board.ts";
import { type Bytes, bytesOf, type Expected, expectBytes, expectEqual } from "./bytes.ts";
import { runStep, type Step } from "./device.ts";

export interface BundleVector {
  readonly kind: "bundle";
  readonly chip: Chip;
  readonly reader: Fill;
  readonly reads: readonly {
    /** Commands to the device before it. */
    readonly steps?: readonly Omit<Step, "on">[];
    readonly bundle: Bytes;
    readonly expect: { readonly text: Expected } | { readonly deliveredBefore: true } | { readonly error: string };
  }[];
  /** Fields of INFO when all is read. */
  readonly after: Readonly<Record<string, number | string>>;
}

export async function runBundle(vector: BundleVector): Promise<void> {
  const board = new Board(vector.chip);
  board.boot();
  board.fill(vector.reader);
  for (const [number, { steps = [], bundle, expect }] of vector.reads.entries()) {
    const what = `bundle ${number + 1}`;
    for (const step of steps) runStep(board, `before ${what}`, step);
    board.forget();
    const outcome = await read(board, bytesOf(bundle));
    expectEqual(
      what,
      outcome.what,
      "error" in expect ? expect.error : "text" in expect ? "success" : "delivered before",
    );
    expectBytes(`${what}: text`, outcome.text, "text" in expect ? expect.text : "");
  }
  board.expectInfo(vector.after);
}

/** What became of it in a word, and the text that was delivered. */
async function read(board: Board, bundle: Uint8Array): Promise<{ what: string; text: Uint8Array }> {
  const device = await openDevice(lineOf(board));
  const sink = memorySink();
  try {
    const { alreadyDelivered } = await openBundle(device, pieces(bundle), sink);
    return { what: alreadyDelivered ? "delivered before" : "success", text: sink.text() };
  } catch (error) {
    if (error instanceof Error && "code" in error && typeof error.code === "string") {
      return { what: error.code, text: NOTHING };
    }
    throw error;
  } finally {
    await device.close();
  }
}

const NOTHING = new Uint8Array(0);

/** A line without delay: what the device sends is there when the write returns. */
function lineOf(board: Board): Transport {
  let listener = (_bytes: Uint8Array): void => {};
  return {
    write: async (bytes) => listener(board.feed(bytes)),
    onData: (onData) => {
      listener = onData;
    },
    onClose: () => {},
    close: async () => {},
  };
}

/** In pieces that begin and end anywhere. */
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}

function memorySink(): TextSink & { text(): Uint8Array } {
  const parts: Uint8Array[] = [];
  return {
    write: async (text) => {
      parts.push(text.slice());
    },
    finish: async () => {},
    abort: async () => {},
    text: () => new Uint8Array(Buffer.concat(parts)),
  };
}
