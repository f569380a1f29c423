/** Vectors of kind journal about tokens: what a boot makes of receipts, open caps and lists of addresses (docs/SPEC.md sections 4 to 6). */
import * as box from "../box.ts";
import { concat, u32 } from "../box.ts";
import { bytesOf, hex } from "../bytes.ts";
import { crc32 } from "../frame.ts";
import { type Identity, type JournalRecord, type SECTIONS, STATES } from "../journal.ts";
import { type AddressList, type HeldReceipt, welcomeText } from "../link.ts";
import { opening, Server } from "../server.ts";
import { ADDRESSES, MAC_KEY } from "./call.ts";
import { identity, LOW, type Placed, pad, record, resealed, type Scene, vector, zeros } from "./journal.ts";
import type { Vector } from "./vector.ts";
import type { World } from "./world.ts";

/** A pad of 16,384 bytes with two slots on the low side. */
const SPLIT = 1384;
const BASE = 384;
const TOKEN: Identity = {
  ...{ ...LOW, split: SPLIT, slotsHigh: 0, generation: 1 },
  ...{ asset: bytesOf([{ text: "EUR" }, { zeros: 5 }]), limit: 1000n, list: { number: 3, addresses: ADDRESSES } },
};
const NEWER: Identity = { ...TOKEN, revision: 2, list: { number: 4, addresses: ["tcp://moved.example:7300"] } };

const serverOf = (): Server => {
  return new Server({ padId: TOKEN.padId, burnUnit: 1, split: SPLIT }, bytesOf(pad().bytes), TOKEN.asset, MAC_KEY, 1);
};

function held(sequence: number, balance: bigint, call: number, up = 0): HeldReceipt {
  return { sequence, balance, call, up, mac: serverOf().mac({ sequence, balance, call, up }) };
}

export function valueVectors(): Vector[] {
  return [...joins(), ...fallbacks(), ...identities(), ...serving()];
}

/** A record of the token; the slots that it says are used are burned in the flash. */
function of(place: number, change: Partial<JournalRecord>, altered?: (bytes: Uint8Array) => void): Placed {
  return record(0, place, { split: SPLIT, sequence: place + 1, ...change }, altered);
}

function token(...flash: Placed[]): Placed[] {
  return [...identity(TOKEN), pad(), ...flash];
}

const value = (world: World): void => {
  world.does("device", "VALUE", "");
};

function scene(name: string, shows: string, section: string, flash: Placed[], rest: Partial<Scene> = {}): Vector {
  return vector(`value-${name}`, shows, section, { flash, play: value, ...rest });
}

