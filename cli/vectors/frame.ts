/** Vectors of kind frame: bytes into the line of a blank device in its first boot, and the frames that come back. */
import { encodeFrame, type Frame, FrameDecoder } from "../../host/protocol/index.ts";
import { Board, type Chip } from "./board.ts";
import { type Bytes, bytesOf, expectBytes, expectEqual, hex } from "./bytes.ts";

export interface FrameVector {
  readonly kind: "frame";
  readonly chip: Chip;
  readonly exchanges: readonly { readonly in: Bytes; readonly out: readonly Outgoing[] }[];
}

/** A frame as its bytes with the ending 00; or, where not all of them are fixed, as its fields. */
type Outgoing =
  | string
  | { readonly type: number; readonly sequence: number; readonly session: number; readonly payload: string };

export function runFrame(vector: FrameVector): void {
  const board = new Board(vector.chip);
  board.boot();
  for (const [number, exchange] of vector.exchanges.entries()) {
    const what = `exchange ${number + 1}`;
    const frames = framesIn(board.feed(bytesOf(exchange.in)));
    expectEqual(`${what}: number of frames`, frames.length, exchange.out.length);
    for (const [i, out] of exchange.out.entries()) expectFrame(what, frames[i] as Uint8Array, out);
  }
}

/** Each frame with its ending 00. */
function framesIn(bytes: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    frames.push(bytes.subarray(start, end < 0 ? bytes.length : end + 1));
    start = end < 0 ? bytes.length : end + 1;
  }
  return frames.filter((frame) => frame.length > 1);
}

function expectFrame(what: string, actual: Uint8Array, expected: Outgoing): void {
  if (typeof expected === "string") {
    expectBytes(what, actual, expected);
    return;
  }
  const [frame] = new FrameDecoder().push(actual);
  if (frame === undefined || "fault" in frame) throw new Error(`${what}: ${hex(actual)} is no frame.`);
  expectEqual(`${what}: type`, frame.type, expected.type);
  expectEqual(`${what}: sequence`, frame.sequence, expected.sequence);
  expectEqual(`${what}: session`, frame.session, expected.session);
  expectBytes(`${what}: payload`, frame.payload, expected.payload);
  expectBytes(`${what}: encoding`, actual, hex(encodeFrame(frame satisfies Frame)));
}
