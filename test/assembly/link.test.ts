// A token and its server: calls that name nobody, links that only the newer end of each sees broken, money that a host cannot write, and addresses that only the
// server changes.

import { randomBytes } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Device, openDevice } from "../../host/driver/index.ts";
import { decodeAddresses, decodeState, isDeviceError } from "../../host/protocol/index.ts";
import { lineTo } from "../../simulator/index.ts";
import { fastClock, makePair } from "../host/pair.ts";
import { ADDRESSES, GRANT, RECEIPT, STATE, u32 } from "../second/box.ts";
import { addressesText } from "../second/link.ts";
import { BALANCE, LIMIT, LIST, PAD_SECTORS, TokenDesk } from "./token-desk.ts";

const SLOT_BYTES = 192;
const SLOTS = PAD_SECTORS / 2;

let desk: TokenDesk;
beforeAll(async () => {
  desk = await TokenDesk.open();
});
beforeEach(() => desk.begin());

/** What a device answers instead, in facts. */
async function refusal(asked: Promise<unknown>): Promise<object> {
  return asked.then(
    () => expect.fail("it succeeded"),
    (error) => (isDeviceError(error, error.code) ? { code: error.code, ...error.facts } : { code: error.code }),
  );
}

/** Asks for something that must be refused and change nothing. */
async function refuses(what: (device: Device) => Promise<unknown>, expected: object): Promise<void> {
  const before = await desk.all();
  expect(await refusal(what(desk.device))).toMatchObject(expected);
  expect(await desk.all()).toEqual(before);
}

describe("T-42 a call", () => {
  it("T-42 is the tag of the next slot and nothing else, the same however often it is asked, and changes nothing", async () => {
    const before = await desk.all();
    const first = await desk.device.call(false);
    expect(Buffer.from(first.slotItem)).toEqual(Buffer.concat([u32(16), desk.pad.subarray(0, 16)]));
    expect(await desk.device.call(false)).toEqual(first);
    await desk.reboot();
    expect(await desk.device.call(false)).toEqual(first);
    expect({ ...(await desk.all()), journalSequence: 0 }).toEqual({ ...before, journalSequence: 0 });
  });

  it("that nobody answers costs nothing: after 10,000 the next one becomes a link", async () => {
    for (let failed = 0; failed < 10_000; failed++) {
      // The host gives a slot up after 16, 32, 64 … refusals.
      const skip = failed >= 16 && (failed & (failed - 1)) === 0;
      await desk.device.call(skip);
    }
    expect((await desk.device.info()).nextSlot).toBe(10);
    await desk.link();
    expect((await desk.device.value()).link).toBe("linked");
  });

  it("gives up at most twelve slots behind the last one that was answered: the server knows the next sixteen", async () => {
    for (let skipped = 1; skipped <= 12; skipped++) {
      expect((await desk.device.call(true)).slot).toBe(skipped);
      expect(desk.content((skipped - 1) * SLOT_BYTES, SLOT_BYTES)).toEqual(new Uint8Array(SLOT_BYTES));
    }
    await refuses((device) => device.call(true), { code: "SLOT_KEPT", slot: 12 });
    await desk.reboot();
    await refuses((device) => device.call(true), { code: "SLOT_KEPT", slot: 12 });
    expect((await desk.device.call(false)).slot).toBe(12);
    await desk.ready();
    expect((await desk.device.call(true)).slot).toBe(14);
  });

  it("needs a slot: when all are used there is no call, and none is given up for nothing", async () => {
    for (let link = 0; link < SLOTS - 1; link++) await desk.ready(0n);
    await refuses((device) => device.call(true), { code: "SLOTS_EXHAUSTED", slots: SLOTS });
    await desk.ready(0n);
    await refuses((device) => device.call(false), { code: "SLOTS_EXHAUSTED", slots: SLOTS });
  });
});

