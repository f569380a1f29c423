// The host's side of docs/SPEC.md as pure functions: what is written can be read again, and what is damaged is refused.

import { poly1305 } from "@noble/ciphers/_poly1305.js";
import { describe, expect, it } from "vitest";
import {
  BundleError,
  boxCost,
  boxOffset,
  bundleBytes,
  cobsDecode,
  cobsEncode,
  commands,
  crc32,
  DeviceError,
  decodeError,
  encodeFrame,
  type Frame,
  FrameDecoder,
  firstSplitOfPair,
  type Item,
  isDeviceError,
  PAYLOAD_MAX_BYTES,
  type PadPosition,
  Poly1305,
  readBundle,
  roomOf,
  runCost,
  slotsAtIssue,
} from "../../host/protocol/index.ts";
import { Random } from "../../simulator/index.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
const replay = `replay with SEED=${seed}`;

function randomBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  random.fill(bytes);
  return bytes;
}

const ascii = (text: string) => new TextEncoder().encode(text);
const bytesOf = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

describe("CRC-32", () => {
  it("gives the published check value", () => {
    expect(crc32(ascii("123456789"))).toBe(0xcbf43926);
    expect(crc32(new Uint8Array(0))).toBe(0);
  });
});

describe("COBS", () => {
  it("stuffs the examples of its paper", () => {
    expect([...cobsEncode(Uint8Array.of())]).toEqual([1]);
    expect([...cobsEncode(Uint8Array.of(0))]).toEqual([1, 1]);
    expect([...cobsEncode(Uint8Array.of(11, 22, 0, 33))]).toEqual([3, 11, 22, 2, 33]);
    const long = Uint8Array.from({ length: 254 }, (_, index) => index + 1);
    expect([...cobsEncode(long)]).toEqual([255, ...long]);
    expect([...cobsEncode(Uint8Array.of(...long, 255))]).toEqual([255, ...long, 2, 255]);
    expect([...cobsEncode(Uint8Array.of(...long, 0))]).toEqual([255, ...long, 1, 1]);
  });

  it("brings every packet back and leaves no zero in it", () => {
    const random = new Random(seed);
    for (let length = 0; length < 1100; length++) {
      const bytes = randomBytes(random, length);
      if (length % 3 === 0) for (const [at, byte] of bytes.entries()) bytes[at] = byte || 1;
      if (length % 3 === 1) for (let at = 0; at < length; at += 1 + random.below(9)) bytes[at] = 0;
      const stuffed = cobsEncode(bytes);
      expect(stuffed.includes(0), replay).toBe(false);
      expect(cobsDecode(stuffed), replay).toEqual(bytes);
    }
  });

  it("refuses a block that reaches beyond the packet and a zero inside it", () => {
    for (const stuffed of [[], [0], [3, 1], [2, 0], [1, 5, 1], [2, 7, 0, 1]]) {
      expect(cobsDecode(Uint8Array.from(stuffed))).toBeNull();
    }
  });
});

