/** Vectors of kind device: commands to one device or two twins, and their replies (docs/SPEC.md sections 8 to 10). */
import { consumed, DATA, LAST, readU32 } from "../box.ts";
import { type Bytes, bytesOf, hex, type Seeded } from "../bytes.ts";
import { End, type Side, HERE as STARTS_HERE } from "../end.ts";
import type { Chip } from "../journal.ts";
import type { Vector } from "./vector.ts";
import { CHIP, type Fill, fillOf, fillPayload, World } from "./world.ts";

const MARKS = ["upUsed", "upBurned", "downUsed", "downBurned", "split", "room", "nextSlot"];
const PAD: Seeded = { seed: "pad of a pair", length: 8192 };
const HERE: Bytes = [{ u32: 0xffffffff }, { u32: 0 }];
const HELLO: Bytes = { text: "Hello" };

export function deviceVectors(): Vector[] {
  return [
    ...sealing(),
    ...opening(),
    ...limits(),
    ...arguments_(),
    ...filling(),
    ...burnUnits(),
    ...reboots(),
    ...selftests(),
  ];
}

function vector(name: string, shows: string, section: string, world: World, play: (world: World) => void): Vector {
  play(world);
  const { chip, fills, steps } = world;
  return { name: `device-${name}`, kind: "device", shows, section, chip, devices: fills, steps };
}

function pair(change: Partial<Fill> = {}, chip: Chip = CHIP): World {
  return new World({ low: fillOf("low", change), high: fillOf("high", change) }, chip);
}

function low(change: Partial<Fill> = {}): World {
  return new World({ low: fillOf("low", change) });
}

function high(change: Partial<Fill> = {}): World {
  return new World({ high: fillOf("high", change) });
}

/** SEAL; the offset of the box and its bytes. */
function seal(
  world: World,
  on: string,
  text: Bytes,
  kind: number = LAST,
): { offset: number; size: number; item: string } {
  const reply = world.does(on, "SEAL", [{ u32: kind }, text]);
  const unit = world.fills[on]?.burnUnit as number;
  const size = consumed(reply.length - 28, unit);
  return { offset: readU32(reply, 4), size, item: hex(reply.subarray(8)) };
}

/** BEGIN; the payload of the FIND that answers it. */
function begin(world: World, on: string, payload: Bytes = HERE): string {
  const reply = world.does(on, "BEGIN", payload);
  return hex(reply.subarray(12, 28)) + hex(reply.subarray(28));
}

function sealing(): Vector[] {
  return [
    vector("seal-up", "Low seals from the slots upward; used and burned follow.", "8 SEAL", low(), (world) => {
      world.shows("low", ...MARKS);
      seal(world, "low", HELLO);
      seal(world, "low", "");
      seal(world, "low", { seed: "text", length: 115 });
      world.shows("low", ...MARKS);
    }),
    vector("seal-down", "High seals from its slots downward; used and burned follow.", "8 SEAL", high(), (world) => {
      world.shows("high", ...MARKS);
      seal(world, "high", HELLO);
      seal(world, "high", "");
      seal(world, "high", { seed: "text", length: 115 });
      world.shows("high", ...MARKS);
    }),
    vector("seal-largest", "A box of 4,096 bytes of text, the largest payload there is.", "8 SEAL", low(), (world) => {
      seal(world, "low", { seed: "text", length: 4096 }, DATA);
      world.shows("low", ...MARKS);
    }),
    vector("seal-same-text", "The same text sealed twice is two boxes under two keys.", "1", low(), (world) => {
      seal(world, "low", HELLO);
      seal(world, "low", HELLO);
    }),
    vector("begin-low", "BEGIN of low gives the tag of its next slot and an opening.", "8 BEGIN", low(), (world) => {
      begin(world, "low");
      world.shows("low", ...MARKS);
    }),
    vector("begin-high", "BEGIN of high takes its slots from the end of the pad.", "8 BEGIN", high(), (world) => {
      begin(world, "high");
      begin(world, "high");
      world.shows("high", ...MARKS);
    }),
    vector("begin-goes-on", "A later segment names the run's mark and its own.", "3", low(), (world) => {
      begin(world, "low");
      seal(world, "low", { seed: "text", length: 100 }, DATA);
      begin(world, "low", [{ u32: 0 }, { u32: 1 }]);
      seal(world, "low", { seed: "text", length: 50, from: 100 });
      world.shows("low", ...MARKS);
    }),
    vector(
      "journal-sequence",
      "One record at boot, one for FILL, one for COMMIT, then one for each command that changes marks, and none for others.",
      "8",
      pair(),
      (world) => {
        world.shows("low", "journalSequence", "generation", "bootEpoch");
        const find = begin(world, "low");
        world.shows("low", "journalSequence");
        const sealed = seal(world, "low", HELLO);
        world.shows("low", "journalSequence");
        world.does("high", "FIND", find);
        world.does("high", "OPEN", [{ u32: sealed.offset }, sealed.item]);
        world.shows("high", "journalSequence");
        world.does("high", "RELEASE", [{ u32: sealed.offset }, { u32: sealed.size }]);
        world.does("high", "RELEASE_SLOT", { u32: 0 });
        world.shows("high", "journalSequence");
        world.does("high", "RAISE", { u32: 8192 });
        world.shows("high", "journalSequence");
        world.does("high", "RAISE", { u32: 9000 });
        world.shows("high", "journalSequence");
      },
    ),
  ];
}