describe("a welcome", () => {
  it("is answered once: its slot is destroyed, over a loss of power too", async () => {
    const welcomeItem = await desk.welcome();
    await desk.device.ready({ welcomeItem, again: 0, number: 0, cap: 100n });
    expect(desk.content(0, SLOT_BYTES)).toEqual(new Uint8Array(SLOT_BYTES));
    const again = (device: Device): Promise<unknown> => device.ready({ welcomeItem, again: 0, number: 0, cap: 100n });
    expect(await refusal(again(desk.device))).toMatchObject({ code: "AUTH_FAILED" });
    await desk.reboot();
    expect(await refusal(again(desk.device))).toMatchObject({ code: "AUTH_FAILED" });
    expect(await desk.device.value()).toMatchObject({ answered: 1, openCaps: 100n, link: "none" });
  });

  it("T-23 that is not of this pad is refused: noise, a changed one, another slot's", async () => {
    const genuine = await desk.welcome();
    const changed = genuine.map((byte, i) => (i === 9 ? byte ^ 1 : byte));
    const noise = Uint8Array.from([...genuine.subarray(0, 4), ...randomBytes(64)]);
    for (const welcomeItem of [changed, noise, desk.server.welcome(1)]) {
      await refuses((device) => device.ready({ welcomeItem, again: 0, number: 0, cap: 1n }), { code: "AUTH_FAILED" });
    }
    const headless = genuine.map((byte, i) => (i === 2 ? 5 : byte));
    await refuses((device) => device.ready({ welcomeItem: headless, again: 0, number: 0, cap: 1n }), {
      code: "BAD_ARGUMENT",
      argumentOffset: 0,
    });
  });

  it("T-04 T-51 shows a device that was put back to an earlier state, and its link stays closed", async () => {
    await desk.link();
    const { box } = await desk.device.seal("last", randomBytes(50));
    desk.server.open(box);
    const earlier = desk.machine.snapshot();
    const { box: later } = await desk.device.seal("last", randomBytes(60));
    desk.server.open(later);
    desk.machine.restore(earlier);
    await desk.reboot();
    const welcomeItem = await desk.welcome();
    await refuses((device) => device.ready({ welcomeItem, again: 82, number: 0, cap: 0n }), {
      code: "OLDER",
      ...{ older: "device", number: "up used", device: 82, server: 174 },
    });
  });

  it.each([
    ["down released", { released: 1 }, "device", 0, 1],
    ["next slot", { lastCall: 2 }, "device", 1, 2],
    ["split", { split: 1000 }, "server", null, 1000],
    ["receipt", { receiptSequence: 1 }, "server", 2, 1],
  ] as const)("T-51 is compared by %s", async (number, change, older, device, server) => {
    await desk.link();
    const welcomeItem = await desk.welcome(change);
    const { split } = await desk.device.info();
    await refuses((token) => token.ready({ welcomeItem, again: 0, number: 0, cap: 0n }), {
      code: "OLDER",
      ...{ older, number, device: device ?? split, server },
    });
  });

  it("T-51 shows a server that was put back: what the device released it never sealed", async () => {
    await desk.link();
    const sealed = desk.server.seal(2, randomBytes(20));
    await desk.opens(sealed);
    await desk.device.release(sealed.offset, sealed.size);
    const welcomeItem = await desk.welcome({ down: 80 });
    await refuses((device) => device.ready({ welcomeItem, again: 0, number: 0, cap: 0n }), {
      code: "OLDER",
      ...{ older: "server", number: "down used", device: 132, server: 80 },
    });
  });
});

