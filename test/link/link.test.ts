// The client of a link against the model of a server: what it promises while nothing goes wrong, what it refuses, and what a
// server that is wrong, silent, older or hostile makes of it.

import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Device, openDevice, sleep } from "../../host/driver/index.ts";
import {
  isLinkFailure,
  type LinkEvent,
  type LinkFailureCode,
  type LinkOptions,
  openLink,
} from "../../host/link/index.ts";
import { COMMAND_TYPES } from "../../host/protocol/index.ts";
import { lineTo } from "../../simulator/index.ts";
import { scratchDirectory } from "../host/pair.ts";
import { ModelServer } from "./model.ts";
import { deviceOf, makeToken, quickClock, type Token, type TokenOptions } from "./token.ts";

const bytes = (length: number, value = 7) => new Uint8Array(length).fill(value);

interface Bench {
  readonly token: Token;
  readonly server: ModelServer;
  readonly device: Device;
  readonly options: LinkOptions;
  readonly events: LinkEvent[];
}

async function bench(token?: TokenOptions, more: Partial<LinkOptions> = {}): Promise<Bench> {
  const made = await makeToken(token);
  const server = new ModelServer(made);
  const events: LinkEvent[] = [];
  const options = {
    directory: await scratchDirectory(),
    connect: async () => server.connect(),
    clock: quickClock,
    onEvent: (event: LinkEvent) => void events.push(event),
    ...more,
  };
  return { token: made, server, device: await deviceOf(made.machine), options, events };
}

function failure(code: LinkFailureCode, facts: object = {}) {
  return expect.toSatisfy((error: unknown) => {
    if (!isLinkFailure(error, code)) return false;
    expect(error.facts).toMatchObject(facts);
    expect([error.message, error.pad, error.advice].every((words) => words.length > 10)).toBe(true);
    return true;
  });
}