function joins(): Vector[] {
  const first = held(1, 5000n, 0);
  const second = held(2, 4900n, 1, 137);
  const third = held(3, 4800n, 1, 274);
  return [
    scene("one", "One record with a receipt, open caps and a call that was answered.", "5", [
      ...token(zeros(0, 192), of(0, { nextSlot: 1, receipt: second, openCaps: 55n, answered: 1 })),
    ]),
    scene(
      "highest",
      "The receipt is that of the highest sequence, wherever it stands and however low its balance.",
      "5",
      [...token(of(0, { receipt: first }), of(1, { receipt: third }), of(2, { receipt: second }))],
    ),
    scene(
      "not-newest",
      "The newest record does not decide: a torn one that became readable holds a newer receipt.",
      "5",
      [...token(of(4, { receipt: third, openCaps: 1n }), of(7, { receipt: first, openCaps: 500n }))],
    ),
    scene("open-caps", "Open caps are the highest of the records that hold the receipt.", "5", [
      ...token(
        of(0, { receipt: first, openCaps: 900n }),
        of(1, { receipt: second, openCaps: 40n }),
        of(2, { receipt: second, openCaps: 70n }),
        of(3, { receipt: second, openCaps: 60n }),
      ),
    ]),
    scene("open-caps-earlier", "Open caps of records with an earlier receipt do not count.", "5", [
      ...token(of(0, { receipt: first, openCaps: 900n }), of(1, { receipt: second, openCaps: 0n })),
    ]),
    scene(
      "open-caps-late",
      "A receipt that was torn and is readable now: caps of later boots count, whatever receipt stands beside them.",
      "5",
      [
        ...token(
          of(0, { receipt: second, openCaps: 400n }),
          of(1, { receipt: third, openCaps: 10n }),
          of(2, { bootEpoch: 2, receipt: second, openCaps: 300n }),
          of(3, { bootEpoch: 3, receipt: first, openCaps: 20n }),
        ),
      ],
    ),
    scene("open-caps-late-first", "Later is behind the first boot in which the receipt was held.", "5", [
      ...token(
        of(0, { bootEpoch: 2, receipt: second, openCaps: 900n }),
        of(1, { bootEpoch: 3, receipt: third, openCaps: 10n }),
        of(2, { bootEpoch: 4, receipt: second, openCaps: 30n }),
        of(3, { bootEpoch: 5, receipt: third, openCaps: 5n }),
      ),
    ]),
    scene("open-caps-late-order", "Epochs decide, not places or sequences.", "5", [
      ...token(
        of(0, { bootEpoch: 5, sequence: 9, receipt: second, openCaps: 60n }),
        of(3, { bootEpoch: 4, sequence: 2, receipt: third, openCaps: 10n }),
        of(4, { bootEpoch: 3, sequence: 20, receipt: second, openCaps: 500n }),
      ),
    ]),
    scene("open-caps-large", "Open caps have 64 bits.", "5", [
      ...token(
        of(0, { receipt: second, openCaps: 0x1_0000_0000n }),
        of(1, { receipt: second, openCaps: 0xffff_ffffn }),
      ),
    ]),
    scene("answered", "The last call that was answered is the highest of the records.", "5", [
      ...token(zeros(0, 384), of(0, { nextSlot: 2, answered: 2 }), of(1, { answered: 1, receipt: second })),
    ]),
    scene("none", "Without a receipt open caps are the highest of all records.", "5", [
      ...token(of(0, { openCaps: 10n }), of(1, { openCaps: 30n }), of(2, {})),
    ]),
    scene("older-generation", "Receipts of an older generation are forgotten.", "5", [
      ...identity({ ...TOKEN, generation: 2 }),
      pad(),
      of(5, { receipt: third, openCaps: 900n, answered: 2 }),
      of(0, { generation: 2, receipt: first }),
    ]),
    scene("bad-crc", "A receipt of a record that is not valid does not count.", "5", [
      ...token(of(0, { receipt: first }), of(1, { receipt: third, openCaps: 9n }, resealed(0, 0x55))),
    ]),
    scene("balance-rises", "A receipt of a higher sequence may say more.", "5", [
      ...token(of(0, { receipt: second }), of(1, { receipt: held(3, 9000n, 1, 200) })),
    ]),
    ...(["inactive", "cancelled", "wiping"] as const).map((state) => {
      return scene(state, `In state ${state} VALUE still says what there is.`, "8", [
        ...token(of(0, { state: STATES[state], receipt: second, openCaps: 3n, answered: 1 })),
      ]);
    }),
  ];
}