function opening(): Vector[] {
  const text: Seeded = { seed: "text", length: 300 };
  return [
    vector(
      "low-to-high",
      "A segment from low to high: find, open, release, and the slot last.",
      "8",
      pair(),
      (world) => {
        flow(world, "low", "high", [text]);
      },
    ),
    vector("high-to-low", "A segment from high to low.", "8", pair(), (world) => {
      flow(world, "high", "low", [text]);
    }),
    vector(
      "three-boxes",
      "Three boxes in a row are one verified range, released in two parts that are not theirs.",
      "8 RELEASE",
      pair(),
      (world) => {
        const find = begin(world, "low");
        const parts = [0, 1, 2].map((part) =>
          seal(world, "low", { ...text, from: 100 * part, length: 100 }, part === 2 ? LAST : DATA),
        );
        world.does("high", "FIND", find);
        for (const { offset, item } of parts) world.does("high", "OPEN", [{ u32: offset }, item]);
        world.does("high", "RELEASE", [{ u32: 384 }, { u32: 200 }]);
        world.does("high", "RELEASE", [{ u32: 584 }, { u32: 196 }]);
        world.shows("high", ...MARKS);
        for (const { offset, item } of parts) world.fails("high", "OPEN", [{ u32: offset }, item], "BOX_USED");
      },
    ),
    vector(
      "open-downward",
      "Down boxes opened in their order extend the verified range downward.",
      "8 OPEN",
      pair(),
      (world) => {
        const parts = [0, 1].map((part) =>
          seal(world, "high", { ...text, from: 100 * part, length: 100 }, part === 1 ? LAST : DATA),
        );
        for (const { offset, item } of parts) world.does("low", "OPEN", [{ u32: offset }, item]);
        world.does("low", "RELEASE", [{ u32: 16000 - 264 }, { u32: 264 }]);
        world.shows("low", ...MARKS);
      },
    ),
    vector(
      "open-twice",
      "Until it is released a box opens again; opening consumes nothing.",
      "8 OPEN",
      pair(),
      (world) => {
        const { offset, item } = seal(world, "low", HELLO);
        world.does("high", "OPEN", [{ u32: offset }, item]);
        world.does("high", "OPEN", [{ u32: offset }, item]);
        world.shows("high", ...MARKS);
      },
    ),
    vector("box-used", "What was released answers BOX_USED.", "8 OPEN", pair(), (world) => {
      const { offset, size, item } = seal(world, "low", HELLO);
      world.does("high", "OPEN", [{ u32: offset }, item]);
      world.does("high", "RELEASE", [{ u32: offset }, { u32: size }]);
      world.fails("high", "OPEN", [{ u32: offset }, item], "BOX_USED");
    }),
    vector("release-again", "Releasing again changes no mark.", "8 RELEASE", pair(), (world) => {
      const { offset, size, item } = seal(world, "low", HELLO);
      world.does("high", "OPEN", [{ u32: offset }, item]);
      world.does("high", "RELEASE", [{ u32: offset }, { u32: size }]);
      world.does("high", "RELEASE", [{ u32: offset }, { u32: size }]);
      world.shows("high", ...MARKS);
    }),
    vector(
      "release-out-of-order",
      "The used mark of the other direction is the furthest released end.",
      "8 RELEASE",
      pair(),
      (world) => {
        const first = seal(world, "low", { ...text, length: 100 });
        const second = seal(world, "low", { ...text, length: 50 });
        for (const { offset, size, item } of [second, first]) {
          world.does("high", "OPEN", [{ u32: offset }, item]);
          world.does("high", "RELEASE", [{ u32: offset }, { u32: size }]);
          world.shows("high", "upUsed", "upBurned");
        }
      },
    ),
    vector(
      "half-released",
      "A box of which a part is released is suspicious and gives nothing out.",
      "8 OPEN",
      pair(),
      (world) => {
        const { offset, item } = seal(world, "low", { ...text, length: 100 });
        world.does("high", "OPEN", [{ u32: offset }, item]);
        world.does("high", "RELEASE", [{ u32: offset + 60 }, { u32: 40 }]);
        world.fails("high", "OPEN", [{ u32: offset }, item], "FLASH_FAULT");
      },
    ),
    vector("not-verified", "Only what was opened since boot is released.", "8 RELEASE", pair(), (world) => {
      world.fails("high", "RELEASE", [{ u32: 384 }, { u32: 37 }], "NOT_VERIFIED");
      const { offset, item } = seal(world, "low", HELLO);
      world.does("high", "OPEN", [{ u32: offset }, item]);
      world.fails("high", "RELEASE", [{ u32: offset }, { u32: 38 }], "NOT_VERIFIED");
      world.fails("high", "RELEASE", [{ u32: offset - 1 }, { u32: 5 }], "NOT_VERIFIED");
      world.shows("high", ...MARKS);
    }),
    vector("range-replaced", "A box apart from the verified range replaces it.", "8 OPEN", pair(), (world) => {
      const [first, , third] = [0, 1, 2].map((part) => seal(world, "low", { ...text, from: part, length: 10 }));
      if (!first || !third) return;
      world.does("high", "OPEN", [{ u32: first.offset }, first.item]);
      world.does("high", "OPEN", [{ u32: third.offset }, third.item]);
      world.fails("high", "RELEASE", [{ u32: first.offset }, { u32: first.size }], "NOT_VERIFIED");
      world.does("high", "RELEASE", [{ u32: third.offset }, { u32: third.size }]);
    }),
    vector("inside-range", "A box inside the verified range leaves it as it is.", "8 OPEN", pair(), (world) => {
      const boxes = [0, 1, 2].map((part) => seal(world, "low", { ...text, from: part, length: 10 }));
      for (const { offset, item } of [...boxes, ...boxes.slice(1, 2)])
        world.does("high", "OPEN", [{ u32: offset }, item]);
      world.does("high", "RELEASE", [{ u32: 384 }, { u32: 126 }]);
    }),
    vector(
      "auth-failed",
      "Failed tags are counted, lock nothing, and a box that is right opens after them.",
      "8 OPEN",
      pair(),
      (world) => {
        const { offset, item } = seal(world, "low", HELLO);
        const forged = `${item.slice(0, -2)}00`;
        world.fails("high", "OPEN", [{ u32: offset }, forged], "AUTH_FAILED");
        world.fails("high", "OPEN", [{ u32: offset }, forged], "AUTH_FAILED");
        world.shows("high", "failedTags", "state");
        world.fails("high", "RELEASE", [{ u32: offset }, { u32: 37 }], "NOT_VERIFIED");
        world.does("high", "OPEN", [{ u32: offset }, item]);
      },
    ),
    vector("find-forged", "An opening that is not authentic.", "8 FIND", pair(), (world) => {
      const find = begin(world, "low");
      world.fails("high", "FIND", `${find.slice(0, -2)}00`, "AUTH_FAILED");
      world.does("high", "FIND", find);
    }),
    vector("slot-unknown", "A tag of no slot.", "8 FIND", pair(), (world) => {
      const find = begin(world, "low");
      world.fails("high", "FIND", `00${find.slice(2)}`, "SLOT_UNKNOWN");
    }),
    vector("slot-of-own-side", "One's own slot is not looked up.", "8 FIND", pair(), (world) => {
      world.fails("low", "FIND", begin(world, "low"), "SLOT_UNKNOWN");
    }),
    vector(
      "slot-released",
      "A released slot is unknown: a bundle is found once.",
      "8 RELEASE_SLOT",
      pair(),
      (world) => {
        const find = begin(world, "low");
        world.does("high", "FIND", find);
        world.does("high", "RELEASE_SLOT", { u32: 0 });
        world.fails("high", "FIND", find, "SLOT_UNKNOWN");
        world.does("high", "RELEASE_SLOT", { u32: 0 });
      },
    ),
    vector("slot-not-found", "Only the slot of the last FIND is released.", "8 RELEASE_SLOT", pair(), (world) => {
      world.fails("high", "RELEASE_SLOT", { u32: 0 }, "NOT_VERIFIED");
      const [first, second] = [begin(world, "low"), begin(world, "low")];
      world.does("high", "FIND", first);
      world.does("high", "FIND", second);
      world.fails("high", "RELEASE_SLOT", { u32: 0 }, "NOT_VERIFIED");
      world.does("high", "RELEASE_SLOT", { u32: 1 });
      world.does("high", "FIND", first);
    }),
    vector(
      "find-failed-between",
      "A FIND that fails leaves the slot of an earlier one releasable.",
      "8 FIND",
      pair(),
      (world) => {
        const find = begin(world, "low");
        world.does("high", "FIND", find);
        world.fails("high", "FIND", `00${find.slice(2)}`, "SLOT_UNKNOWN");
        world.does("high", "RELEASE_SLOT", { u32: 0 });
      },
    ),
    vector("slots-in-any-order", "Bundles are found in any order.", "3", pair(), (world) => {
      const [first, second] = [begin(world, "high"), begin(world, "high")];
      world.does("low", "FIND", second);
      world.does("low", "FIND", first);
    }),
  ];
}