describe("a link", () => {
  it("begins with the receipt of its call: before it nothing is sealed", async () => {
    const early = [
      (device: Device) => device.seal("last", randomBytes(5)),
      (device: Device) => device.state({ cap: 0n, ends: false }),
    ];
    for (const what of early) await refuses(what, { code: "CALL_FIRST" });
    await desk.ready();
    for (const what of early) await refuses(what, { code: "CALL_FIRST" });
    await desk.opens(desk.server.receipt(BALANCE, 0n, { call: 7 }));
    for (const what of early) await refuses(what, { code: "CALL_FIRST" });
    await desk.opens(desk.server.receipt(BALANCE, 100n));
    for (const what of early) await what(desk.device);
    await desk.reboot();
    for (const what of early) await refuses(what, { code: "CALL_FIRST" });
  });

  it("is for tokens: a token makes no bundles and grants nothing, and a pair of two people makes no calls", async () => {
    await desk.link();
    await refuses((device) => device.begin(null, 0), { code: "CALL_FIRST" });
    await refuses((device) => device.raise(8192), { code: "WRONG_SIDE" });
    const pair = await makePair(4);
    for (const machine of [pair.low, pair.high]) {
      const device = await openDevice(lineTo(machine), { clock: fastClock });
      expect(await refusal(device.call(false))).toMatchObject({ code: "WRONG_SIDE" });
      expect(await refusal(device.state({ cap: 0n, ends: true }))).toMatchObject({ code: "WRONG_SIDE" });
      expect(
        await refusal(device.ready({ welcomeItem: new Uint8Array(68), again: 0, number: 0, cap: 0n })),
      ).toMatchObject({ code: "WRONG_SIDE" });
      expect((await device.value()).asset).toBe("");
      // Nor does one take what only a server says.
      const { offset, item } = desk.server.seal(GRANT, u32(8192));
      expect(await refusal(device.open(offset, item))).toMatchObject({ code: "BAD_ARGUMENT", argumentOffset: 4 });
    }
  });

  it("says again which boxes the server has not opened, and where it goes on", async () => {
    await desk.link();
    for (const size of [40, 50, 60]) await desk.device.seal("data", randomBytes(size));
    await desk.reboot();
    const { slot, slotItem } = await desk.device.call(false);
    desk.server.hear(slotItem.subarray(4));
    const welcomeItem = desk.server.welcome(slot);
    const { up } = await desk.device.info();
    for (const again of [up.used + 1, 2 ** 32 - 1]) {
      await refuses((device) => device.ready({ welcomeItem, again, number: 1, cap: 1n }), {
        code: "BAD_ARGUMENT",
        argumentOffset: 68,
      });
    }
    const item = await desk.device.ready({ welcomeItem, again: 72, number: 1, cap: 1n });
    expect(desk.server.ready(slot, item)).toMatchObject({ again: 72, next: 246, number: 1, cap: 1n });
  });

  it("T-51 brings the device's receipt back to the server with every call", async () => {
    await desk.ready();
    const sealed = desk.server.receipt(4321n, 100n);
    await desk.opens(sealed);
    const { receipt } = await desk.ready();
    expect(receipt).toMatchObject({ sequence: 2, call: 1, balance: 4321n });
    expect(Buffer.from(receipt.mac)).toEqual(Buffer.from(desk.server.mac(receipt)));
  });

  it("is granted more of the pad by its server, and never less", async () => {
    await desk.link();
    const { split } = await desk.device.info();
    expect(await desk.opens(desk.server.grant(split + 4096))).toBe(false);
    expect((await desk.device.info()).split).toBe(split + 4096);
    for (const wrong of [split, split + 4096, desk.pad.length - 1023, 2 ** 32 - 1, 0]) {
      expect(await desk.opens(desk.server.seal(GRANT, u32(wrong)))).toBe(true);
    }
    await desk.reboot();
    expect((await desk.device.info()).split).toBe(split + 4096);
  });

  it("is never granted what was opened of down and may be released yet, and so stays in service", async () => {
    const { offset, item, size } = desk.server.seal(2, randomBytes(3000));
    await desk.device.open(offset, item);
    const grant = desk.server.seal(GRANT, u32(offset + 1));
    expect(await desk.opens(grant)).toBe(true);
    const { slot } = await desk.device.call(false);
    const wrong = desk.server.welcome(slot, { split: offset + 1 });
    await refuses((device) => device.ready({ welcomeItem: wrong, again: 0, number: 0, cap: 0n }), {
      code: "BAD_ARGUMENT",
      argumentOffset: 12,
    });
    // Nor what brings the grant.
    const last = desk.server.seal(GRANT, u32(grant.offset + 1));
    expect(await desk.opens(last)).toBe(true);
    expect(await desk.opens(desk.server.seal(GRANT, u32(last.offset - grant.size)))).toBe(false);
    await desk.device.release(last.offset - grant.size, size + 3 * grant.size);
    await desk.reboot();
    expect(await desk.device.info()).toMatchObject({ state: "active", split: last.offset - grant.size });
  });

  it("T-04 shows what the server notes to the owner in its welcome, as long as it lasts", async () => {
    const none = { heardAgain: false, inDoubt: false, nothingLeft: false };
    const welcomeItem = await desk.welcome({ notes: 1 });
    await desk.device.ready({ welcomeItem, again: 0, number: 0, cap: 0n });
    expect((await desk.device.value()).notes).toEqual({ ...none, heardAgain: true });
    const next = await desk.welcome({ notes: 6, lastCall: 1 });
    await desk.device.ready({ welcomeItem: next, again: 0, number: 0, cap: 0n });
    expect((await desk.device.value()).notes).toEqual({ ...none, inDoubt: true, nothingLeft: true });
    await desk.reboot();
    expect((await desk.device.value()).notes).toEqual(none);
  });

  it("needs a grant for a state too, when the last byte of up is used", async () => {
    await desk.link();
    const { room } = await desk.device.info();
    for (let left = room; left >= 32; ) {
      const size = Math.min(4096, left - 32);
      await desk.device.seal("data", randomBytes(size));
      left -= size + 32;
    }
    await refuses((device) => device.state({ cap: 0n, ends: true }), { code: "NEED_GRANT", needed: 52 });
    const { split } = await desk.device.info();
    await desk.opens(desk.server.grant(split + 52));
    const { box } = await desk.device.state({ cap: 0n, ends: true });
    expect(box).toHaveLength(40);
  });
});