function fallbacks(): Vector[] {
  const PAGES = [0, 1, 2];
  const shown = (world: World): void => {
    for (const page of PAGES) world.does("device", "PAGE", { u32: page });
    value(world);
  };
  const torn = (page: number): Placed[] => identity(NEWER).filter((_, i) => i !== page);
  const whole = (flash: Placed[], ...more: Placed[]): Placed[] => [
    ...identity(TOKEN),
    pad(),
    ...flash,
    of(0, {}),
    of(1, { revision: 2, receipt: held(2, 4900n, 1) }),
    ...more,
  ];
  const fallback = (name: string, shows: string, flash: Placed[], rest: Partial<Scene> = {}): Vector => {
    return vector(`fallback-${name}`, shows, "6.4", { flash, play: shown, ...rest });
  };
  const faulty = (name: string, shows: string, section: keyof typeof SECTIONS, flash: Placed[]): Vector => {
    return fallback(name, shows, flash, { faulty: section, unwritten: true, play: (world) => void world });
  };
  const lacking = PAGES.map((page) => {
    return fallback(
      `page-${page}`,
      `Page ${page} of the revision in force is erased: the revision before, of the same fill, is in force.`,
      whole(torn(page)),
    );
  });
  return [
    ...lacking,
    fallback("not-needed", "The journal's revision is valid: the one before does not matter.", whole(identity(NEWER))),
    fallback("torn", "A page of which half is programmed.", whole([...identity(NEWER), halfErased()])),
    fallback(
      "next-list",
      "A list that comes then takes the copy of the torn one, above the journal's revision.",
      whole(torn(1)),
      { play: (world) => takesList(world) },
    ),
    ...lists(),
    faulty("generation", "The revision before is of another fill.", "connection", [
      ...identity({ ...TOKEN, generation: 2 }),
      ...whole(torn(1)).slice(3),
    ]),
    faulty("no-generation", "The revision before names no fill, as those of release 0.1.0.", "encryption", [
      ...identity({ ...TOKEN, generation: 0 }),
      ...whole(torn(2)).slice(3),
    ]),
    faulty("both-torn", "Neither revision is valid: the section is that of the journal's.", "encryption", [
      ...identity(TOKEN).slice(1),
      ...whole(torn(2)).slice(3),
    ]),
    fallback("carried", "A record says that revision 1 carries on: copy 0 may hold anything.", [
      ...identity(TOKEN),
      ...[0, 1, 2].map((page) => noise(page)),
      pad(),
      of(0, {}),
      of(1, { revision: 3, carried: 1 }),
    ]),
    fallback("carried-not-needed", "The journal's revision is valid: what is carried does not matter.", [
      ...identity({ ...NEWER, revision: 3 }),
      ...identity(NEWER),
      pad(),
      of(0, { revision: 3, carried: 2 }),
    ]),
    fallback("carried-first", "What is carried comes before the revision below.", [
      ...identity({ ...TOKEN, revision: 3 }),
      ...identity({ ...NEWER, revision: 4 }),
      pad(),
      of(0, { revision: 5, carried: 3 }),
    ]),
    fallback("carried-gone", "What is carried is not there: the revision below is.", [
      ...identity({ ...NEWER, revision: 4 }),
      pad(),
      of(0, { revision: 5, carried: 1 }),
    ]),
    fallback("carried-highest", "Of the records of the highest revision the highest carried counts.", [
      ...identity(TOKEN),
      pad(),
      of(0, { revision: 2, carried: 9 }),
      of(1, { revision: 3, carried: 1 }),
      of(2, { revision: 3 }),
    ]),
    faulty("carried-generation", "What is carried is of another fill.", "identity", [
      ...identity({ ...TOKEN, generation: 2 }),
      pad(),
      of(0, { revision: 3, carried: 1 }),
    ]),
    faulty("two-before", "The revision two before is not looked for.", "identity", [
      ...identity(TOKEN),
      pad(),
      of(0, {}),
      of(1, { revision: 3 }),
    ]),
    fallback("third", "Revision 3 is torn, revision 2 in force.", [
      ...identity(NEWER),
      pad(),
      of(0, { revision: 2 }),
      of(1, { revision: 3 }),
    ]),
  ];
}

/** A list that comes, how many records it writes, and the same after a boot; it is read under the revision of the newest record. */
function takesList(world: World): void {
  const server = serverOf();
  for (const number of [7, 8]) {
    world.does("device", "OPEN", open(server.addresses({ number, addresses: [`tcp://later${number}.example:1`] })));
    world.shows("device", "journalSequence");
    for (const page of [0, 1]) world.does("device", "PAGE", { u32: page });
  }
}

/** Which revision a list gets, and when a record comes before it (section 4). */
function lists(): Vector[] {
  const list = (name: string, shows: string, flash: Placed[]): Vector => {
    return vector(`list-${name}`, shows, "4", { flash: [...flash, pad()], play: takesList });
  };
  const other = (revision: number): Placed[] => identity({ ...TOKEN, revision });
  return [
    list("first", "The first list of a fill: the other copy was never written.", [...other(1), of(0, {})]),
    list("tried", "A try of revision 2 is whole but for its record, which may turn up.", [
      ...other(1),
      ...other(2),
      of(0, {}),
    ]),
    list("tried-torn", "A try of revision 2 of which only the first page is whole.", [
      ...other(1),
      ...other(2).slice(0, 1),
      of(0, {}),
    ]),
    list("tried-then-erased", "A try behind one that was carried on; the copy is blank again.", [
      ...other(1),
      of(0, {}),
      of(1, { revision: 3, carried: 1 }),
    ]),
    list("tried-twice", "A try of revision 4 behind one that was carried on.", [
      ...other(1),
      ...other(4),
      of(0, {}),
      of(1, { revision: 3, carried: 1 }),
    ]),
    list("older", "The other copy holds the whole list before.", [...other(1), ...other(2), of(0, { revision: 2 })]),
    list("older-erased", "The list before is erased: a try came as far as that, or further.", [
      ...other(2),
      of(0, { revision: 2 }),
    ]),
    list("older-torn", "The list before lacks a page.", [...other(1).slice(0, 2), ...other(2), of(0, { revision: 2 })]),
    list("older-noise", "The other copy holds a revision that there was not.", [...other(1), noise(0), of(0, {})]),
    list("late", "The journal's revision is torn, and nothing was tried since.", [
      ...other(1),
      ...other(2).slice(0, 2),
      of(0, { revision: 2 }),
    ]),
    list("late-tried", "The journal's revision gave way to a try of the next, whose record may turn up.", [
      ...other(1),
      ...other(4),
      of(0, { revision: 2 }),
    ]),
    list("late-erased", "The journal's revision is erased, behind another list than the first.", [
      ...other(2),
      of(0, { revision: 3 }),
    ]),
    vector("list-no-fill", "A pad that release 0.1.0 filled names no fill and keeps its addresses.", "13 OPEN", {
      flash: [...identity({ ...TOKEN, generation: 0 }), pad(), of(0, {})],
      play: takesList,
    }),
    vector("list-other-fill", "Nor does an identity of another fill take a list.", "13 OPEN", {
      flash: [...identity({ ...TOKEN, generation: 2 }), pad(), of(0, {})],
      play: takesList,
    }),
  ];
}

