/** CRC-32, COBS and frames: docs/SPEC.md, conventions and section 7. */
import { concat, Failure, readU32, u16, u32 } from "./box.ts";

export interface Frame {
  type: number;
  flags?: number;
  sequence: number;
  session: number;
  payload: Uint8Array;
}

export const LARGEST_PAYLOAD = 4128;

/** IEEE 802.3, bit by bit. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** The frame as it lies before COBS, CRC-32 included. */
export function plainFrame(frame: Frame): Uint8Array {
  const head = concat(
    Uint8Array.of(frame.type, frame.flags ?? 0),
    u16(frame.payload.length),
    u32(frame.sequence, frame.session),
    frame.payload,
  );
  return concat(head, u32(crc32(head)));
}

/** The frame as it goes over the line, with its ending 00. */
export function encodeFrame(frame: Frame): Uint8Array {
  return concat(cobs(plainFrame(frame)), Uint8Array.of(0));
}

/** A frame from what stood between two 00s, or BAD_FRAME with the detail of section 9. */
export function decodeFrame(encoded: Uint8Array): Frame {
  const { bytes, broken } = uncobs(encoded);
  if (bytes.length > 12 + LARGEST_PAYLOAD + 4) throw new Failure("BAD_FRAME", 3);
  if (broken) throw new Failure("BAD_FRAME", 4);
  if (bytes.length < 16) throw new Failure("BAD_FRAME", 2);
  const length = (bytes[2] as number) + 256 * (bytes[3] as number);
  if (bytes.length !== 16 + length) throw new Failure("BAD_FRAME", 2);
  if (crc32(bytes.subarray(0, 12 + length)) !== readU32(bytes, 12 + length)) throw new Failure("BAD_FRAME", 1);
  return {
    type: bytes[0] as number,
    flags: bytes[1] as number,
    sequence: readU32(bytes, 4),
    session: readU32(bytes, 8),
    payload: bytes.subarray(12, 12 + length),
  };
}

/** Blocks of up to 254 bytes without a zero, each behind its length + 1; a zero is implied behind a block shorter than 254, but for the last. */
export function cobs(bytes: Uint8Array): Uint8Array {
  const out: number[] = [];
  let block: number[] = [];
  const flush = (): void => {
    out.push(block.length + 1, ...block);
    block = [];
  };
  for (const [i, byte] of bytes.entries()) {
    if (byte === 0) flush();
    else block.push(byte);
    if (block.length === 254 && i + 1 < bytes.length) flush();
  }
  flush();
  return Uint8Array.from(out);
}

/** `broken`: the last group is shorter than it says. */
export function uncobs(encoded: Uint8Array): { bytes: Uint8Array; broken: boolean } {
  const out: number[] = [];
  let at = 0;
  while (at < encoded.length) {
    const code = encoded[at] as number;
    out.push(...encoded.subarray(at + 1, at + code));
    at += code;
    if (code < 255 && at < encoded.length) out.push(0);
  }
  return { bytes: Uint8Array.from(out), broken: at > encoded.length };
}
