/** Vectors of kind bundle: what a host and its device make of bundles (docs/SPEC.md section 3). */
import { concat, DATA, LAST, u32 } from "../box.ts";
import { readBundle, writeBundle } from "../bundle.ts";
import { bytesOf, expected, hex } from "../bytes.ts";
import { Device } from "../device.ts";
import { End, HERE, type Side } from "../end.ts";
import { failureOf, type Vector } from "./vector.ts";
import { type Fill, fillDevice, fillOf, World } from "./world.ts";

/** A pair of 32,768 bytes: four slots on each side, up from 768, down from 32,000, split in the middle. */
const CHIP = { sectors: 14, burnUnit: 1 };
const PAIR: Partial<Fill> = { padLength: 32768, split: 16384, pad: { seed: "pad of bundles", length: 32768 } };
const SHORT = text(10);

interface Read {
  bundle: Uint8Array;
  /** Success when absent. */
  error?: string;
  /** Commands to the reader's device before it: what an earlier reading had come to when it was interrupted. */
  before?: (world: World) => void;
}

export function bundleVectors(): Vector[] {
  return [...whole(), ...segments(), ...refused(), ...cut(), ...spliced(), ...interrupted()];
}

function vector(name: string, shows: string, reads: Read[], change: Partial<Fill> = {}, side: Side = "high"): Vector {
  const fill = fillOf(side, { ...PAIR, ...change });
  const device = new Device(CHIP);
  fillDevice(device, fill);
  const end = device.end as End;
  const outcomes = reads.map(({ bundle, error, before }) => {
    const world = new World({}, CHIP, { reader: device });
    before?.(world);
    const steps = before ? { steps: world.steps } : {};
    return { ...steps, bundle: hex(bundle), expect: outcomeOf(name, end, bundle, error) };
  });
  const after = { upUsed: end.used.up, downUsed: end.used.down, split: end.split };
  return {
    name: `bundle-${name}`,
    kind: "bundle",
    shows,
    section: "3",
    chip: CHIP,
    reader: fill,
    reads: outcomes,
    after,
  };
}

function outcomeOf(name: string, end: End, bundle: Uint8Array, error?: string): object {
  let delivered: Uint8Array | null = null;
  const failure = failureOf(() => {
    delivered = readBundle(end, bundle);
  });
  if (failure?.code !== error) throw new Error(`${name}: ${failure?.code} instead of ${error}`);
  if (error) return { error };
  return delivered ? { text: expected(delivered) } : { deliveredBefore: true };
}

function endOf({ side, padId, burnUnit, slots, split, pad }: Fill): End {
  const sides = (["low", "high"] as Side[]).filter((_, bit) => slots & (1 << bit));
  return new End({ side, padId: bytesOf(padId), burnUnit, slots: sides, split }, bytesOf(pad));
}

/** A fresh end that writes. */
function writer(side: Side = "low", change: Partial<Fill> = {}): End {
  return endOf(fillOf(side, { ...PAIR, ...change }));
}

function text(length: number, from = 0): Uint8Array {
  return bytesOf({ seed: "text", from, length });
}

/** The items of a bundle of low with three small boxes: SLOT, OPENING, DATA, DATA, LAST. */
function threeBoxes(end: End = writer()): Uint8Array[] {
  const { slotItem, opening } = end.begin(HERE, 0);
  const boxes = [0, 1, 2].map((part) => end.seal(part === 2 ? LAST : DATA, text(10, 10 * part)).item);
  return [slotItem, opening, ...boxes];
}