/** One segment of boxes of one text each, from one end to the other, and all of it released. */
function flow(world: World, from: string, to: string, texts: Bytes[]): void {
  const find = begin(world, from);
  const boxes = texts.map((text, i) => seal(world, from, text, i === texts.length - 1 ? LAST : DATA));
  const found = world.does(to, "FIND", find);
  for (const { offset, item } of boxes) world.does(to, "OPEN", [{ u32: offset }, item]);
  for (const { offset, size } of boxes) world.does(to, "RELEASE", [{ u32: offset }, { u32: size }]);
  world.does(to, "RELEASE_SLOT", { u32: readU32(found, 0) });
  world.shows(to, ...MARKS);
  world.shows(from, ...MARKS);
}

function limits(): Vector[] {
  const full = (length: number): Bytes => ({ seed: "text", length });
  return [
    vector(
      "need-grant",
      "Low has no room left, but a grant could give it some: nothing is consumed, and less still fits.",
      "8 SEAL",
      low({ split: 448 }),
      (world) => {
        world.fails("low", "SEAL", [{ u32: LAST }, full(33)], "NEED_GRANT");
        world.shows("low", ...MARKS);
        seal(world, "low", full(32));
        world.shows("low", ...MARKS);
        world.fails("low", "SEAL", [{ u32: LAST }, ""], "NEED_GRANT");
      },
    ),
    vector(
      "need-grant-at-first",
      "A split at the up base: low can seal nothing before the first grant.",
      "8 SEAL",
      low({ padLength: 8192, split: 192 }),
      (world) => {
        world.fails("low", "SEAL", [{ u32: LAST }, full(4096)], "NEED_GRANT");
        world.shows("low", "padLength", ...MARKS);
      },
    ),
    vector(
      "exhausted-low-at-end",
      "Low has used up all that it could ever be granted.",
      "8 SEAL",
      low({ padLength: 8192, split: 6976 }),
      (world) => {
        seal(world, "low", full(4096), DATA);
        world.fails("low", "SEAL", [{ u32: LAST }, full(2625)], "EXHAUSTED");
        seal(world, "low", full(2624));
        world.shows("low", ...MARKS);
        world.fails("low", "SEAL", [{ u32: LAST }, ""], "EXHAUSTED");
      },
    ),
    vector(
      "control-reserve",
      "High keeps 1,024 bytes above the split that its boxes may not touch.",
      "1",
      high({ padLength: 8192, split: 4096 }),
      (world) => {
        world.fails("high", "SEAL", [{ u32: LAST }, full(2849)], "EXHAUSTED");
        world.shows("high", ...MARKS);
        seal(world, "high", full(2848));
        world.shows("high", ...MARKS);
        world.fails("high", "SEAL", [{ u32: LAST }, ""], "EXHAUSTED");
      },
    ),
    vector("slots-exhausted", "Two slots are two segments.", "8 BEGIN", low(), (world) => {
      begin(world, "low");
      begin(world, "low");
      world.fails("low", "BEGIN", HERE, "SLOTS_EXHAUSTED");
      seal(world, "low", HELLO);
      world.shows("low", ...MARKS);
    }),
    vector(
      "no-slots",
      "The high side of a token has no slots.",
      "8 BEGIN",
      high({ slots: 1, split: 1408 }),
      (world) => {
        world.fails("high", "BEGIN", HERE, "SLOTS_EXHAUSTED");
        world.shows("high", "slotsLow", "slotsHigh");
        seal(world, "high", HELLO);
      },
    ),
    vector(
      "token",
      "A token: slots on the low side only, so that down begins at the end of the pad, and nothing goes up before a call.",
      "1",
      pair({ slots: 1, split: 1384 }),
      (world) => {
        world.fails("low", "BEGIN", HERE, "CALL_FIRST");
        world.fails("low", "SEAL", [{ u32: LAST }, HELLO], "CALL_FIRST");
        const { offset, size, item } = seal(world, "high", HELLO);
        world.does("low", "OPEN", [{ u32: offset }, item]);
        world.does("low", "RELEASE", [{ u32: offset }, { u32: size }]);
        world.shows("low", ...MARKS);
      },
    ),
    vector(
      "raise",
      "High raises the split, never lowers it, and its room shrinks by as much.",
      "8 RAISE",
      high(),
      (world) => {
        world.does("high", "RAISE", { u32: 10000 });
        world.does("high", "RAISE", { u32: 9000 });
        world.does("high", "RAISE", { u32: 0 });
        world.shows("high", ...MARKS);
      },
    ),
    vector(
      "raise-too-far",
      "The split reaches at most 1,024 bytes below what high has used.",
      "8 RAISE",
      high(),
      (world) => {
        world.fails("high", "RAISE", { u32: 14977 }, "EXHAUSTED");
        seal(world, "high", full(68));
        world.fails("high", "RAISE", { u32: 14877 }, "EXHAUSTED");
        world.shows("high", ...MARKS);
        world.does("high", "RAISE", { u32: 14876 });
        world.shows("high", ...MARKS);
        world.fails("high", "SEAL", [{ u32: LAST }, ""], "EXHAUSTED");
      },
    ),
    vector("raise-on-low", "Low cannot grant itself anything.", "8 RAISE", low(), (world) => {
      world.fails("low", "RAISE", { u32: 10000 }, "WRONG_SIDE");
    }),
    vector(
      "grant",
      "A grant travels in high's opening: low takes the split, then has room.",
      "8 FIND",
      pair({ split: 448 }),
      (world) => {
        world.fails("low", "SEAL", [{ u32: LAST }, full(100)], "NEED_GRANT");
        world.does("high", "RAISE", { u32: 1024 });
        world.does("low", "FIND", begin(world, "high"));
        world.shows("low", ...MARKS);
        seal(world, "low", full(100));
      },
    ),
    vector(
      "grant-of-old",
      "An opening of before the grant, found later, lowers nothing.",
      "8 FIND",
      pair(),
      (world) => {
        const before = begin(world, "high");
        world.does("high", "RAISE", { u32: 10000 });
        const after = begin(world, "high");
        world.does("low", "FIND", after);
        world.does("low", "FIND", before);
        world.shows("low", ...MARKS);
      },
    ),
    vector(
      "find-split-opened",
      "Low ignores a split within what it opened of down and did not release.",
      "8 FIND",
      low(),
      (world) => {
        const { padId, pad, burnUnit, split } = world.fills.low as Fill;
        const facts = { padId: bytesOf(padId), burnUnit, split, slots: ["low", "high"] as Side[] };
        const wrong = new End({ side: "high", ...facts }, bytesOf(pad));
        const { offset, item } = wrong.seal(LAST, bytesOf({ seed: "text", length: 2000 }));
        world.does("low", "OPEN", [{ u32: offset }, hex(item)]);
        for (const claimed of [offset + 1, offset]) {
          wrong.split = claimed;
          const { slotItem, opening } = wrong.begin(STARTS_HERE, 0);
          world.does("low", "FIND", [hex(slotItem.subarray(4)), hex(opening)]);
          world.shows("low", ...MARKS);
        }
        world.does("low", "RELEASE", [{ u32: offset }, { u32: 2032 }]);
      },
    ),
    vector("grant-and-old-boxes", "Down boxes above the new split open as before.", "8 OPEN", pair(), (world) => {
      const { offset, item } = seal(world, "high", HELLO);
      world.does("high", "RAISE", { u32: 14000 });
      world.does("low", "FIND", begin(world, "high"));
      world.does("low", "OPEN", [{ u32: offset }, item]);
    }),
    vector(
      "low-grants-nothing",
      "The split in low's opening changes nothing at high.",
      "8 FIND",
      new World({ low: fillOf("low", { split: 10000 }), high: fillOf("high") }),
      (world) => {
        world.does("high", "FIND", begin(world, "low"));
        world.shows("high", "split");
      },
    ),
  ];
}