describe("requests", () => {
  test("are answered, charged once, and device and server agree afterwards", async () => {
    const { server, device, options } = await bench();
    const link = await openLink(device, options);
    const answer = await link.request("echo", { text: "tear here" });
    expect(answer).toMatchObject({ body: { text: "tear here" }, charged: 1n, balance: 999n });
    expect(await link.close()).toMatchObject({ balance: 999n, ends: true });
    expect((await device.value()).receipt.balance).toBe(server.balance);
    expect(server.charged).toEqual([answer.id]);
    expect((await device.info()).up.used).toBe(server.up);
    // The final receipt is all that the server was not told of.
    expect(server.unreleased).toBe(1);
  });

  test("made at once are answered each", async () => {
    const { server, device, options } = await bench({ padSectors: 128 });
    server.serve = (service, body) => [service, body];
    const link = await openLink(device, options);
    const asked = [1, 5000, 3, 9000, 4096].map((length, index) => link.request(`s${index}`, bytes(length)));
    const answers = await Promise.all(asked);
    expect(answers.map(({ body }) => (body as [string])[0])).toEqual(["s0", "s1", "s2", "s3", "s4"]);
    await link.close();
    expect(server.charged).toHaveLength(5);
  });

  test("with an answer of many boxes release it in pieces and acknowledge it on the way", async () => {
    const { server, device, options } = await bench({ padSectors: 256 });
    server.serve = () => bytes(200_000);
    const link = await openLink(device, options);
    const { body } = await link.request("long", null);
    expect(body).toEqual(bytes(200_000));
    server.serve = () => "short";
    await link.request("short", null);
    await expect.poll(() => server.released).toBeGreaterThan(200_000);
    await link.close();
    expect((await device.info()).down.used).toBe(server.down);
  });

  test("whose service fails say why, in the words of the service, and the link goes on", async () => {
    const { server, device, options } = await bench();
    const link = await openLink(device, options);
    server.serve = () => {
      throw new Error("NOT_FOUND");
    };
    await expect(link.request("store", {})).rejects.toEqual(
      failure("SERVICE_ERROR", { error: "NOT_FOUND", charged: 0n }),
    );
    server.serve = () => "found";
    expect((await link.request("store", {})).body).toBe("found");
    await link.close();
  });

  test("that CBOR cannot hold are the caller's mistake, and use nothing", async () => {
    const { server, device, options } = await bench();
    const link = await openLink(device, options);
    await expect(link.request("echo", () => {})).rejects.toThrow(TypeError);
    expect(server.boxes).toBe(0);
    await link.close();
  });

  test("on a closed link are refused", async () => {
    const { device, options } = await bench();
    const link = await openLink(device, options);
    await link.close();
    await expect(link.request("echo", null)).rejects.toEqual(failure("LINK_CLOSED"));
  });

  test("not answered when the link is let go are answered in the next one, and charged once", async () => {
    const { server, device, options } = await bench();
    const link = await openLink(device, options);
    server.mute();
    const asked = expect(link.request("slow", "a")).rejects.toEqual(failure("LINK_CLOSED"));
    await sleep(quickClock, 2000);
    await link.abandon();
    await asked;
    const next = await openLink(device, options);
    const [left] = await next.pending();
    expect(left?.service).toBe("slow");
    expect((await left!.answer()).body).toBe("a");
    expect(await next.pending()).toEqual([]);
    await next.close();
    expect(server.charged).toHaveLength(1);
  });

  test("that a link holds are there again in each next link until they are forgotten, and the file is small meanwhile", async () => {
    const { server, device, options } = await bench({ padSectors: 128 }, { holds: true });
    const link = await openLink(device, options);
    for (let i = 0; i < 3; i++) await link.forget(await link.request("echo", bytes(9000)));
    const bought = await link.request("goods", { order: "coffee" });
    server.serve = () => {
      throw new Error("NOT_FOUND");
    };
    await expect(link.request("store", {})).rejects.toEqual(failure("SERVICE_ERROR"));
    expect(await link.pending()).toEqual([]);
    await link.close();
    await link.abandon();
    const [file] = await readdir(options.directory);
    expect((await stat(join(options.directory, file!))).size).toBeLessThan(2000);

    for (const forgets of [false, true]) {
      const next = await openLink(device, options);
      const pending = await next.pending();
      expect(pending).toMatchObject([{ id: bought.id, service: "goods", body: { order: "coffee" } }]);
      expect(await pending[0]!.answer()).toEqual(bought);
      await next.close();
      if (forgets) await next.forget(bought);
      await next.abandon();
    }
    const last = await openLink(device, options);
    expect(await last.pending()).toEqual([]);
    await last.abandon();
    expect(server.charged.filter((id) => id === bought.id)).toEqual([bought.id]);
  });

  test("that were cut off are held as well when another link hands them over", async () => {
    const { server, device, options } = await bench({}, { holds: true });
    const link = await openLink(device, options);
    server.mute();
    const asked = expect(link.request("goods", "code")).rejects.toEqual(failure("LINK_CLOSED"));
    await sleep(quickClock, 2000);
    await link.abandon();
    await asked;
    for (let round = 0; round < 2; round++) {
      const next = await openLink(device, options);
      const [left] = await next.pending();
      expect((await left!.answer()).body).toBe("code");
      await next.abandon();
    }
    expect(server.charged).toHaveLength(1);
  });
});

describe("room", () => {
  test("that the server can grant is waited for, and the request goes up whole", async () => {
    const { server, device, options, token } = await bench();
    server.grantBelow = 40_000;
    server.grantStep = 20_000;
    const link = await openLink(device, options);
    const { body } = await link.request("echo", bytes(30_000));
    expect(body).toEqual(bytes(30_000));
    expect((await device.info()).split).toBeGreaterThan(token.firstSplit);
    await link.close();
    expect((await device.info()).split).toBe(server.split);
  });

  test("that the server does not grant refuses the request before its first box", async () => {
    const { server, device, options } = await bench();
    const link = await openLink(device, options);
    const before = server.boxes;
    await expect(link.request("echo", bytes(30_000))).rejects.toEqual(failure("NEED_GRANT"));
    // What asked for the grant is the one box that went.
    expect([server.boxes - before, server.asked]).toEqual([1, 1]);
    expect(server.charged).toEqual([]);
    expect((await link.request("echo", "small")).body).toBe("small");
    expect(await link.pending()).toEqual([]);
    await link.close();
  });

  test("T-03 that is not there at all refuses the request whole, with nothing used", async () => {
    const { server, device, options } = await bench();
    const link = await openLink(device, options);
    await expect(link.request("echo", bytes(400_000))).rejects.toEqual(failure("PAD_EXHAUSTED"));
    expect(server.boxes).toBe(0);
    await link.close();
  });
});

