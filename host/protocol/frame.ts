// Frames: what goes over the line between host and device (SPEC section 7). A frame is whole and right, or it is a
// fault that says why; a fault never carries bytes of the frame.

import { cobsDecode, cobsEncode } from "./cobs.ts";
import { crc32 } from "./crc32.ts";

const HEADER_BYTES = 12;
const CRC_BYTES = 4;
export const PAYLOAD_MAX_BYTES = 4128;
const FRAME_MAX_BYTES: number = HEADER_BYTES + PAYLOAD_MAX_BYTES + CRC_BYTES;
const STUFFED_MAX_BYTES: number = FRAME_MAX_BYTES + Math.ceil(FRAME_MAX_BYTES / 254) + 1;

export interface Frame {
  /** A command; its reply has bit 7 set; 0xff is an error. */
  readonly type: number;
  readonly sequence: number;
  readonly session: number;
  readonly payload: Uint8Array;
}

/** Why a frame could not be read, in the words of BAD_FRAME (SPEC section 9). */
export interface FrameFault {
  readonly fault: "crc" | "length" | "too long" | "cobs" | "flags";
}

/** One frame as it goes over the line, its ending zero included. */
export function encodeFrame(frame: Frame): Uint8Array {
  const { payload } = frame;
  if (payload.length > PAYLOAD_MAX_BYTES) throw new RangeError(`payload of ${payload.length} bytes`);
  const plain = new Uint8Array(HEADER_BYTES + payload.length + CRC_BYTES);
  const view = new DataView(plain.buffer);
  plain[0] = frame.type;
  view.setUint16(2, payload.length, true);
  view.setUint32(4, frame.sequence, true);
  view.setUint32(8, frame.session, true);
  plain.set(payload, HEADER_BYTES);
  const end = HEADER_BYTES + payload.length;
  view.setUint32(end, crc32(plain.subarray(0, end)), true);

  const stuffed = cobsEncode(plain);
  const line = new Uint8Array(stuffed.length + 1);
  line.set(stuffed);
  return line;
}

/** Finds the frames in a stream of bytes that arrives in pieces of any size. Holds at most one frame. */
export class FrameDecoder {
  readonly #stuffed: Uint8Array = new Uint8Array(STUFFED_MAX_BYTES);
  #length = 0;
  #tooLong = false;

  /** The frames that end within `bytes`, in order; a payload stays valid for as long as the caller keeps it. */
  push(bytes: Uint8Array): (Frame | FrameFault)[] {
    const found: (Frame | FrameFault)[] = [];
    for (let start = 0; start < bytes.length; ) {
      const zero = bytes.indexOf(0, start);
      const end = zero === -1 ? bytes.length : zero;
      this.#collect(bytes.subarray(start, end));
      if (zero !== -1) {
        if (this.#tooLong) found.push({ fault: "too long" });
        else if (this.#length > 0) found.push(decode(this.#stuffed.subarray(0, this.#length)));
        this.#length = 0;
        this.#tooLong = false;
      }
      start = end + 1;
    }
    return found;
  }

  #collect(part: Uint8Array): void {
    this.#tooLong ||= this.#length + part.length > this.#stuffed.length;
    if (this.#tooLong) return;
    this.#stuffed.set(part, this.#length);
    this.#length += part.length;
  }
}

function decode(stuffed: Uint8Array): Frame | FrameFault {
  const plain = cobsDecode(stuffed);
  if (plain === null) return { fault: "cobs" };
  if (plain.length < HEADER_BYTES + CRC_BYTES) return { fault: "length" };
  if (plain.length > FRAME_MAX_BYTES) return { fault: "too long" };
  const view = new DataView(plain.buffer, plain.byteOffset, plain.length);
  const end = plain.length - CRC_BYTES;
  if (view.getUint32(end, true) !== crc32(plain.subarray(0, end))) return { fault: "crc" };
  if (view.getUint16(2, true) !== end - HEADER_BYTES) return { fault: "length" };
  if (plain[1] !== 0) return { fault: "flags" };
  return {
    type: plain[0] as number,
    sequence: view.getUint32(4, true),
    session: view.getUint32(8, true),
    payload: plain.subarray(HEADER_BYTES, end),
  };
}