describe("frames", () => {
  const random = new Random(seed);
  const frame = (length: number): Frame => ({
    type: random.below(256),
    sequence: random.u32(),
    session: random.u32(),
    payload: randomBytes(random, length),
  });

  it("come back whole from a stream in pieces of any size", () => {
    const sent = [0, 1, 16, 253, 254, 255, 300, PAYLOAD_MAX_BYTES].map(frame);
    const stream = Uint8Array.from([0, 0, ...sent.flatMap((each) => [...encodeFrame(each), 0])]);
    for (const size of [1, 7, 512, stream.length]) {
      const decoder = new FrameDecoder();
      const got: unknown[] = [];
      for (let at = 0; at < stream.length; at += size) got.push(...decoder.push(stream.subarray(at, at + size)));
      expect(got, replay).toEqual(sent);
    }
  });

  it("are refused when any one byte is changed, and the next frame is read", () => {
    const good = frame(40);
    const line = encodeFrame(good);
    for (let at = 0; at < line.length; at++) {
      const damaged = Uint8Array.from([...line, ...line]);
      damaged[at] = (line[at] as number) ^ (1 + random.below(255));
      const got = new FrameDecoder().push(damaged);
      const whole = got.filter((heard) => !("fault" in heard));
      // Without its ending zero the first frame swallows the second.
      expect(whole.length, replay).toBe(at === line.length - 1 ? 0 : 1);
      for (const each of whole) expect(each, replay).toEqual(good);
    }
  });

  it("name why they are refused", () => {
    const fault = (plain: Uint8Array) => {
      const whole = new Uint8Array(plain.length + 4);
      whole.set(plain);
      new DataView(whole.buffer).setUint32(plain.length, crc32(plain), true);
      return new FrameDecoder().push(Uint8Array.of(...cobsEncode(whole), 0))[0];
    };
    expect(fault(new Uint8Array(12))).toMatchObject({ type: 0 });
    expect(fault(new Uint8Array(11))).toEqual({ fault: "length" });
    expect(fault(new Uint8Array(13))).toEqual({ fault: "length" });
    expect(fault(Uint8Array.of(2, 1, ...new Uint8Array(10)))).toEqual({ fault: "flags" });
    expect(fault(new Uint8Array(12 + PAYLOAD_MAX_BYTES + 1).fill(1))).toEqual({ fault: "too long" });
    expect(new FrameDecoder().push(Uint8Array.of(9, 1, 0))).toEqual([{ fault: "cobs" }]);
    expect(new FrameDecoder().push(Uint8Array.of(...new Uint8Array(20_000).fill(1), 0))).toEqual([
      { fault: "too long" },
    ]);
    expect(new FrameDecoder().push(cobsEncode(new Uint8Array(16)))).toEqual([]);
    expect(() => encodeFrame(frame(PAYLOAD_MAX_BYTES + 1))).toThrow(RangeError);
  });

  it("do not come out of 100,000 random packets", () => {
    const decoder = new FrameDecoder();
    let frames = 0;
    for (let round = 0; round < 100_000; round++) {
      const bytes = randomBytes(random, random.below(64));
      frames += decoder.push(Uint8Array.of(...bytes, 0)).filter((heard) => !("fault" in heard)).length;
    }
    expect(frames, replay).toBe(0);
  });
});

describe("Poly1305 of a pad", () => {
  it("gives the tag of RFC 8439 section 2.5.2 for whole blocks, as another implementation does", () => {
    const random = new Random(seed);
    for (let blocks = 0; blocks < 200; blocks++) {
      const key = blocks % 5 === 0 ? new Uint8Array(32).fill(255) : randomBytes(random, 32);
      const bytes = blocks % 2 === 0 ? new Uint8Array(16 * blocks).fill(255) : randomBytes(random, 16 * blocks);
      const mac = new Poly1305(key);
      const half = 16 * (blocks >> 1);
      mac.update(bytes.subarray(0, half));
      mac.update(bytes.subarray(half));
      expect(mac.digest(), replay).toEqual(poly1305(bytes, key));
    }
  });

  it("gives the wrap-around tags of RFC 8439 appendix A.3", () => {
    const tag = (key: string, text: string) => {
      const mac = new Poly1305(bytesOf(key));
      mac.update(bytesOf(text));
      return Buffer.from(mac.digest()).toString("hex");
    };
    const zeros = "00".repeat(16);
    const ones = "ff".repeat(16);
    // Test vectors 7, 8 and 9.
    expect(tag(`01${"00".repeat(31)}`, `${ones}f0${"ff".repeat(15)}11${"00".repeat(15)}`)).toBe(`05${"00".repeat(15)}`);
    expect(tag(`01${"00".repeat(31)}`, `${ones}fb${"fe".repeat(15)}${"01".repeat(16)}`)).toBe(zeros);
    expect(tag(`02${"00".repeat(31)}`, `fd${"ff".repeat(15)}`)).toBe(`fa${"ff".repeat(15)}`);
  });
});