describe("money", () => {
  test("above the cap is refused by name, and raising the cap helps", async () => {
    const { server, device, options } = await bench({}, { cap: 1n });
    const link = await openLink(device, options);
    await link.request("echo", 1);
    await expect(link.request("echo", 2)).rejects.toEqual(failure("CAP_EXCEEDED"));
    await link.raise(5n);
    expect((await link.request("echo", 3)).body).toBe(3);
    await link.close();
    expect(server.caps).toEqual([6n]);
  });

  test("above the owner's limit waits for the button, and tells that it does", async () => {
    let asked = 0;
    const { token, device, options } = await bench({ limit: 10n }, { cap: 11n });
    token.machine.presence = "ask";
    const onPresence = () => {
      asked++;
      setTimeout(() => {
        token.machine.press();
      }, 20);
    };
    const link = await openLink(device, { ...options, onPresence });
    expect(asked).toBe(1);
    await link.close();
  });

  test("above the owner's limit is refused at the button, or when nobody comes, with nothing used", async () => {
    const { token, device, options } = await bench({ limit: 10n }, { cap: 11n });
    const before = await device.info();
    for (const [button, refused] of [
      ["reject", true],
      ["ask", false],
    ] as const) {
      token.machine.presence = button;
      await expect(openLink(device, options)).rejects.toEqual(failure("PRESENCE_REFUSED", { refused }));
    }
    expect(await device.info()).toEqual(before);
  });

  test("is not asked for again when the link comes back: the cap is what is left of it", async () => {
    const { server, device, options } = await bench({}, { cap: 10n });
    const link = await openLink(device, options);
    await link.request("echo", 1);
    await link.request("echo", 2);
    server.endLink();
    await link.request("echo", 3);
    await link.close();
    expect(server.caps).toEqual([10n, 8n]);
  });

  test("that is closed at the server ends the link with what is left", async () => {
    const { server, device, options } = await bench();
    server.closed = true;
    await expect(openLink(device, options)).rejects.toEqual(failure("VALUE_CLOSED", { balance: 1000n }));
  });
});

describe("an older state", () => {
  test("of the device is found by what this disk knows, before anything is sent", async () => {
    const { token, server, device, options } = await bench();
    const filled = token.machine.snapshot();
    const link = await openLink(device, options);
    await link.request("echo", 1);
    await link.close();
    token.machine.restore(filled);
    const { calls } = server;
    await expect(openLink(await deviceOf(token.machine), options)).rejects.toEqual(failure("DEVICE_OLDER"));
    expect(server.calls).toBe(calls);
  });

  test("of the device is found by what the server knows", async () => {
    const { token, device, options } = await bench();
    const filled = token.machine.snapshot();
    const link = await openLink(device, options);
    await link.request("echo", 1);
    await link.close();
    token.machine.restore(filled);
    const elsewhere = { ...options, directory: await scratchDirectory() };
    const copy = await deviceOf(token.machine);
    // Its tags are known to be used.
    await expect(openLink(copy, elsewhere)).rejects.toEqual(failure("CALL_REFUSED"));
  });

  test("of the server is named, and the device does not link", async () => {
    const { token, device, options, server } = await bench();
    const link = await openLink(device, options);
    await link.request("echo", 1);
    await link.close();
    const restored = new ModelServer(token);
    const connect = async () => restored.connect();
    const before = await device.info();
    await expect(openLink(device, { ...options, connect })).rejects.toEqual(failure("SERVER_OLDER"));
    expect(await device.info()).toEqual(before);
    const again = await openLink(device, options);
    await again.close();
    expect(server.charged).toHaveLength(1);
  });
});