describe("T-20 value", () => {
  it("T-20 is shown as pad units and as money, both as the server has them", async () => {
    await desk.ready(300n);
    await desk.opens(desk.server.receipt(4700n, 250n, { up: 0 }));
    expect(await desk.device.value()).toEqual({
      receipt: { sequence: 2, call: 1, balance: 4700n, up: 0 },
      openCaps: 250n,
      answered: 1,
      limit: LIMIT,
      asset: "EUR",
      link: "linked",
      notes: { heardAgain: false, inDoubt: false, nothingLeft: false },
      lost: 0,
    });
    const { box } = await desk.device.seal("last", randomBytes(100));
    desk.server.open(box);
    const { up, down, split } = await desk.device.info();
    const { end } = desk.server;
    expect([up.used, split]).toEqual([end.used.up, end.split]);
    expect(down.used).toBeLessThanOrEqual(end.used.down);
    await desk.reboot();
    expect(await desk.device.value()).toMatchObject({ receipt: { balance: 4700n }, openCaps: 250n, link: "none" });
  });

  it("T-20 cannot be written by a host: what is not the server's own receipt, or older than the one held, changes nothing", async () => {
    await desk.link();
    const genuine = desk.server.receipt(9_999_999n, 0n, { sequence: 40 });
    for (const byte of [4, 12, 20, 52]) {
      const forged = genuine.item.map((value, i) => (i === byte ? value ^ 1 : value));
      await refuses((device) => device.open(genuine.offset, forged), { code: "AUTH_FAILED" });
    }
    await refuses((device) => device.open(genuine.offset - 1, genuine.item), { code: "AUTH_FAILED" });
    const older = desk.server.receipt(9_999_999n, 0n, { sequence: 2 });
    const before = await desk.all();
    expect(await desk.opens(older)).toBe(true);
    expect(await desk.all()).toEqual(before);
    for (const kind of [RECEIPT, STATE, ADDRESSES, GRANT]) {
      const text = randomBytes(kind === GRANT ? 4 : 48);
      await refuses((device) => device.request({ ...sealOf(kind) }, { text }), { code: "BAD_ARGUMENT" });
    }
  });

  it("T-51 does not fall back: of a receipt that a cut took from the record, nothing newer was promised", async () => {
    await desk.link();
    for (const [i, balance] of [4000n, 3000n, 2000n].entries()) {
      await desk.opens(desk.server.receipt(balance, 10n));
      await desk.reboot();
      expect((await desk.device.value()).receipt).toMatchObject({ sequence: 3 + i, balance });
    }
  });

  it("above the owner's limit costs a press of the button, once for each cap", async () => {
    const { machine } = desk;
    const welcomeItem = await desk.welcome();
    const ready = (device: Device): Promise<unknown> =>
      device.ready({ welcomeItem, again: 0, number: 0, cap: LIMIT + 1n });
    await refuses(ready, { code: "PRESENCE", refused: false });
    machine.press("reject");
    await refuses(ready, { code: "PRESENCE", refused: true });
    await refuses(ready, { code: "PRESENCE", refused: false });
    await refuses(ready, { code: "PRESENCE", refused: false });
    machine.press();
    await desk.device.ready({ welcomeItem, again: 0, number: 0, cap: LIMIT + 1n });
    await desk.opens(desk.server.receipt(BALANCE, LIMIT + 1n, { call: 1 }));
    // Who allows nothing more asks nobody.
    await desk.device.state({ cap: 0n, ends: false });
    await refuses((device) => device.state({ cap: 1n, ends: false }), { code: "PRESENCE", refused: false });
    machine.presence = "reject";
    await refuses((device) => device.state({ cap: 1n, ends: false }), { code: "PRESENCE", refused: true });
    machine.presence = "accept";
    await refuses((device) => device.state({ cap: 1n, ends: true }), { code: "PRESENCE", refused: false });
    const { box } = await desk.device.state({ cap: 1n, ends: true });
    desk.server.end.used.up += 52;
    expect(decodeState(desk.server.open(box).text)).toEqual({
      ...{ down: 0, receiptSequence: 2, cap: LIMIT + 2n, ends: true, wantsRoom: false },
    });
  });

  it("counts no press from before the question, none twice, and none over a loss of power", async () => {
    const { machine } = desk;
    const waiting = { code: "PRESENCE", refused: false };
    const welcomeItem = await desk.welcome();
    const cap = LIMIT + 1n;
    const ready = (device: Device): Promise<unknown> => device.ready({ welcomeItem, again: 0, number: 0, cap });
    machine.press();
    await refuses(ready, waiting);
    await desk.reboot();
    machine.press();
    await refuses(ready, waiting);
    machine.press();
    await ready(desk.device);
    await desk.opens(desk.server.receipt(BALANCE, cap, { call: 1 }));
    machine.press();
    await refuses((device) => device.state({ cap: 1n, ends: false }), waiting);
    machine.press();
    await desk.device.state({ cap: 1n, ends: false });
    await refuses((device) => device.state({ cap: 1n, ends: false }), waiting);
  });

  it("is allowed up to the limit without one, also in several steps", async () => {
    await desk.link(400n);
    await desk.device.state({ cap: 600n, ends: false });
    await refuses((device) => device.state({ cap: 1n, ends: false }), { code: "PRESENCE" });
    await desk.link(LIMIT);
  });

  it("never understates what the server may still debit: caps add up until a receipt of the call says what is open", async () => {
    await desk.ready(100n);
    await desk.ready(200n);
    expect((await desk.device.value()).openCaps).toBe(300n);
    await desk.opens(desk.server.receipt(4900n, 0n, { call: 1 }));
    expect((await desk.device.value()).openCaps).toBe(300n);
    await desk.opens(desk.server.receipt(4900n, 200n));
    expect((await desk.device.value()).openCaps).toBe(200n);
    // A receipt from before a raise does not know of it.
    const before = desk.server.receipt(4850n, 150n);
    const { box } = await desk.device.state({ cap: 50n, ends: false });
    await desk.opens(before);
    expect((await desk.device.value()).openCaps).toBe(250n);
    desk.server.open(box);
    await desk.opens(desk.server.receipt(4850n, 200n));
    expect((await desk.device.value()).openCaps).toBe(200n);
  });

  it("stays the highest number there is when more is allowed than fits", async () => {
    const most = 2n ** 64n - 1n;
    const welcomeItem = await desk.welcome();
    await refuses((device) => device.ready({ welcomeItem, again: 0, number: 0, cap: most }), { code: "PRESENCE" });
    desk.machine.press();
    await desk.ready(most);
    await desk.ready(5n);
    expect((await desk.device.value()).openCaps).toBe(most);
  });
});

