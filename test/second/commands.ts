/** What the commands on a pad say and answer (docs/SPEC.md section 8): payloads taken apart, an end or a token asked, replies put together. */
import { concat, Failure, LONGEST, readU32, readU64, u32 } from "./box.ts";
import type { End } from "./end.ts";
import { LARGEST_PAYLOAD } from "./frame.ts";
import type { Token } from "./token.ts";

export const COMMANDS = {
  HELLO: 0x01,
  INFO: 0x02,
  PAGE: 0x03,
  VALUE: 0x04,
  FILL: 0x10,
  WRITE: 0x11,
  COMMIT: 0x12,
  BEGIN: 0x20,
  SEAL: 0x21,
  RAISE: 0x22,
  FIND: 0x30,
  OPEN: 0x31,
  RELEASE: 0x32,
  RELEASE_SLOT: 0x33,
  CALL: 0x40,
  READY: 0x41,
  STATE: 0x42,
  SELFTEST: 0x50,
} as const;

/** What a token does otherwise than an end of a pair, or alone. */
export function useToken(token: Token, type: number, payload: Uint8Array): Uint8Array {
  switch (type) {
    case COMMANDS.BEGIN:
      needLength(type, payload);
      throw new Failure("CALL_FIRST");
    case COMMANDS.SEAL:
      needLength(type, payload);
      token.needLink();
      return usePad(token.end, type, payload);
    case COMMANDS.OPEN: {
      if (payload.length < 4) throw new Failure("BAD_ARGUMENT");
      const { kind, text, refused } = token.open(readU32(payload, 0), payload.subarray(4));
      return concat(u32(kind + (refused ? 256 : 0)), text);
    }
    case COMMANDS.CALL: {
      const skip = fields(payload, 1)[0] as number;
      if (skip > 1) throw new Failure("BAD_ARGUMENT");
      const { slot, tag } = token.call(skip === 1);
      return concat(u32(slot, 16), tag);
    }
    case COMMANDS.READY: {
      needLength(type, payload);
      const [again, number] = [readU32(payload, 68), readU32(payload, 72)];
      return token.ready(payload.subarray(0, 68), again, number, readU64(payload, 76));
    }
    case COMMANDS.STATE: {
      needLength(type, payload);
      const { mark, offset, item } = token.state(readU64(payload, 0), readU32(payload, 8));
      return concat(u32(mark, offset), item);
    }
    default:
      return usePad(token.end, type, payload);
  }
}

/** The shortest and the longest payload of a command. It is looked at before side and link, other arguments behind them. */
function needLength(type: number, payload: Uint8Array): void {
  const [shortest, longest] = LENGTHS[type] as [number, number];
  if (payload.length < shortest || payload.length > longest) throw new Failure("BAD_ARGUMENT");
}

const LENGTHS: Readonly<Record<number, [number, number]>> = {
  [COMMANDS.BEGIN]: [8, 8],
  [COMMANDS.SEAL]: [4, LARGEST_PAYLOAD],
  [COMMANDS.CALL]: [4, 4],
  [COMMANDS.READY]: [84, 84],
  [COMMANDS.STATE]: [12, 12],
};

export function usePad(end: End, type: number, payload: Uint8Array): Uint8Array {
  switch (type) {
    case COMMANDS.CALL:
    case COMMANDS.READY:
    case COMMANDS.STATE:
      needLength(type, payload);
      throw new Failure("WRONG_SIDE");
    case COMMANDS.BEGIN: {
      const [run, number] = fields(payload, 2) as [number, number];
      const { slot, first, slotItem, opening } = end.begin(run, number);
      return concat(u32(slot, first), slotItem, opening);
    }
    case COMMANDS.SEAL: {
      needLength(type, payload);
      const kind = readU32(payload, 0);
      if (kind !== 1 && kind !== 2) throw new Failure("BAD_ARGUMENT");
      if (payload.length > 4 + LONGEST) throw new Failure("BAD_ARGUMENT", 4);
      const { mark, offset, item } = end.seal(kind, payload.subarray(4));
      return concat(u32(mark, offset), item);
    }
    case COMMANDS.RAISE:
      return u32(end.raise(fields(payload, 1)[0] as number));
    case COMMANDS.FIND: {
      if (payload.length !== 52) throw new Failure("BAD_ARGUMENT");
      const { slot, first, run, number, split } = end.find(payload.subarray(0, 16), payload.subarray(16));
      return u32(slot, first, run, number, split);
    }
    case COMMANDS.OPEN: {
      if (payload.length < 4) throw new Failure("BAD_ARGUMENT");
      const { kind, text } = end.open(readU32(payload, 0), payload.subarray(4));
      return concat(u32(kind), text);
    }
    case COMMANDS.RELEASE: {
      const [offset, length] = fields(payload, 2) as [number, number];
      return u32(end.release(offset, length));
    }
    default:
      end.releaseSlot(fields(payload, 1)[0] as number);
      return new Uint8Array(0);
  }
}

export function fields(payload: Uint8Array, count: number): number[] {
  if (payload.length !== 4 * count) throw new Failure("BAD_ARGUMENT");
  return Array.from({ length: count }, (_, i) => readU32(payload, 4 * i));
}