function arguments_(): Vector[] {
  return [
    vector(
      "seal-arguments",
      "SEAL makes DATA and LAST only, and no box of more than 4,096 bytes.",
      "8 SEAL",
      low(),
      (world) => {
        for (const kind of [0, 3, 4, 257]) world.fails("low", "SEAL", [{ u32: kind }, HELLO], "BAD_ARGUMENT");
        world.fails("low", "SEAL", [{ u32: LAST }, { seed: "text", length: 4097 }], "BAD_ARGUMENT");
        world.fails("low", "SEAL", "0200", "BAD_ARGUMENT");
        world.shows("low", ...MARKS);
      },
    ),
    vector("begin-arguments", "A run does not start in its middle, nor in the future.", "8 BEGIN", low(), (world) => {
      world.fails("low", "BEGIN", [{ u32: 0xffffffff }, { u32: 1 }], "BAD_ARGUMENT");
      world.fails("low", "BEGIN", [{ u32: 1 }, { u32: 1 }], "BAD_ARGUMENT");
      world.fails("low", "BEGIN", { u32: 0xffffffff }, "BAD_ARGUMENT");
      world.shows("low", ...MARKS);
    }),
    vector("find-arguments", "FIND wants an OPENING of 16 bytes.", "8 FIND", pair(), (world) => {
      const find = begin(world, "low");
      world.fails("high", "FIND", find.slice(0, -2), "BAD_ARGUMENT");
      world.fails("high", "FIND", `${find.slice(0, 32)}10000200${find.slice(40)}`, "BAD_ARGUMENT");
      world.fails("high", "FIND", `${find.slice(0, 32)}0f000300${find.slice(40)}`, "BAD_ARGUMENT");
    }),
    vector(
      "open-arguments",
      "OPEN wants a whole DATA or LAST of the other side, within its reach.",
      "8 OPEN",
      pair(),
      (world) => {
        const { offset, item } = seal(world, "low", HELLO);
        const at = { u32: offset };
        world.fails("high", "OPEN", [at, item, "00"], "BAD_ARGUMENT");
        world.fails("high", "OPEN", [at, item.slice(0, -2)], "BAD_ARGUMENT");
        world.fails("high", "OPEN", [at, `05000300${item.slice(8)}`], "BAD_ARGUMENT");
        world.fails("high", "OPEN", [at, `05000201${item.slice(8)}`], "BAD_ARGUMENT");
        world.fails("high", "OPEN", [{ u32: 383 }, item], "BAD_ARGUMENT");
        world.fails("high", "OPEN", [{ u32: 8192 - 36 }, item], "BAD_ARGUMENT");
        world.fails("high", "OPEN", [{ u32: 0xffffffff }, item], "BAD_ARGUMENT");
        world.fails("high", "OPEN", [{ u32: 8192 - 37 }, item], "AUTH_FAILED");
        world.fails("low", "OPEN", [{ u32: 8191 }, item], "BAD_ARGUMENT");
        world.fails("low", "OPEN", [{ u32: 16000 - 36 }, item], "BAD_ARGUMENT");
        world.fails("low", "OPEN", [{ u32: 8192 }, item], "AUTH_FAILED");
      },
    ),
    vector(
      "reflected",
      "A box sent back to where it came from is outside what its side opens.",
      "8 OPEN",
      low(),
      (world) => {
        const { offset, item } = seal(world, "low", HELLO);
        world.fails("low", "OPEN", [{ u32: offset }, item], "BAD_ARGUMENT");
      },
    ),
    vector("release-arguments", "RELEASE takes 1 to 65,536 bytes.", "8 RELEASE", high(), (world) => {
      world.fails("high", "RELEASE", [{ u32: 384 }, { u32: 0 }], "BAD_ARGUMENT");
      world.fails("high", "RELEASE", [{ u32: 384 }, { u32: 65537 }], "BAD_ARGUMENT");
      world.fails("high", "RELEASE", { u32: 384 }, "BAD_ARGUMENT");
    }),
    vector("page", "The identity of an active device; the serial is random.", "4", low(), (world) => {
      world.does("low", "PAGE", { u32: 0 }, [32, 40], [252, 256]);
      world.does("low", "PAGE", { u32: 1 });
      world.does("low", "PAGE", { u32: 2 });
      world.fails("low", "PAGE", { u32: 3 }, "BAD_ARGUMENT");
      world.fails("low", "PAGE", "", "BAD_ARGUMENT");
    }),
    vector(
      "wrong-state-blank",
      "A blank device has nothing to seal with.",
      "8",
      new World({ device: null }),
      (world) => {
        world.fails("device", "SEAL", [{ u32: LAST }, HELLO], "WRONG_STATE");
        world.fails("device", "BEGIN", HERE, "WRONG_STATE");
        world.fails("device", "OPEN", [{ u32: 0 }, ""], "WRONG_STATE");
        world.fails("device", "RAISE", { u32: 0 }, "WRONG_STATE");
        world.fails("device", "RELEASE_SLOT", "", "WRONG_STATE");
        world.fails("device", "WRITE", "", "WRONG_STATE");
        world.fails("device", "COMMIT", "", "WRONG_STATE");
        world.fails("device", "PAGE", { u32: 0 }, "WRONG_STATE");
      },
    ),
    vector("wrong-state-active", "What is filled is not filled again.", "8", low(), (world) => {
      world.fails("low", "FILL", fillPayload(fillOf("low")), "WRONG_STATE");
      world.fails("low", "WRITE", [{ u32: 0 }, { seed: "pad", length: 256 }], "WRONG_STATE");
      world.fails("low", "COMMIT", { zeros: 48 }, "WRONG_STATE");
      seal(world, "low", HELLO);
    }),
    vector("info", "INFO of an active device.", "8", high(), (world) => {
      world.shows(
        "high",
        "state",
        "side",
        "suite",
        "section",
        "work",
        "error",
        "traps",
        "provenance",
        "reason",
        "bootEpoch",
      );
      world.shows(
        "high",
        "generation",
        "padId",
        "padLength",
        "slotsLow",
        "slotsHigh",
        "burnUnit",
        "failedTags",
        "chipSize",
        ...MARKS,
      );
      world.fails("high", "INFO", "00", "BAD_ARGUMENT");
    }),
    vector(
      "info-blank",
      "INFO of a blank device: what is not there is zero.",
      "8",
      new World({ device: null }),
      (world) => {
        world.does("device", "INFO", "");
      },
    ),
  ];
}