describe("the arithmetic of a pad", () => {
  const padLength = 16_646_144;
  const slots = slotsAtIssue(padLength);
  const shape = { padLength, slots: { low: slots, high: slots }, burnUnit: 1 };
  const position = (change: Partial<PadPosition>): PadPosition => ({
    ...shape,
    side: "low",
    nextSlot: 0,
    up: { used: 0 },
    down: { used: 0 },
    split: firstSplitOfPair(shape),
    ...change,
  });

  it("divides a pair's pad in the middle between its slots", () => {
    expect(slots).toBe(2032);
    expect(firstSplitOfPair(shape)).toBe(8_323_072);
    expect(firstSplitOfPair({ ...shape, padLength: 12_288, slots: { low: 1, high: 1 }, burnUnit: 64 })).toBe(6144);
  });

  it("lays up boxes from the slots upward and down boxes from the end downward, each ascending", () => {
    expect(boxOffset(shape, "up", 0, 4128)).toBe(2032 * 192);
    expect(boxOffset(shape, "up", 100, 4128)).toBe(2032 * 192 + 100);
    expect(boxOffset(shape, "down", 0, 4128)).toBe(padLength - 2032 * 192 - 4128);
    expect(boxOffset(shape, "down", 100, 33)).toBe(padLength - 2032 * 192 - 133);
  });

  it("charges every box 32 bytes and rounds it up to the burn unit", () => {
    expect(boxCost(0, 1)).toBe(32);
    expect(boxCost(1, 64)).toBe(64);
    expect(runCost(0, 1)).toEqual({ boxes: 1, padBytes: 32 });
    expect(runCost(4096, 1)).toEqual({ boxes: 1, padBytes: 4128 });
    expect(runCost(4097, 16)).toEqual({ boxes: 2, padBytes: 4128 + 48 });
    expect(runCost(10_000, 1)).toEqual({ boxes: 3, padBytes: 10_096 });
    expect(bundleBytes(10_000)).toBe(20 + 36 + 10_000 + 3 * 20);
  });

  it("counts what a side can seal now and after the largest grant", () => {
    const middle = firstSplitOfPair(shape);
    const half = middle - 2032 * 192;
    expect(roomOf(position({ up: { used: 1000 } }))).toEqual({ now: half - 1000, afterGrant: 2 * half - 1000 - 1024 });
    expect(roomOf(position({ side: "high", down: { used: 1000 } }))).toEqual({
      now: half - 2024,
      afterGrant: half - 2024,
    });
    expect(roomOf(position({ side: "high", down: { used: half - 5 } })).now).toBe(0);
  });
});

describe("replies", () => {
  it("of another length than the command's read as none", () => {
    const random = new Random(seed);
    for (const command of Object.values(commands)) {
      const lengths = new Set<number>();
      for (let length = 0; length < 400; length++) {
        const reply = randomBytes(random, length);
        if (length > 0) reply[0] = 1;
        reply.fill(0, 1, 4);
        if (command.decode(reply) !== null) lengths.add(length);
      }
      const fixed: Record<string, number> = {
        HELLO: 16,
        INFO: 112,
        PAGE: 256,
        WRITE: 4,
        BEGIN: 64,
        RAISE: 4,
        FIND: 20,
        RELEASE: 4,
        VALUE: 56,
        CALL: 24,
        READY: 84,
        STATE: 48,
        SELFTEST: command === commands.selftestButton ? 4 : 28,
      };
      if (command.name === "SEAL") expect(Math.min(...lengths)).toBe(28);
      else if (command.name === "OPEN") expect(Math.min(...lengths)).toBe(4);
      else expect([...lengths]).toEqual([fixed[command.name] ?? 0]);
    }
  });

  it("that are errors carry the facts of their code, and an unknown code is no error", () => {
    const payload = new Uint8Array(20);
    const view = new DataView(payload.buffer);
    view.setUint16(2, 6, true);
    for (const at of [4, 8, 12, 16]) view.setUint32(at, 250 * at, true);
    const seen = new Set<string>();
    for (let code = 0; code < 256; code++) {
      payload[0] = code;
      const error = decodeError(payload);
      expect(error === null).toBe(code < 1 || code > 25);
      if (error === null) continue;
      expect(error).toBeInstanceOf(DeviceError);
      expect(error.message).toMatch(/\.$/);
      expect(error.pad).toMatch(/\.$/);
      expect(error.advice).toMatch(/\.$/);
      seen.add(error.code);
    }
    expect(seen.size).toBe(25);

    payload[0] = 2;
    const lost = decodeError(payload);
    expect(isDeviceError(lost, "NO_SESSION") && lost.facts).toEqual({
      upUsed: 1000,
      downUsed: 2000,
      split: 3000,
      nextSlot: 4000,
    });
    payload[0] = 15;
    const fault = decodeError(payload);
    expect(isDeviceError(fault, "FLASH_FAULT") && fault.facts).toEqual({ section: "pad", address: 1000 });
    expect(decodeError(payload.subarray(1))).toBeNull();
  });

  it("never carry a number that is no u32 in their request", () => {
    expect(() => commands.raise.encode({ split: -1 })).toThrow(RangeError);
    expect(() => commands.raise.encode({ split: 2 ** 32 })).toThrow(RangeError);
    expect(() => commands.find.encode({ tag: new Uint8Array(15), openingItem: new Uint8Array(36) })).toThrow(
      RangeError,
    );
  });
});

