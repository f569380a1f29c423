// The driver on a line that misbehaves. The other end is a script: it sees each frame and answers as the test says.

import { describe, expect, it } from "vitest";
import { type Device, type DriverError, openDevice, type Transport } from "../../host/driver/index.ts";
import { encodeFrame, type Frame, FrameDecoder, type FrameFault } from "../../host/protocol/index.ts";
import { Random } from "../../simulator/index.ts";
import { fastClock } from "./pair.ts";

const HELLO = 0x01;
const INFO = 0x02;
const SEAL = 0x21;
const RAISE = 0x22;
const ERROR = 0xff;
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
const replay = `replay with SEED=${seed}`;

type Script = (frame: Frame, line: ScriptedLine) => void;

/** A line whose other end follows a script, after answering HELLO as a device does. */
class ScriptedLine implements Transport {
  readonly heard: Frame[] = [];
  script: Script;
  session = 0x10000;
  greet = true;
  #data: (bytes: Uint8Array) => void = () => {};
  #close: (reason?: Error) => void = () => {};
  readonly #decoder = new FrameDecoder();

  constructor(script: Script = () => {}) {
    this.script = script;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (const heard of this.#decoder.push(bytes)) {
      expect(heard).not.toHaveProperty("fault");
      this.#hear(heard as Frame);
    }
  }

  #hear(frame: Frame): void {
    this.heard.push(frame);
    if (frame.type !== HELLO || !this.greet) this.script(frame, this);
    else this.send(this.helloReply(frame));
  }

  helloReply(frame: Frame, protocol = 1): Uint8Array {
    this.session++;
    const payload = new Uint8Array(16);
    const view = new DataView(payload.buffer);
    payload.set(frame.payload);
    view.setUint16(4, protocol, true);
    view.setUint16(6, 4128, true);
    view.setUint32(8, this.session, true);
    return encodeFrame({ ...frame, type: HELLO | 0x80, payload });
  }

  send(...parts: Uint8Array[]): void {
    for (const part of parts) this.#data(part);
  }

  vanish(reason?: Error): void {
    this.#close(reason);
  }

  onData(listener: (bytes: Uint8Array) => void): void {
    this.#data = listener;
  }

  onClose(listener: (reason?: Error) => void): void {
    this.#close = listener;
  }

  async close(): Promise<void> {}

  /** How many frames of a type were heard. */
  count(type: number): number {
    return this.heard.filter((frame) => frame.type === type).length;
  }
}

const u32 = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
const reply = (frame: Frame, payload: Uint8Array) => encodeFrame({ ...frame, type: frame.type | 0x80, payload });
const error = (frame: Pick<Frame, "type" | "sequence" | "session">, code: number, a = 0) =>
  encodeFrame({ ...frame, type: ERROR, payload: Uint8Array.of(code, frame.type, 0, 0, ...u32(a, 0, 0, 0)) });
const unread = { type: 0, sequence: 0, session: 0 };
const raised = (frame: Frame) => reply(frame, u32(7));

async function meet(script: Script): Promise<{ device: Device; line: ScriptedLine }> {
  const line = new ScriptedLine(script);
  return { line, device: await openDevice(line, { clock: fastClock }) };
}

async function failure(promise: Promise<unknown>): Promise<DriverError> {
  return promise.then(
    () => expect.fail("it succeeded"),
    (error: DriverError) => error,
  );
}