function filling(): Vector[] {
  const fill = fillOf("low", { padLength: 8192, split: 2048 });
  const changed = (at: number, bytes: string): string => {
    const payload = hex(bytesOf(fillPayload(fill)));
    return payload.slice(0, 2 * at) + bytes + payload.slice(2 * at + bytes.length);
  };
  const write = (world: World, from: number, length: number): void => {
    world.does("device", "WRITE", [{ u32: from }, { ...PAD, from, length }]);
  };
  const blank = (name: string, shows: string, play: (world: World) => void): Vector => {
    return vector(`fill${name}`, shows, "10", new World({ device: null }), play);
  };
  return [
    blank("", "A fill from FILL to COMMIT, and what INFO says on the way.", (world) => {
      world.shows("device", "state", "side", "generation");
      world.does("device", "FILL", fillPayload(fill));
      world.shows(
        "device",
        "state",
        "side",
        "generation",
        "padId",
        "padLength",
        "slotsLow",
        "slotsHigh",
        "split",
        "burnUnit",
      );
      write(world, 0, 4096);
      write(world, 4096, 256);
      write(world, 4352, 3840);
      world.does("device", "COMMIT", [fill.key, fill.tag]);
      world.shows("device", "state", "side", "work", "error", "generation", "provenance", ...MARKS);
      seal(world, "device", "");
    }),
    blank("-arguments", "What FILL checks, in its order.", (world) => {
      const wrong: [number, string][] = [
        ...([
          [0, "02"],
          [2, "04"],
          [3, "00"],
          [3, "03"],
        ] as [number, string][]),
        ...([
          [4, "00100000"],
          [4, "00180000"],
          [4, "00500000"],
        ] as [number, string][]),
        ...([
          [14, "0000"],
          [14, "0300"],
          [14, "8000"],
          [14, "0101"],
        ] as [number, string][]),
        ...([
          [8, "bf000000"],
          [8, "411b0000"],
          [8, "ffffffff"],
        ] as [number, string][]),
      ];
      for (const [at, bytes] of wrong) world.fails("device", "FILL", changed(at, bytes), "BAD_ARGUMENT");
      world.fails("device", "FILL", changed(0, "0201"), "BAD_ARGUMENT");
      world.fails("device", "FILL", changed(0, "00010f00"), "BAD_ARGUMENT");
      world.fails("device", "FILL", changed(0, "").slice(0, -2), "BAD_ARGUMENT");
      world.shows("device", "state", "generation", "journalSequence");
    }),
    blank("-split-at-its-ends", "The split may start at B and at E - 1,024.", (world) => {
      world.does("device", "FILL", changed(8, "c0000000"));
      world.does("device", "FILL", changed(8, "401b0000"));
      world.shows("device", "generation", "split");
    }),
    blank("-suite-unknown", "Another suite is refused before any pad byte.", (world) => {
      world.fails("device", "FILL", changed(1, "02"), "SUITE_UNKNOWN");
      world.fails("device", "FILL", changed(1, "00"), "SUITE_UNKNOWN");
      world.shows("device", "state", "generation");
    }),
    blank("-refused", "Nine equal bytes in a WRITE are refused, and other bytes may take their place.", (world) => {
      world.does("device", "FILL", fillPayload(fill));
      write(world, 0, 256);
      world.fails(
        "device",
        "WRITE",
        [{ u32: 256 }, { ...PAD, length: 100 }, "616161616161616161", { ...PAD, length: 147 }],
        "FILL_REFUSED",
      );
      write(world, 256, 256);
    }),
    blank(
      "-refused-across",
      "Nine equal bytes across two WRITEs are refused: five end the first, four begin the second.",
      (world) => {
        world.does("device", "FILL", fillPayload(fill));
        world.does("device", "WRITE", [{ u32: 0 }, { ...PAD, length: 251 }, "6161616161"]);
        world.fails("device", "WRITE", [{ u32: 256 }, "61616161", { ...PAD, length: 252 }], "FILL_REFUSED");
        world.does("device", "WRITE", [{ u32: 256 }, "616161", { ...PAD, length: 253 }]);
      },
    ),
    blank("-refused-zeros", "A source that gives nothing is refused at once.", (world) => {
      world.does("device", "FILL", fillPayload(fill));
      world.fails("device", "WRITE", [{ u32: 0 }, { zeros: 4096 }], "FILL_REFUSED");
    }),
    blank("-write-arguments", "WRITE goes on where the last one ended, in pages.", (world) => {
      world.does("device", "FILL", fillPayload(fill));
      world.fails("device", "WRITE", [{ u32: 256 }, { ...PAD, length: 256 }], "BAD_ARGUMENT");
      write(world, 0, 256);
      world.fails("device", "WRITE", [{ u32: 0 }, { ...PAD, length: 256 }], "BAD_ARGUMENT");
      world.fails("device", "WRITE", [{ u32: 256 }, { ...PAD, length: 255 }], "BAD_ARGUMENT");
      world.fails("device", "WRITE", [{ u32: 256 }, { ...PAD, length: 100 }], "BAD_ARGUMENT");
      write(world, 256, 512);
    }),
    blank("-commit-early", "COMMIT before all is written.", (world) => {
      world.does("device", "FILL", fillPayload(fill));
      write(world, 0, 4096);
      world.fails("device", "COMMIT", [fill.key, fill.tag], "WRONG_STATE");
      write(world, 4096, 4096);
      world.fails("device", "COMMIT", fill.key, "BAD_ARGUMENT");
      world.does("device", "COMMIT", [fill.key, fill.tag]);
      world.shows("device", "state");
    }),
    blank("-mismatch", "What was read back is not what was meant: only a new FILL goes on.", (world) => {
      world.does("device", "FILL", fillPayload(fill));
      write(world, 0, 4096);
      write(world, 4096, 4096);
      world.does("device", "COMMIT", [fill.key, { zeros: 16 }]);
      world.shows("device", "state", "error", "generation");
      world.fails("device", "COMMIT", [fill.key, fill.tag], "WRONG_STATE");
      world.fails("device", "WRITE", [{ u32: 0 }, { ...PAD, length: 256 }], "WRONG_STATE");
      world.does("device", "FILL", fillPayload(fill));
      world.shows("device", "state", "error", "generation");
      write(world, 0, 4096);
      write(world, 4096, 4096);
      world.does("device", "COMMIT", [fill.key, fill.tag]);
      world.shows("device", "state", "error", "generation");
      seal(world, "device", "");
    }),
    blank("-again", "A second FILL starts over with another pad, in the next generation.", (world) => {
      world.does("device", "FILL", fillPayload(fillOf("high", { padLength: 16384, split: 8192 })));
      write(world, 0, 4096);
      world.does("device", "FILL", fillPayload(fill));
      write(world, 0, 4096);
      write(world, 4096, 4096);
      world.does("device", "COMMIT", [fill.key, fill.tag]);
      world.shows("device", "state", "side", "padLength", "generation", ...MARKS);
      seal(world, "device", "");
    }),
    blank("-wrong-state", "While filling nothing is sealed.", (world) => {
      world.does("device", "FILL", fillPayload(fill));
      write(world, 0, 4096);
      world.fails("device", "SEAL", [{ u32: LAST }, ""], "WRONG_STATE");
      world.fails("device", "PAGE", { u32: 0 }, "WRONG_STATE");
    }),
    busy(fill),
  ];
}