function whole(): Vector[] {
  const lengths = [0, 1, 4095, 4096, 4097, 8192, 8193].map((length) => {
    const boxes = Math.max(1, Math.ceil(length / 4096));
    const shows = `A text of ${length} bytes goes into ${boxes === 1 ? "one box" : `${boxes} boxes`}.`;
    return vector(`length-${length}`, shows, [{ bundle: concat(...writeBundle(writer(), text(length))) }]);
  });
  const end = writer();
  const [first, second] = [writeBundle(end, text(100)), writeBundle(end, text(200))].map((items) => concat(...items));
  const granting = writer("high");
  granting.raise(20000);
  return [
    ...lengths,
    vector(
      "from-high",
      "A bundle from high to low: boxes lie downward.",
      [{ bundle: concat(...writeBundle(writer("high"), text(5000))) }],
      {},
      "low",
    ),
    vector("any-order", "Bundles are opened in any order.", [
      { bundle: second as Uint8Array },
      { bundle: first as Uint8Array },
    ]),
    vector("once", "A bundle is delivered once.", [
      { bundle: first as Uint8Array },
      { bundle: first as Uint8Array, error: "SLOT_UNKNOWN" },
    ]),
    vector(
      "grant",
      "The split in high's opening comes to low.",
      [{ bundle: concat(...writeBundle(granting, SHORT)) }],
      {},
      "low",
    ),
    vector(
      "token",
      "Low of a token has slots, high has none.",
      [{ bundle: concat(...writeBundle(writer("low", { slots: 1 }), text(5000))) }],
      { slots: 1 },
    ),
    vector(
      "burn-unit-64",
      "With burn unit 64 marks go in steps of 64.",
      [{ bundle: concat(...writeBundle(writer("low", { burnUnit: 64 }), text(5000))) }],
      { burnUnit: 64 },
    ),
    vector("short-boxes", "A reader takes boxes that are not full.", [{ bundle: concat(...threeBoxes()) }]),
    vector("empty-box", "A reader takes DATA without text.", [{ bundle: withEmptyBox() }]),
  ];
}

function withEmptyBox(): Uint8Array {
  const end = writer();
  const { slotItem, opening } = end.begin(HERE, 0);
  return concat(slotItem, opening, end.seal(DATA, new Uint8Array(0)).item, end.seal(LAST, SHORT).item);
}

function segments(): Vector[] {
  const ok = (name: string, shows: string, items: Uint8Array[]): Vector =>
    vector(name, shows, [{ bundle: concat(...items) }]);
  return [
    ok("two-segments", "A second segment goes on with the second box.", writeBundle(writer(), text(5000), [1])),
    ok("three-segments", "Three segments of one box each.", writeBundle(writer(), text(9000), [1, 2])),
    ok(
      "segment-without-box",
      "A segment that a cut ended before its first box.",
      writeBundle(writer(), text(5000), [1, 1]),
    ),
    ok("cut-before-first-box", "The first segment may be the one without a box.", writeBundle(writer(), SHORT, [0])),
    ok("lost-box", "A box that never arrived is sealed anew in the next segment, behind its lost bytes.", lostBox()),
    vector(
      "two-segments-from-high",
      "Two segments from high to low.",
      [{ bundle: concat(...writeBundle(writer("high"), text(5000), [1])) }],
      {},
      "low",
    ),
  ];
}

function lostBox(): Uint8Array[] {
  const end = writer();
  const first = end.begin(HERE, 0);
  const arrived = end.seal(DATA, text(100)).item;
  end.seal(DATA, text(100, 100));
  const second = end.begin(0, 1);
  const again = end.seal(DATA, text(100, 100)).item;
  return [
    first.slotItem,
    first.opening,
    arrived,
    second.slotItem,
    second.opening,
    again,
    end.seal(LAST, text(7, 200)).item,
  ];
}

function refused(): Vector[] {
  const items = threeBoxes();
  const [slot, opening, first, second, last] = items as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const bad = (name: string, shows: string, ...parts: Uint8Array[]): Vector => {
    return vector(name, shows, [{ bundle: concat(...parts), error: "BAD_BUNDLE" }]);
  };
  const header = (length: number, kind: number, top = 0): Uint8Array => u32(length + kind * 65536 + top * 16777216);
  const filler = text(5000);
  return [
    bad("nothing", "An empty input is no bundle."),
    bad("three-bytes", "Fewer than four bytes are no bundle.", slot.subarray(0, 3)),
    bad("not-a-bundle", "Something else altogether.", bytesOf({ text: "-----BEGIN PGP MESSAGE-----\n\n" })),
    bad("starts-with-opening", "A bundle starts with a SLOT item.", opening, first, second, last),
    bad("starts-with-box", "A bundle does not start with a box.", first, second, last),
    bad("unknown-kind", "There is no item of kind 4 and 10 bytes.", slot, opening, header(10, 4), filler),
    bad("kind-10", "There is no kind 10.", slot, opening, header(10, 10), filler),
    ...CONTROLS.map(([kind, length]) => {
      return bad(
        `kind-${kind}`,
        `Items of a link, kind ${kind}, are not in a bundle.`,
        slot,
        opening,
        header(length, kind),
        filler,
      );
    }),
    bad("top-byte", "The top byte of a header is 0.", slot, opening, header(10, 1, 1), filler),
    bad("long-box", "No box holds more than 4,096 bytes.", slot, opening, header(4097, 1), filler),
    bad("opening-length", "An OPENING has 16 bytes of text.", slot, header(17, 3), filler),
    bad("slot-length", "A SLOT has 16 bytes, in a later segment too.", slot, opening, first, header(15, 0), filler),
    bad("slot-then-box", "Behind a SLOT comes an OPENING.", slot, first, second, last),
    bad("slot-then-slot", "Behind a SLOT comes no other SLOT.", slot, slot, opening, first, second, last),
    bad("opening-twice", "An OPENING stands behind a SLOT only.", slot, opening, opening, first, second, last),
    bad("byte-behind", "Nothing comes after LAST: one byte.", ...items, Uint8Array.of(0)),
    bad("box-behind", "Nothing comes after LAST: the box again.", ...items, last),
    bad("bundle-behind", "Nothing comes after LAST: another bundle.", ...twoBundles()),
    bad("segment-behind", "Nothing comes after LAST: another segment.", ...items, ...threeBoxes(later()).slice(0, 2)),
    bad("out-of-reach", "A box that would lie beyond the split that the reader holds.", ...outOfReach()),
  ];
}