describe("a call that is refused", () => {
  test("costs nothing, is counted on the disk, and gives its slot up after 16 and then 32 refusals", async () => {
    const { server, device, options, events } = await bench();
    server.refuse = true;
    const first = (await device.info()).nextSlot;
    for (let call = 0; call < 48; call++) {
      expect((await device.info()).nextSlot).toBe(first + (call <= 16 ? 0 : 1));
      await expect(openLink(device, options)).rejects.toEqual(failure("CALL_REFUSED"));
    }
    await expect(openLink(device, options)).rejects.toEqual(failure("CALL_REFUSED", { refusals: 1 }));
    expect(events.filter(({ kind }) => kind === "skipped")).toHaveLength(2);
    server.refuse = false;
    const link = await openLink(device, options);
    expect((await link.request("echo", 1)).body).toBe(1);
    await link.close();
    expect((await device.info()).nextSlot).toBe(first + 3);
  });
});

describe("the list of addresses", () => {
  const listOf = async (device: Device) => Buffer.from((await device.page(1)).subarray(24, 80)).toString("hex");

  test("T-19 that is empty, malformed or not newer is refused, and the old one kept", async () => {
    const { server, device, options, events } = await bench();
    const before = await listOf(device);
    const malformed = [
      Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0, 0, 0),
      Uint8Array.of(9, 0, 0, 0, 1, 0, 0, 0, 5, 65, 65),
      Uint8Array.of(9, 0, 0, 0, 1, 0, 0, 0, 2, 10, 13),
      Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0, 2, 65, 65),
    ];
    for (const text of malformed) {
      server.addressText = text;
      await (await openLink(device, options)).close();
      expect(await listOf(device)).toBe(before);
    }
    expect(events.filter((event) => event.kind === "addresses" && event.refused)).toHaveLength(malformed.length);
  });

  test("T-19 that is not authenticated is refused: the link ends, and the old one is kept", async () => {
    const { server, device, options } = await bench();
    const before = await listOf(device);
    server.addressText = Uint8Array.of(9, 0, 0, 0, 1, 0, 0, 0, 2, 65, 65);
    server.forge = "addresses";
    await expect(openLink(device, options)).rejects.toEqual(failure("LINK_LOST"));
    expect(await listOf(device)).toBe(before);
  });
});

describe("a server that is not as it should be", () => {
  test("is given up after a while when its boxes are forged, and what was asked is finished with the right one", async () => {
    const { server, device, options } = await bench();
    const link = await openLink(device, options);
    server.forge = "last";
    await expect(link.request("echo", "mine")).rejects.toEqual(failure("LINK_LOST"));
    server.forge = null;
    const [left] = await link.pending();
    expect((await left!.answer()).body).toBe("mine");
    await link.close();
    expect(server.charged).toHaveLength(1);
  });

  test("that says nothing any more is called again", async () => {
    const { server, device, options } = await bench();
    const link = await openLink(device, options);
    server.mute();
    expect((await link.request("echo", "heard?")).body).toBe("heard?");
    await link.close();
    expect(server.calls).toBe(2);
    expect(server.charged).toHaveLength(1);
  });

  test("that answers with what is no answer fails the request by name, and the link goes on", async () => {
    const { server, device, options } = await bench();
    const link = await openLink(device, options);
    server.garble = true;
    await expect(link.request("echo", 1)).rejects.toEqual(failure("BAD_ANSWER"));
    server.garble = false;
    expect((await link.request("echo", 2)).body).toBe(2);
    await link.close();
  });
});