/** The model has no work that takes time: the step that finds the device busy is written by hand. */
function busy(fill: Fill): Vector {
  const world = new World({ device: null });
  world.does("device", "FILL", fillPayload(fill));
  const erasing = world.steps[0];
  if (erasing) erasing.wait = false;
  const error = { code: "BUSY", detail: 0, facts: [] };
  const write: Bytes = [{ u32: 0 }, { ...PAD, length: 256 }];
  world.steps.push({ on: "device", command: "WRITE", payload: write, error, wait: false });
  world.steps.push({ on: "device", command: "SEAL", payload: "", error });
  world.does("device", "WRITE", write);
  return vector(
    "fill-busy",
    "While the device erases, it answers BUSY even to what its state does not permit.",
    "8",
    world,
    () => {},
  );
}

function burnUnits(): Vector[] {
  const unit4 = (): World => pair({ burnUnit: 4 }, { sectors: 10, burnUnit: 4 });
  const unit64 = (): World => pair({ burnUnit: 64 }, { sectors: 10, burnUnit: 64 });
  return [
    vector("burn-unit-4", "A chip that burns 4 bytes at a time: boxes of 5 bytes use 40.", "1", unit4(), (world) => {
      flow(world, "low", "high", [HELLO, HELLO]);
      flow(world, "high", "low", [HELLO, HELLO]);
    }),
    vector("burn-unit-64", "A chip that burns 64 bytes at a time: boxes of 5 bytes use 64.", "1", unit64(), (world) => {
      flow(world, "low", "high", [HELLO, { seed: "text", length: 33 }]);
      flow(world, "high", "low", [HELLO, { seed: "text", length: 33 }]);
    }),
    vector(
      "burn-unit-of-the-twin",
      "A chip that burns single bytes counts in 64 when its twin's chip must.",
      "10",
      pair({ burnUnit: 64 }),
      (world) => {
        flow(world, "low", "high", [HELLO]);
      },
    ),
    vector(
      "burn-unit-finer",
      "A pad may not be counted finer than its chip burns.",
      "10",
      new World({ device: null }, { sectors: 10, burnUnit: 64 }),
      (world) => {
        world.fails("device", "FILL", fillPayload(fillOf("low", { burnUnit: 32 })), "BAD_ARGUMENT");
        world.does("device", "FILL", fillPayload(fillOf("low", { burnUnit: 64 })));
      },
    ),
    vector(
      "burn-unit-alignment",
      "Offsets, lengths and the split are multiples of the burn unit.",
      "8",
      unit4(),
      (world) => {
        const { offset, size, item } = seal(world, "low", HELLO);
        world.fails("high", "OPEN", [{ u32: offset + 2 }, item], "BAD_ARGUMENT");
        world.does("high", "OPEN", [{ u32: offset }, item]);
        world.fails("high", "RELEASE", [{ u32: offset }, { u32: size - 2 }], "BAD_ARGUMENT");
        world.fails("high", "RELEASE", [{ u32: offset + 2 }, { u32: 4 }], "BAD_ARGUMENT");
        world.fails("high", "RAISE", { u32: 9001 }, "BAD_ARGUMENT");
        world.does("high", "RELEASE", [{ u32: offset }, { u32: size }]);
      },
    ),
    vector(
      "burn-unit-64-room",
      "Room is counted in pad bytes, rounding included.",
      "8 SEAL",
      low({ burnUnit: 64, split: 512 }),
      (world) => {
        world.fails("low", "SEAL", [{ u32: LAST }, { seed: "text", length: 97 }], "NEED_GRANT");
        seal(world, "low", { seed: "text", length: 96 });
        world.shows("low", ...MARKS);
      },
    ),
  ];
}