/** Kind and length of text of what passes in a link beside runs. */
const CONTROLS: [kind: number, length: number][] = [
  [4, 48],
  [5, 64],
  [6, 48],
  [7, 4],
  [8, 20],
  [9, 20],
];

function twoBundles(): Uint8Array[] {
  const end = writer();
  return [...writeBundle(end, SHORT), ...writeBundle(end, SHORT)];
}

/** A writer that has used a slot and some bytes. */
function later(): End {
  const end = writer();
  threeBoxes(end);
  return end;
}

/** Low holds a higher split than high, which no honest pair comes to. */
function outOfReach(): Uint8Array[] {
  const end = writer("low", { split: 20000 });
  end.used.up = 16384 - 768 - 41;
  return writeBundle(end, SHORT);
}

function cut(): Vector[] {
  const bundle = concat(...threeBoxes());
  const at = (name: string, shows: string, length: number): Vector => {
    return vector(`cut-${name}`, shows, [{ bundle: bundle.subarray(0, length), error: "TRUNCATED" }]);
  };
  return [
    at("in-slot-header", "Four bytes are the start of a bundle.", 4),
    at("in-slot", "A cut inside the tag.", 19),
    at("behind-slot", "A cut behind the SLOT.", 20),
    at("in-opening", "A cut inside the OPENING.", 55),
    at("behind-opening", "A cut before the first box.", 56),
    at("in-header", "A cut inside the header of a box.", 58),
    at("in-box", "A cut inside a box.", 80),
    at("between-boxes", "A cut between two boxes leaves only whole boxes, but no LAST.", 86),
    at("before-last", "Everything but LAST.", 116),
    at("last-byte", "Everything but the last byte.", 145),
    vector("cut-then-whole", "A cut bundle is not used up: the whole one opens after it.", [
      { bundle: bundle.subarray(0, 116), error: "TRUNCATED" },
      { bundle },
    ]),
  ];
}