describe("what is sealed already", () => {
  /** A device that does one command, counted among those of its type, and is unplugged before it can say so. */
  async function unpluggedAt({ token }: Bench, type: number, count: number): Promise<Device> {
    let left = count;
    return openDevice(
      async () => {
        let tell = (_reason?: Error) => {};
        let gone = false;
        const line = lineTo(token.machine);
        return {
          ...line,
          write: async (bytes) => {
            // A zero, the first code of COBS, and then the type.
            gone = bytes[2] === type && --left === 0;
            await line.write(bytes);
            if (gone) tell(new Error("unplugged"));
          },
          onData: (listener) => line.onData((bytes) => gone || listener(bytes)),
          onClose: (listener) => {
            tell = listener;
          },
        };
      },
      { clock: quickClock },
    );
  }

  test("goes again as it is when the device was lost: the run goes on where it stood", async () => {
    const made = await bench({ padSectors: 128 });
    const { server, options } = made;
    const link = await openLink(await unpluggedAt(made, COMMAND_TYPES.SEAL, 3), options);
    const body = bytes(16_000 - 500);
    expect((await link.request("echo", body)).body).toEqual(body);
    await link.close();
    expect(server.calls).toBe(2);
    // Four boxes and the STATE at the end: none of them twice.
    expect(server.boxes).toBe(5);
  });

  test("goes again as it is when the line was lost, behind boxes that were lost with the device", async () => {
    const made = await bench({ padSectors: 128 });
    const { server, options } = made;
    // The first link hears the tag, READY and one box; the second READY and no box; the third everything.
    server.patience.push(3, 2);
    const link = await openLink(await unpluggedAt(made, COMMAND_TYPES.SEAL, 4), options);
    const body = bytes(18_000);
    expect((await link.request("echo", body)).body).toEqual(body);
    expect(server.charged).toHaveLength(1);
    await link.close();
    expect(server.calls).toBe(3);
    expect((await (await deviceOf(made.token.machine)).info()).up.used).toBe(server.up);
  });

  test("of an answer that was handed over is destroyed to its end, when the device was lost on the way", async () => {
    const made = await bench({ padSectors: 256 });
    const { server, options, token } = made;
    server.serve = (service) => (service === "long" ? bytes(150_000) : "short");
    const link = await openLink(await unpluggedAt(made, COMMAND_TYPES.RELEASE, 2), options);
    const both = await Promise.all([link.request("long", 1), link.request("short", 2)]);
    expect(both.map(({ body }) => body)).toEqual([bytes(150_000), "short"]);
    await link.close();
    expect(server.charged).toHaveLength(2);
    expect((await (await deviceOf(token.machine)).info()).down.used).toBe(server.down);
  });

  test("of a run whose rest does not fit any more is given up by name, and the next request is served", async () => {
    const made = await bench({ firstSplit: 20_000 });
    const { server, options, token } = made;
    expect(token.firstSplit).toBe(20_000);
    const link = await openLink(await unpluggedAt(made, COMMAND_TYPES.SEAL, 2), options);
    // The lost box takes the room of the last.
    await expect(link.request("echo", bytes(11_500))).rejects.toEqual(failure("GIVEN_UP", { boxes: 1 }));
    expect((await link.request("echo", "next")).body).toBe("next");
    await link.close();
    expect(server.charged).toHaveLength(1);
  });
});

describe("the disk of this host", () => {
  test("that was lost with boxes under way costs a slot, and no request twice", async () => {
    const { server, device, options } = await bench();
    const link = await openLink(device, options);
    await link.request("echo", 1);
    server.mute();
    const lost = link.request("echo", bytes(9000));
    lost.catch(() => {});
    await sleep(quickClock, 2000);
    await link.abandon();
    await rm(options.directory, { recursive: true });
    const next = await openLink(device, options);
    expect(await next.pending()).toEqual([]);
    expect((await next.request("echo", 2)).body).toBe(2);
    await next.close();
    expect((await device.info()).up.used).toBe(server.up);
    expect(server.charged).toHaveLength(2);
  });

  test("that another host's stood in for meanwhile still finishes what it has, under the same id", async () => {
    const { server, device, options } = await bench();
    const link = await openLink(device, options);
    server.mute();
    const asked = link.request("echo", bytes(5000));
    asked.catch(() => {});
    await sleep(quickClock, 2000);
    await link.abandon();
    const other = await openLink(device, { ...options, directory: await scratchDirectory() });
    await other.request("echo", "other");
    await other.close();
    const back = await openLink(device, options);
    const [left] = await back.pending();
    expect((await left!.answer()).body).toEqual(bytes(5000));
    await back.close();
    expect(server.charged).toHaveLength(2);
    expect((await device.info()).up.used).toBe(server.up);
  });
});