function reboots(): Vector[] {
  const counters = ["state", "bootEpoch", "generation", "journalSequence", ...MARKS];
  return [
    vector(
      "reboot",
      "Everything that was used stays used over a power cycle, and nothing else.",
      "6",
      pair(),
      (world) => {
        begin(world, "low");
        seal(world, "low", HELLO);
        world.reboots("low");
        world.shows("low", ...counters);
        seal(world, "low", HELLO);
        world.reboots("low");
        world.reboots("low");
        world.shows("low", ...counters);
        begin(world, "low", [{ u32: 0 }, { u32: 2 }]);
      },
    ),
    vector(
      "reboot-high",
      "The split that high raised and what it released stay over a power cycle.",
      "6",
      pair(),
      (world) => {
        const { offset, size, item } = seal(world, "low", HELLO);
        world.does("high", "OPEN", [{ u32: offset }, item]);
        world.does("high", "RELEASE", [{ u32: offset }, { u32: size }]);
        seal(world, "high", HELLO);
        world.does("high", "RAISE", { u32: 10000 });
        world.reboots("high");
        world.shows("high", ...counters);
        world.fails("high", "OPEN", [{ u32: offset }, item], "BOX_USED");
      },
    ),
    vector("reboot-grant", "A grant that low found stays over a power cycle.", "6", pair({ split: 448 }), (world) => {
      world.does("high", "RAISE", { u32: 1024 });
      world.does("low", "FIND", begin(world, "high"));
      world.reboots("low");
      world.shows("low", ...counters);
      seal(world, "low", { seed: "text", length: 100 });
    }),
    vector(
      "reboot-before-release",
      "After a power cycle a box is opened again before it is released, and a slot found again.",
      "11",
      pair(),
      (world) => {
        const find = begin(world, "low");
        const { offset, size, item } = seal(world, "low", HELLO);
        world.does("high", "FIND", find);
        world.does("high", "OPEN", [{ u32: offset }, item]);
        world.reboots("high");
        world.fails("high", "RELEASE", [{ u32: offset }, { u32: size }], "NOT_VERIFIED");
        world.fails("high", "RELEASE_SLOT", { u32: 0 }, "NOT_VERIFIED");
        world.does("high", "FIND", find);
        world.does("high", "OPEN", [{ u32: offset }, item]);
        world.does("high", "RELEASE", [{ u32: offset }, { u32: size }]);
        world.does("high", "RELEASE_SLOT", { u32: 0 });
      },
    ),
    vector("reboot-failed-tags", "Failed tags are counted since boot.", "8 OPEN", pair(), (world) => {
      const { offset, item } = seal(world, "low", HELLO);
      world.fails("high", "OPEN", [{ u32: offset }, `${item.slice(0, -2)}00`], "AUTH_FAILED");
      world.reboots("high");
      world.shows("high", "failedTags");
      world.fails("high", "OPEN", [{ u32: offset }, `${item.slice(0, -2)}00`], "AUTH_FAILED");
    }),
    vector(
      "reboot-while-filling",
      "A power cycle ends a fill, and a new one starts over in the next generation.",
      "10",
      new World({ device: null }),
      (world) => {
        const fill = fillOf("low", { padLength: 8192, split: 2048 });
        world.does("device", "FILL", fillPayload(fill));
        world.does("device", "WRITE", [{ u32: 0 }, { ...PAD, length: 4096 }]);
        world.reboots("device");
        world.shows("device", "state", "side", "generation", "padLength");
        world.fails("device", "WRITE", [{ u32: 4096 }, { ...PAD, from: 4096, length: 4096 }], "WRONG_STATE");
        world.does("device", "FILL", fillPayload(fill));
        world.shows("device", "state", "generation");
      },
    ),
    vector(
      "reboot-blank",
      "A blank device boots blank, in the next epoch.",
      "6",
      new World({ device: null }),
      (world) => {
        world.reboots("device");
        world.shows("device", "state", "bootEpoch", "generation", "journalSequence");
      },
    ),
    vector(
      "many-records",
      "200 records go through the four sectors of the journal more than once.",
      "5",
      low(),
      (world) => {
        for (let i = 0; i < 200; i++) {
          seal(world, "low", "");
          if (i % 50 === 49) {
            world.reboots("low");
            world.shows("low", ...counters);
          }
        }
      },
    ),
  ];
}