function spliced(): Vector[] {
  const [slot, opening, first, second, last] = threeBoxes() as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const other = threeBoxes(later()) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const two = writeBundle(writer(), text(5000), [1]) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const three = writeBundle(writer(), text(9000), [1, 2]);
  const refuse = (name: string, error: string, shows: string, ...items: Uint8Array[]): Vector => {
    return vector(name, shows, [{ bundle: concat(...items), error }]);
  };
  const auth = (name: string, shows: string, ...items: Uint8Array[]): Vector =>
    refuse(name, "AUTH_FAILED", shows, ...items);
  const flipped = last.map((byte, i) => (i === 6 ? byte ^ 1 : byte));
  const asData = last.map((byte, i) => (i === 2 ? DATA : byte));
  const asLast = first.map((byte, i) => (i === 2 ? LAST : byte));
  return [
    auth("swapped", "Two boxes in each other's place.", slot, opening, second, first, last),
    auth("left-out", "A box left out.", slot, opening, first, last),
    auth("repeated", "A box twice.", slot, opening, first, first, second, last),
    auth("box-of-other", "A box of another bundle.", slot, opening, first, other[3], last),
    auth("opening-of-other", "The opening of another bundle.", slot, other[1], first, second, last),
    auth(
      "flipped",
      "A flipped bit in the last box: what came before it is not delivered to a file.",
      slot,
      opening,
      first,
      second,
      flipped,
    ),
    auth("last-as-data", "LAST made DATA, so that something could follow.", slot, opening, first, second, asData),
    auth("ended-early", "DATA made LAST, so that the rest is not missed.", slot, opening, asLast),
    refuse(
      "slot-of-nobody",
      "SLOT_UNKNOWN",
      "A tag that is in no slot.",
      slot.map((byte, i) => (i === 19 ? byte ^ 1 : byte)),
      opening,
      first,
      second,
      last,
    ),
    refuse(
      "own-bundle",
      "SLOT_UNKNOWN",
      "A bundle that came back to the side that made it.",
      ...writeBundle(writer("high"), SHORT),
    ),
    refuse(
      "other-pad",
      "SLOT_UNKNOWN",
      "A bundle of another pad.",
      ...writeBundle(writer("low", { pad: { seed: "another pad", length: 32768 } }), SHORT),
    ),
    refuse("second-segment-alone", "BAD_BUNDLE", "A bundle does not start with its second segment.", ...two.slice(3)),
    refuse(
      "second-segment-of-other",
      "BAD_BUNDLE",
      "A segment of another run does not go on.",
      slot,
      opening,
      first,
      ...secondOfOther(),
    ),
    refuse(
      "segments-swapped",
      "BAD_BUNDLE",
      "The third segment before the second.",
      ...three.slice(0, 3),
      ...three.slice(6),
      ...three.slice(3, 6),
    ),
    refuse(
      "segment-left-out",
      "BAD_BUNDLE",
      "The second of three segments left out.",
      ...three.slice(0, 3),
      ...three.slice(6),
    ),
    refuse("segment-repeated", "BAD_BUNDLE", "The first segment twice.", ...two.slice(0, 3), ...two),
    refuse("first-not-run", "BAD_BUNDLE", "A first segment with number 0 whose run began elsewhere.", ...firstNotRun()),
  ];
}

/** The second segment of a run that began behind the three boxes. */
function secondOfOther(): Uint8Array[] {
  return writeBundle(later(), text(5000), [1]).slice(3);
}

function firstNotRun(): Uint8Array[] {
  const end = later();
  const { slotItem, opening } = end.begin(0, 0);
  return [slotItem, opening, end.seal(LAST, SHORT).item];
}

/** Readings that were interrupted while they released, and go on. */
function interrupted(): Vector[] {
  const one = threeBoxes();
  const two = writeBundle(writer(), text(5000), [1]);
  const findOf = (items: Uint8Array[], at: number): string =>
    hex((items[at] as Uint8Array).subarray(4)) + hex(items[at + 1] as Uint8Array);
  const release = (world: World, offset: number, item: Uint8Array): void => {
    world.does("reader", "OPEN", [{ u32: offset }, hex(item)]);
    world.does("reader", "RELEASE", [{ u32: offset }, { u32: item.length + 12 }]);
  };
  const releaseSlot = (world: World, items: Uint8Array[], at: number, slot: number): void => {
    world.does("reader", "FIND", findOf(items, at));
    world.does("reader", "RELEASE_SLOT", { u32: slot });
  };
  const goesOn = (name: string, shows: string, items: Uint8Array[], before: (world: World) => void): Vector => {
    const bundle = concat(...items);
    return vector(`interrupted-${name}`, shows, [
      { bundle, before },
      { bundle, error: "SLOT_UNKNOWN" },
    ]);
  };
  return [
    goesOn(
      "after-first-range",
      "The first box is released: the text was delivered, and only the release is finished.",
      one,
      (world) => {
        release(world, 768, one[2] as Uint8Array);
      },
    ),
    goesOn("before-slot", "All boxes are released and the slot is not.", one, (world) => {
      for (const box of [0, 1, 2]) release(world, 768 + 42 * box, one[2 + box] as Uint8Array);
    }),
    goesOn(
      "before-first-slot",
      "Of two segments the slot of the first is left, by which a delivered bundle is known.",
      two,
      (world) => {
        release(world, 768, two[2] as Uint8Array);
        release(world, 768 + 4128, two[5] as Uint8Array);
        releaseSlot(world, two, 3, 1);
      },
    ),
    vector("interrupted-before-release", "Opened, and nothing released: the text is delivered again.", [
      {
        bundle: concat(...one),
        before: (world) => {
          world.does("reader", "FIND", findOf(one, 0));
          world.does("reader", "OPEN", [{ u32: 768 }, hex(one[2] as Uint8Array)]);
        },
      },
    ]),
  ];
}