describe("T-19 the list of addresses", () => {
  const NEW = { number: 4, addresses: ["tcp://three.example:1"] };

  async function list(): Promise<unknown> {
    const page = await desk.device.page(1);
    const length = page.subarray(32, 252).findLastIndex((byte) => byte !== 0) + 1;
    return decodeAddresses(
      Uint8Array.from([...page.subarray(28, 32), ...page.subarray(24, 28), ...page.subarray(32, 32 + length)]),
    );
  }

  it("T-19 is the server's to change, within a link, and holds from then on", async () => {
    expect(await list()).toEqual(LIST);
    expect(await desk.opens(desk.server.addresses(NEW))).toBe(false);
    expect(await list()).toEqual(NEW);
    await desk.reboot();
    expect(await list()).toEqual(NEW);
    for (let number = 5; number < 12; number++) {
      const next = { number, addresses: [`ws://host${number}.example/`, `tcp://host${number}.example:7300`] };
      expect(await desk.opens(desk.server.addresses(next))).toBe(false);
      if (number % 3 === 0) await desk.reboot();
      expect(await list()).toEqual(next);
    }
    // The pad stays what it is.
    await desk.link();
    const { box } = await desk.device.seal("last", randomBytes(10));
    expect(desk.server.open(box).text).toHaveLength(10);
  });

  it("T-19 that is malformed, empty or old is refused, and the old one kept", async () => {
    const malformed = [
      { number: 9, addresses: ["tcp://a b"] },
      { number: 9, addresses: ["tcp://ä"] },
      { number: 9, addresses: ["x".repeat(201)] },
      { number: 9, addresses: Array.from({ length: 17 }, () => "x") },
      { number: 9, addresses: ["", "tcp://a"] },
      { number: 3, addresses: ["tcp://a"] },
      { number: 2, addresses: ["tcp://a"] },
      { number: 0, addresses: ["tcp://a"] },
    ].map(addressesText);
    const right = addressesText(NEW);
    const none = Uint8Array.from([...u32(9, 0), 1, 0x61]);
    const counts = [0, 2, 255].map((count) => right.map((byte, i) => (i === 4 ? count : byte)));
    for (const text of [...malformed, none, ...counts, Uint8Array.from([...right, 0])]) {
      const sealed = desk.server.seal(ADDRESSES, text);
      const before = await desk.all();
      expect(await desk.opens(sealed)).toBe(true);
      expect(await desk.all()).toEqual(before);
    }
    expect(await desk.opens(desk.server.addresses(NEW))).toBe(false);
  });

  it("T-19 that the server did not seal, or not for this pad, is refused, and the old one kept", async () => {
    const { offset, item } = desk.server.addresses(NEW);
    for (let byte = 4; byte < item.length; byte += 7) {
      const changed = item.map((value, i) => (i === byte ? value ^ 0x10 : value));
      await refuses((device) => device.open(offset, changed), { code: "AUTH_FAILED" });
    }
    await refuses(
      (device) =>
        device.open(
          offset,
          Uint8Array.from(randomBytes(item.length)).map((b, i) => (i < 4 ? item[i]! : b)),
        ),
      {
        code: "AUTH_FAILED",
      },
    );
    const other = await (await TokenDesk.open()).begin();
    const foreign = other.server.addresses(NEW);
    await refuses((device) => device.open(foreign.offset, foreign.item), { code: "AUTH_FAILED" });
  });
});

/** SEAL of a kind that a host may not make. */
function sealOf(kind: number) {
  return {
    name: "SEAL",
    type: 0x21,
    aside: false,
    encode: ({ text }: { text: Uint8Array }) => Uint8Array.from([...u32(kind), ...text]),
    decode: (reply: Uint8Array) => reply,
  };
}