/** Which chip and which body: it depends on what runs the vector. */
const BODY: [number, number] = [12, 24];
/** How long it took. */
const TIMES: [number, number][] = [
  [8, 20],
  [24, 28],
];

function selftests(): Vector[] {
  const blank = (name: string, shows: string, play: (world: World, step: (step: number) => void) => void): Vector => {
    const world = new World({ device: null });
    const step = (number: number): void => {
      const open = number === 0 ? [BODY] : number === 4 ? [] : TIMES;
      world.does("device", "SELFTEST", { u32: number }, ...open);
    };
    return vector(name, shows, "8 SELFTEST", world, () => play(world, step));
  };
  return [
    blank("selftest", "Every step on a good chip, and the button once pressed and once left alone.", (world, step) => {
      for (const each of [0, 1, 2, 3, 1]) step(each);
      world.button("device", "pressed");
      step(4);
      step(4);
      world.button("device", "refused");
      step(4);
    }),
    blank(
      "selftest-order",
      "What is not erased does not take a pattern, and the bits that stay are counted.",
      (_, step) => {
        for (const each of [2, 2, 3, 2, 3, 1]) step(each);
      },
    ),
    blank("selftest-no-record", "It writes no record, and is no hindrance to a fill or a boot.", (world, step) => {
      for (const each of [1, 2, 3]) step(each);
      world.shows("device", "state", "journalSequence", "bootEpoch");
      world.reboots("device");
      world.shows("device", "state", "journalSequence", "bootEpoch");
      for (const each of [1, 2]) step(each);
      const fill = fillOf("low");
      world.does("device", "FILL", fillPayload(fill));
      for (let at = 0; at < fill.padLength; at += 4096) {
        world.does("device", "WRITE", [{ u32: at }, { ...fill.pad, from: at, length: 4096 }]);
      }
      world.does("device", "COMMIT", [fill.key, fill.tag]);
      world.shows("device", "state", "journalSequence", ...MARKS);
    }),
    blank("selftest-arguments", "A step that there is not, and another length.", (world) => {
      world.fails("device", "SELFTEST", { u32: 5 }, "BAD_ARGUMENT");
      world.fails("device", "SELFTEST", { u32: 0x80000001 }, "BAD_ARGUMENT");
      world.fails("device", "SELFTEST", "", "BAD_ARGUMENT");
      world.fails("device", "SELFTEST", { zeros: 8 }, "BAD_ARGUMENT");
    }),
    blank(
      "selftest-filling",
      "From FILL on the chip is no longer tried; what it is can still be asked.",
      (world, step) => {
        world.does("device", "FILL", fillPayload(fillOf("low")));
        for (const each of [1, 2, 3, 4, 5]) world.fails("device", "SELFTEST", { u32: each }, "WRONG_STATE");
        step(0);
      },
    ),
    vector(
      "selftest-active",
      "A chip with a pad is not tried; what it is can still be asked.",
      "8 SELFTEST",
      low(),
      (world) => {
        for (const each of [1, 2, 3, 4, 5]) world.fails("low", "SELFTEST", { u32: each }, "WRONG_STATE");
        world.fails("low", "SELFTEST", { zeros: 8 }, "WRONG_STATE");
        world.does("low", "SELFTEST", { u32: 0 }, BODY);
        world.shows("low", ...MARKS, "journalSequence");
      },
    ),
  ];
}