describe("a bundle", () => {
  const item = (kind: number, n: number, tag = true) =>
    Uint8Array.of(n & 255, n >> 8, kind, 0, ...new Uint8Array(n + (tag ? 16 : 0)).fill(kind + 1));
  const slot = item(0, 16, false);
  const opening = item(3, 16);
  const data = (n: number) => item(1, n);
  const last = (n: number) => item(2, n);
  const join = (...items: Uint8Array[]) => Uint8Array.from(items.flatMap((each) => [...each]));

  async function* inPieces(bytes: Uint8Array, size: number) {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  async function read(bytes: Uint8Array, size = 100): Promise<Item[]> {
    return Array.fromAsync(readBundle(inPieces(bytes, size)));
  }
  const refusal = async (bytes: Uint8Array) => {
    const error = await read(bytes).catch((error: unknown) => error);
    return error instanceof BundleError ? [error.code, error.facts.position] : null;
  };

  const good = join(slot, opening, data(4096), slot, opening, slot, opening, data(4096), last(5));

  it("is read item by item, from pieces of any size", async () => {
    for (const size of [1, 13, 4096, good.length]) {
      const items = await read(good, size);
      expect(items.map((each) => each.kind).join(" ")).toBe("slot opening data slot opening slot opening data last");
      expect(join(...items.map((each) => each.bytes))).toEqual(good);
      expect(items.at(-1)).toMatchObject({ textLength: 5, position: good.length - 25 });
    }
  });

  it("that ends anywhere before its end is TRUNCATED", async () => {
    for (let length = 0; length < good.length; length += length < 200 || length > good.length - 100 ? 1 : 97) {
      // Of fewer bytes than a header nobody can say what they are.
      const expected = length < 4 ? ["BAD_BUNDLE", 0] : ["TRUNCATED", length];
      expect(await refusal(good.subarray(0, length))).toEqual(expected);
    }
  });

  it("with anything out of place is a BAD_BUNDLE", async () => {
    const bad = (at: number) => ["BAD_BUNDLE", at];
    expect(await refusal(join(good, Uint8Array.of(0)))).toEqual(bad(good.length));
    expect(await refusal(join(good, good))).toEqual(bad(good.length));
    expect(await refusal(ascii("-----BEGIN MESSAGE-----"))).toEqual(bad(0));
    expect(await refusal(join(opening, last(1)))).toEqual(bad(0));
    expect(await refusal(join(slot, last(1)))).toEqual(bad(20));
    expect(await refusal(join(slot, slot, opening))).toEqual(bad(20));
    expect(await refusal(join(slot, opening, opening))).toEqual(bad(56));
    expect(await refusal(join(slot, opening, item(4, 1)))).toEqual(bad(56));
    expect(await refusal(join(slot, opening, data(4097)))).toEqual(bad(56));
    expect(await refusal(join(slot, opening, Uint8Array.of(1, 0, 1, 1)))).toEqual(bad(56));
    expect(await refusal(join(item(0, 15, false), opening))).toEqual(bad(0));
    expect(await refusal(join(slot, item(3, 17)))).toEqual(bad(20));
  });

  it("lets its source go when its reader stops", async () => {
    let released = false;
    async function* source() {
      try {
        yield good;
      } finally {
        released = true;
      }
    }
    for await (const _ of readBundle(source())) break;
    expect(released).toBe(true);
  });
});