describe("a session", () => {
  it("begins with a zero and a HELLO, and numbers its commands from 1", async () => {
    const { device, line } = await meet((frame, line) => line.send(raised(frame)));
    expect(await device.raise(7)).toBe(7);
    expect(await device.raise(7)).toBe(7);
    expect(line.heard.map((frame) => frame.type)).toEqual([HELLO, RAISE, RAISE]);
    expect(line.heard.map((frame) => frame.sequence)).toEqual([0, 1, 2]);
    expect(line.heard[2]?.session).toBe(line.session);
  });

  it("begins although the line is full of old replies and of noise", async () => {
    const line = new ScriptedLine();
    const random = new Random(seed);
    line.greet = false;
    const noise = new Uint8Array(5000);
    random.fill(noise);
    const greet: Script = (frame) => {
      line.send(noise, Uint8Array.of(0), error(unread, 1), raised({ ...frame, type: RAISE, sequence: 1 }));
      line.send(line.helloReply({ ...frame, payload: u32(12345) }), line.helloReply(frame));
    };
    line.script = greet;
    const device = await openDevice(line, { clock: fastClock });
    expect((await device.hello()).session, replay).toBe(line.session);
  });

  it("takes only the answer to its last HELLO: each one begins another session", async () => {
    const line = new ScriptedLine();
    line.greet = false;
    const late: Uint8Array[] = [];
    line.script = (frame) => {
      late.push(line.helloReply(frame));
      if (late.length === 2) line.send(...late);
    };
    const device = await openDevice(line, { clock: fastClock });
    expect(new Set(line.heard.map((frame) => String(frame.payload))).size).toBe(2);
    line.script = (frame) => line.send(raised(frame));
    await device.raise(7);
    expect(line.heard.at(-1)?.session).toBe(line.session);
  });

  it("with a device of another protocol does not begin", async () => {
    const line = new ScriptedLine();
    line.greet = false;
    line.script = (frame) => line.send(line.helloReply(frame, 2));
    const error = await failure(openDevice(line, { clock: fastClock }));
    expect(error).toMatchObject({ code: "PROTOCOL_UNKNOWN", facts: { device: 2, host: 1 } });
  });

  it("with nobody at the other end is NO_ANSWER after the fourth HELLO, and no pad bytes can have been used", async () => {
    const line = new ScriptedLine();
    line.greet = false;
    const error = await failure(openDevice(line, { clock: fastClock }));
    expect(error).toMatchObject({ code: "NO_ANSWER", facts: { heard: false }, pad: "No pad bytes were used." });
    expect(error.cause).toMatchObject({ code: "TIMEOUT", facts: { command: "HELLO", attempts: 4 } });
    expect(line.count(HELLO)).toBe(4);
  });

  it("with something else at the other end says so, whether that stays or hangs up", async () => {
    for (const ends of [false, true]) {
      const line = new ScriptedLine();
      line.greet = false;
      line.script = () => {
        line.send(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
        if (ends) line.vanish();
      };
      const error = await failure(openDevice(line, { clock: fastClock }));
      expect(error).toMatchObject({ code: "NO_ANSWER", facts: { heard: true }, pad: "No pad bytes were used." });
      expect(error.message).toContain("no device");
    }
  });

  it("that was there before and does not come again is a TIMEOUT: what was under way stays in doubt", async () => {
    const { device, line } = await meet(() => {});
    line.greet = false;
    expect(await failure(device.hello())).toMatchObject({ code: "TIMEOUT", facts: { command: "HELLO" } });
  });
});

describe("a reply", () => {
  it("that does not come is asked for with the very same frame, three times, and is then a TIMEOUT", async () => {
    const { device, line } = await meet(() => {});
    const error = await failure(device.raise(7));
    expect(error).toMatchObject({ code: "TIMEOUT", facts: { command: "RAISE", attempts: 4 } });
    expect(error.pad).toContain("nothing is used twice");
    const asked = line.heard.slice(1);
    expect(asked).toHaveLength(4);
    for (const frame of asked) expect(frame).toEqual(asked[0]);
  });

  it("that comes at the second, third or fourth time of asking is the answer", async () => {
    for (const time of [2, 3, 4]) {
      const { device, line } = await meet((frame, line) => {
        if (line.count(RAISE) === time) line.send(raised(frame));
      });
      expect(await device.raise(7)).toBe(7);
      expect(line.count(RAISE)).toBe(time);
    }
  });

  it("that comes twice, late or out of place is the answer to nothing else", async () => {
    let before: Uint8Array = new Uint8Array(0);
    let value = 0;
    const { device } = await meet((frame, line) => {
      const mine = reply(frame, u32(++value));
      const strange = [
        reply({ ...frame, sequence: frame.sequence + 1 }, u32(100)),
        reply({ ...frame, session: frame.session + 1 }, u32(101)),
        reply({ ...frame, type: SEAL }, u32(102, 0, 0, 0, 0, 0, 0)),
        error({ ...frame, sequence: frame.sequence + 1 }, 9),
      ];
      line.send(before, ...strange, mine, mine);
      before = mine;
    });
    for (let round = 1; round < 10; round++) expect(await device.raise(7)).toBe(round);
  });

  it("to an INFO of before is no answer to the next INFO", async () => {
    const waiting: Uint8Array[] = [];
    const { device } = await meet((frame, line) => {
      const payload = new Uint8Array(112);
      payload[6] = waiting.length;
      waiting.push(reply(frame, payload));
      if (waiting.length === 2) line.send(...waiting);
      if (waiting.length > 2) line.send(waiting[0] as Uint8Array, waiting.at(-1) as Uint8Array);
    });
    expect((await device.info()).traps).toBe(0);
    expect((await device.info()).traps).toBe(2);
  });

  it("that comes damaged or short is asked for again, and the good one counts", async () => {
    const random = new Random(seed);
    for (let round = 0; round < 50; round++) {
      const { device, line } = await meet((frame, line) => {
        const good = raised(frame);
        if (line.count(RAISE) > 1) return line.send(good);
        const bad = good.slice(0, round % 2 === 0 ? good.length : 1 + random.below(good.length - 2));
        if (round % 2 === 0) bad[random.below(bad.length - 1)]! ^= 1 + random.below(255);
        line.send(bad, Uint8Array.of(0));
      });
      expect(await device.raise(7), replay).toBe(7);
      expect(line.count(RAISE), replay).toBe(2);
    }
  });

  it("of the wrong length, again and again, is a BAD_REPLY", async () => {
    const { device } = await meet((frame, line) => line.send(reply(frame, new Uint8Array(5))));
    expect(await failure(device.raise(7))).toMatchObject({
      code: "BAD_REPLY",
      facts: { command: "RAISE", attempts: 4 },
    });
  });

  it("in any number of pieces is put together", async () => {
    const { device } = await meet((frame, line) => {
      for (const byte of raised(frame)) line.send(Uint8Array.of(byte));
    });
    expect(await device.raise(7)).toBe(7);
  });

  it("from a line that never stops making noise is waited for no longer than from a silent one", async () => {
    let noise: ReturnType<typeof setInterval> | undefined;
    const { device } = await meet((_frame, line) => {
      noise ??= setInterval(() => line.send(Uint8Array.of(5, 5, 0)), 0);
    });
    expect(await failure(device.raise(7))).toMatchObject({ code: "BAD_REPLY" });
    clearInterval(noise);
  });

  it("that the device could not read the frame has it sent again", async () => {
    const { device, line } = await meet((frame, line) => {
      line.send(line.count(RAISE) === 1 ? error(unread, 1) : raised(frame));
    });
    expect(await device.raise(7)).toBe(7);
    expect(line.count(RAISE)).toBe(2);
  });
});

describe("an error of the device", () => {
  it("is thrown by its name with its facts, and the sequence stays", async () => {
    const { device, line } = await meet((frame, line) => {
      line.send(line.count(RAISE) === 1 ? error(frame, 9, 123) : raised(frame));
    });
    expect(await failure(device.raise(7))).toMatchObject({ code: "EXHAUSTED", facts: { needed: 123, room: 0 } });
    expect(await device.raise(7)).toBe(7);
    expect(line.heard.map((frame) => frame.sequence)).toEqual([0, 1, 1]);
  });

  it("that may belong to an earlier copy of the frame ends the session, so that a late reply fits nothing", async () => {
    // The first copy fails and is slow to say so; the second is executed.
    let late: Uint8Array = new Uint8Array(0);
    const { device, line } = await meet((frame, line) => {
      if (line.count(RAISE) === 1) return;
      if (line.count(RAISE) === 2) {
        late = reply(frame, u32(666));
        line.send(error(frame, 16));
      } else line.send(late, raised(frame));
    });
    expect(await failure(device.raise(7))).toMatchObject({ code: "SUPPLY_LOW" });
    expect(await device.raise(7)).toBe(7);
    expect(line.heard.map((frame) => frame.type)).toEqual([HELLO, RAISE, RAISE, HELLO, RAISE]);
  });

  it("that comes twice does not end the command after it", async () => {
    const { device } = await meet((frame, line) => {
      if (frame.type === RAISE) line.send(error(frame, 9));
      else line.send(error({ ...frame, type: RAISE }, 9), reply(frame, new Uint8Array(0)));
    });
    expect(await failure(device.raise(7))).toMatchObject({ code: "EXHAUSTED" });
    await expect(device.releaseSlot(3)).resolves.toBeUndefined();
  });

  it("NO_SESSION comes with the marks, and the next command begins a session", async () => {
    const { device, line } = await meet((frame, line) => {
      line.send(line.count(RAISE) === 1 ? error(frame, 2, 4711) : raised(frame));
    });
    expect(await failure(device.raise(7))).toMatchObject({
      code: "NO_SESSION",
      facts: { upUsed: 4711, downUsed: 0, split: 0, nextSlot: 0 },
    });
    expect(await device.raise(7)).toBe(7);
    expect(line.heard.map((frame) => frame.type)).toEqual([HELLO, RAISE, HELLO, RAISE]);
  });

  it("WRONG_SEQUENCE ends the session, and the next command begins one", async () => {
    const { device } = await meet((frame, line) => {
      line.send(line.count(RAISE) === 1 ? error(frame, 3, 5) : raised(frame));
    });
    expect(await failure(device.raise(7))).toMatchObject({ code: "WRONG_SEQUENCE", facts: { expected: 5 } });
    expect(await device.raise(7)).toBe(7);
  });

  it("of a number that this version does not know is asked for again", async () => {
    const { device } = await meet((frame, line) => line.send(error(frame, 99)));
    expect(await failure(device.raise(7))).toMatchObject({ code: "BAD_REPLY" });
  });
});

describe("a device that goes away", () => {
  it("T-21 fails the command under way with DEVICE_LOST, once, and every one after it", async () => {
    const { device, line } = await meet((_frame, line) => {
      line.vanish(new Error("unplugged"));
      line.vanish();
    });
    const lost = await failure(device.raise(7));
    expect(lost).toMatchObject({ code: "DEVICE_LOST", cause: new Error("unplugged") });
    expect(await failure(device.raise(7))).toMatchObject({ code: "DEVICE_LOST" });
    expect(await failure(device.hello())).toMatchObject({ code: "DEVICE_LOST" });
    expect(device.gone).toBe(true);
    expect(line.count(RAISE)).toBe(1);
  });

  it("is lost when it can no longer be written to", async () => {
    const { device, line } = await meet(() => {});
    line.write = async () => {
      throw new Error("EIO");
    };
    expect(await failure(device.raise(7))).toMatchObject({ code: "DEVICE_LOST", cause: new Error("EIO") });
  });

  it("is reached again by hello, over a new line, when the driver knows how", async () => {
    const lines: ScriptedLine[] = [];
    const connect = async () => {
      const line = new ScriptedLine((frame, line) => (lines.length === 1 ? line.vanish() : line.send(raised(frame))));
      lines.push(line);
      return line;
    };
    const device = await openDevice(connect, { clock: fastClock });
    expect(await failure(device.raise(7))).toMatchObject({ code: "DEVICE_LOST" });
    expect(await failure(device.raise(7))).toMatchObject({ code: "DEVICE_LOST" });
    await device.hello();
    lines[0]?.vanish();
    expect(await device.raise(7)).toBe(7);
    expect(lines).toHaveLength(2);
  });

  it("fails what is under way when the driver itself closes it", async () => {
    const { device } = await meet(() => {});
    const asked = failure(device.raise(7));
    await Promise.resolve();
    await device.close();
    expect(await asked).toMatchObject({ code: "DEVICE_LOST" });
    await device.close();
  });
});

describe("commands given at once", () => {
  it("wait for their turn: one is outstanding at a time, in the order given, and a failed one stops no other", async () => {
    let outstanding = 0;
    const { device, line } = await meet((frame, line) => {
      expect(++outstanding).toBe(1);
      setImmediate(() => {
        outstanding--;
        if (frame.type === INFO) line.send(reply(frame, new Uint8Array(112)));
        else line.send(frame.payload[0] === 3 ? error(frame, 9) : reply(frame, frame.payload));
      });
    });
    const results = await Promise.allSettled([
      device.raise(1),
      device.info(),
      device.raise(2),
      device.raise(3),
      device.raise(4),
    ]);
    expect(results.map((result) => result.status)).toEqual([
      "fulfilled",
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    expect(line.heard.map((frame) => frame.type)).toEqual([HELLO, RAISE, INFO, RAISE, RAISE, RAISE]);
  });
});

describe("a line that damages, drops and repeats at random", () => {
  it("never gives a command another's reply, nor executes one twice", async () => {
    const random = new Random(seed);
    const executed = new Map<string, number>();
    let bad = false;
    const damage = (bytes: Uint8Array): Uint8Array[] => {
      const copy = bytes.slice();
      const fate = bad ? random.below(10) : 9;
      if (fate === 0) return [];
      if (fate === 1) copy[random.below(copy.length)]! ^= 1 << random.below(8);
      return fate === 2 ? [copy, copy] : [copy];
    };
    // A device by the rules of SPEC section 7, behind a bad cable.
    const input = new FrameDecoder();
    let kept: { sequence: number; answer: Uint8Array } | null = null;
    let session = 0;
    let data: (bytes: Uint8Array) => void = () => {};
    const answer = (bytes: Uint8Array) => damage(bytes).forEach((part) => void data(part));
    const serve = (heard: Frame | FrameFault) => {
      if ("fault" in heard) return answer(error(unread, 1));
      if (heard.type === HELLO) {
        kept = null;
        return answer(reply(heard, Uint8Array.of(...heard.payload, 1, 0, 32, 16, ...u32(++session), 0, 1, 0, 1)));
      }
      if (heard.session !== session) return answer(error(heard, 2));
      if (kept?.sequence === heard.sequence) return answer(kept.answer);
      if (heard.sequence !== (kept?.sequence ?? 0) + 1) return answer(error(heard, 3));
      const key = String(heard.payload);
      executed.set(key, (executed.get(key) ?? 0) + 1);
      kept = { sequence: heard.sequence, answer: reply(heard, heard.payload) };
      answer(kept.answer);
    };
    const line: Transport = {
      write: async (bytes) => {
        for (const part of damage(bytes)) for (const heard of input.push(part)) serve(heard);
      },
      onData: (listener) => {
        data = listener;
      },
      onClose: () => {},
      close: async () => {},
    };
    const device = await openDevice(line, { clock: fastClock });
    bad = true;
    let answered = 0;
    for (let value = 0; value < 500; value++) {
      const got = await device.raise(value).catch((error: DriverError) => error.code);
      if (typeof got === "number") {
        answered++;
        expect(got, replay).toBe(value);
      }
    }
    expect(answered, replay).toBeGreaterThan(400);
    expect(Math.max(...executed.values()), replay).toBe(1);
  });
});