/** A page of copy 0 that holds anything. */
function noise(page: number): Placed {
  return { at: 4 * 4096 + 256 * page, bytes: { seed: `noise ${page}`, length: 256 }, is: "a page that is not valid" };
}

/** The last 128 bytes of page 1 in copy 0. */
function halfErased(): Placed {
  return { at: 4 * 4096 + 256 + 128, bytes: hex(new Uint8Array(128).fill(0xff)), is: "half a page that is erased" };
}

/** Nine equal bytes of the pad. */
function dead(offset: number): Placed {
  return { at: zeros(offset, 9).at, bytes: "5a".repeat(9), is: "nine equal bytes" };
}

function open(sealed: Parameters<typeof opening>[0]): string {
  return hex(opening(sealed));
}

function identities(): Vector[] {
  /** A byte of a page changed, and its CRC-32 made right. */
  const altered = (page: number, at: number, byte: number): Placed[] => {
    return identity(TOKEN).map((placed, i) => {
      const bytes = bytesOf(placed.bytes);
      if (i === page) withCrc(bytes, at, byte);
      return { ...placed, bytes: hex(bytes) };
    });
  };
  const refused = (name: string, shows: string, pages: Placed[]): Vector => {
    return vector(`token-${name}`, shows, "6.4", {
      ...{ flash: [...pages, pad(), of(0, {})], faulty: "identity", unwritten: true },
      play: value,
    });
  };
  const shown = (name: string, shows: string, list: AddressList): Vector => {
    return vector(`token-${name}`, shows, "4", {
      flash: [...identity({ ...TOKEN, list }), pad(), of(0, {})],
      play: (world) => world.does("device", "PAGE", { u32: 1 }),
    });
  };
  return [
    shown("no-addresses", "A token without addresses.", { number: 0, addresses: [] }),
    shown("sixteen-addresses", "Sixteen addresses.", {
      number: 9,
      addresses: Array.from({ length: 16 }, (_, i) => `tcp://h${i}`),
    }),
    refused("too-many-addresses", "Seventeen addresses are none that a fill would have taken.", altered(1, 24, 17)),
    refused("address-empty", "An address of no bytes.", altered(1, 32, 0)),
    refused("address-space", "An address with a space.", altered(1, 34, 0x20)),
    refused("address-beyond", "An address that is longer than the page.", altered(1, 32, 221)),
    refused("side", "A side that there is not, on a valid page.", altered(0, 12, 2)),
    refused("suite", "A suite that there is not, on a valid page.", altered(2, 12, 2)),
    refused("slots", "Another number of slots than the pad's length gives.", altered(1, 12, 3)),
    refused("first-split", "A first split that lies in the slots.", altered(0, 45, 0)),
  ];
}

/** The byte at `at` of a page, and the page's CRC-32 over it. */
function withCrc(page: Uint8Array, at: number, byte: number): void {
  page[at] = byte;
  page.set(u32(crc32(page.subarray(0, 252))), 252);
}

function serving(): Vector[] {
  const call = { nextSlot: 1, answered: 1, openCaps: 100n, pendingOffset: 0, pendingLength: 192 };
  return [
    vector(
      "token-ready",
      "A cut after READY reserved its slot: the slot is burned, the link is gone, the cap is open.",
      "6.7",
      {
        flash: token(of(0, { receipt: held(1, 5000n, 0), ...call })),
        play: (world) => {
          value(world);
          world.fails("device", "SEAL", [{ u32: box.LAST }, { text: "Hello" }], "CALL_FIRST");
          world.does("device", "CALL", { u32: 0 });
        },
      },
    ),
    vector("token-witness", "A slot that reads burned was called with, even when no record says so.", "6.5", {
      flash: token(zeros(0, 192), of(0, { receipt: held(1, 5000n, 0) })),
      play: (world) => {
        value(world);
        world.does("device", "CALL", { u32: 0 });
      },
    }),
    vector("token-link", "A token of a journal calls, and is linked by a receipt above the joined one.", "13", {
      flash: token(
        zeros(BASE, 37),
        zeros(0, 192),
        of(0, {
          ...{ ...call, upUsed: 37, upBurned: 37, receipt: held(2, 4900n, 1, 0), openCaps: 10n, pendingLength: 0 },
        }),
      ),
      play: (world) => {
        const server = serverOf();
        world.does("device", "CALL", { u32: 0 });
        const marks = { up: 37, down: 0, released: 0, split: SPLIT, lastCall: 1, receiptSequence: 2 };
        const at = 192 + 16;
        const welcome = welcomeText({ notes: 0, ...marks, unfinished: 0, lost: 0 });
        const item = server.end.sealAt(at, server.end.slice(at, 80), "down", box.WELCOME, welcome);
        world.does("device", "READY", hex(concat(item, u32(37, 0, 50, 0))));
        value(world);
        world.does("device", "OPEN", open(server.receipt(4890n, 40n, { sequence: 3, call: 2, up: 37 })));
        value(world);
        world.does("device", "SEAL", [{ u32: box.LAST }, { text: "Hello" }]);
      },
    }),
    vector("token-filled-by-0-1-0", "A token that release 0.1.0 filled has no value, and calls.", "Version", {
      flash: [...identity({ split: SPLIT, slotsHigh: 0 }), pad(), of(0, {})],
      play: (world) => {
        value(world);
        world.does("device", "PAGE", { u32: 0 });
        world.does("device", "PAGE", { u32: 1 });
        world.does("device", "CALL", { u32: 0 });
      },
    }),
    vector("token-faulty", "A faulty device has no value, and does not call.", "8", {
      flash: [pad()],
      faulty: "journal",
      unwritten: true,
      play: (world) => {
        value(world);
        world.fails("device", "CALL", { u32: 0 }, "FAULTY");
        world.fails("device", "READY", { zeros: 84 }, "FAULTY");
        world.fails("device", "STATE", { zeros: 12 }, "FAULTY");
      },
    }),
    vector("token-dead-slot", "A slot that cannot be pad is not called with; giving it up shows the next one.", "8", {
      flash: token(dead(192 * 1 + 100), of(0, { receipt: held(1, 5000n, 0) })),
      play: (world) => {
        world.fails("device", "CALL", { u32: 1 }, "FLASH_FAULT");
        world.shows("device", "nextSlot", "journalSequence");
        world.fails("device", "CALL", { u32: 0 }, "FLASH_FAULT");
        world.fails("device", "READY", ["30000400", { zeros: 80 }], "FLASH_FAULT");
        world.fails("device", "CALL", { u32: 1 }, "SLOTS_EXHAUSTED");
        world.shows("device", "nextSlot", "journalSequence");
      },
    }),
    vector("token-dead-given-up", "A slot that cannot be pad is given up as any other.", "8", {
      flash: token(dead(183), of(0, { receipt: held(1, 5000n, 0) })),
      play: (world) => {
        world.fails("device", "CALL", { u32: 0 }, "FLASH_FAULT");
        world.does("device", "CALL", { u32: 1 });
        world.shows("device", "nextSlot", "journalSequence");
      },
    }),
    vector("token-slots-used", "All slots used: nothing is called with.", "13 CALL", {
      flash: token(zeros(0, 384), of(0, { nextSlot: 2 })),
      play: (world) => world.fails("device", "CALL", { u32: 0 }, "SLOTS_EXHAUSTED"),
    }),
    ...[0, 1].map((page) => {
      const lacking = identity(TOKEN).filter((_, i) => i !== page);
      return vector(`token-faulty-page-${page}`, "A device without its identity has no value.", "14", {
        flash: [...lacking, pad(), of(0, { receipt: held(1, 5000n, 0) })],
        faulty: page === 0 ? "identity" : "connection",
        unwritten: true,
        play: value,
      });
    }),
  ];
}
