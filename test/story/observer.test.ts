// The observer of `npm start` must be able to fail: here it gets conversations that no honest device has, and has to say so.

import { describe, expect, test } from "vitest";
import { freshLedger, Observer, type OriginalPad, type Verdict } from "../../cli/demo/index.ts";
import { downEnd, upBase } from "../../host/protocol/index.ts";
import { bytesOf } from "../second/bytes.ts";
import { type Box, Conversation } from "./conversation.ts";

const SHAPE = { padLength: 65_536, burnUnit: 1, slots: { low: 8, high: 8 } };
const PAD: OriginalPad = {
  bytes: Buffer.from(bytesOf({ seed: "observer", length: SHAPE.padLength })),
  shape: SHAPE,
  padId: "000102030405060708090a0b0c0d0e0f",
};
const BASE = upBase(SHAPE);
const FIRST = "The first text of all.";
const FIRST_COST = 32 + FIRST.length;

interface World {
  readonly observer: Observer;
  readonly a: Conversation;
  readonly b: Conversation;
  /** Lets the observer read everything. */
  watched(): Verdict;
}

function world(): World {
  const observer = new Observer(PAD, freshLedger(SHAPE));
  const a = new Conversation(PAD, "up");
  const b = new Conversation(PAD, "down");
  const watched = (): Verdict => {
    for (const [side, { chunks }] of [
      ["low", a],
      ["high", b],
    ] as const) {
      const see = observer.line(side);
      for (const chunk of chunks) see(chunk);
    }
    return observer.verdict();
  };
  return { observer, a, b, watched };
}

/** A's chip and B's after one text from A to B: what was used is zero. */
function chips(): { low: Buffer; high: Buffer } {
  const low = Buffer.from(PAD.bytes)
    .fill(0, 0, 192)
    .fill(0, BASE, BASE + FIRST_COST);
  const high = Buffer.from(PAD.bytes).fill(0, BASE, BASE + FIRST_COST);
  return { low, high };
}

/** One text from A to B, slot and all but its release. */
function oneText({ a, b }: World): Box {
  a.begins(0, { first: 0 });
  const box = a.seals({ mark: 0, text: FIRST });
  b.opens(box);
  b.releases(BASE, FIRST_COST, FIRST_COST);
  return box;
}

describe("honest devices", () => {
  test("T-02 ciphertext XOR text is the pad slice at the offset, marks move by what was used, used bytes read zero", () => {
    const it = world();
    oneText(it);
    it.b.begins(0, { first: 0 });
    it.a.opens(it.b.seals({ mark: 0, text: "An answer, downward." }));
    const { low, high } = chips();
    const end = downEnd(SHAPE);
    high.fill(0, SHAPE.padLength - 192).fill(0, end - 32 - 20, end);
    const before = it.watched();
    it.observer.examine("low", low);
    it.observer.examine("high", high);
    expect(it.observer.verdict()).toEqual(before);
    expect(before).toEqual({
      bytesUsed: 48 + FIRST_COST + 48 + 52,
      bytesReused: 0,
      bytesSkipped: 0,
      boxes: 4,
      disagreements: [],
    });
  });

  test("a reply that is sent again hides the same text, and is no second use", () => {
    const it = world();
    oneText(it);
    const { a } = it;
    a.seals({ mark: FIRST_COST, text: "Once more?" });
    a.repeat();
    expect(it.watched()).toMatchObject({ bytesReused: 0, disagreements: [] });
  });

  test("bytes that were reserved for a box that never left are skipped, and no more than those", () => {
    const it = world();
    it.a.sealsInVain("lost on the way");
    it.a.seals({ mark: 32 + "lost on the way".length, text: FIRST });
    expect(it.watched()).toMatchObject({ bytesSkipped: 47, bytesReused: 0, disagreements: [] });
  });

  test("an empty text uses the bytes of its tag alone", () => {
    const it = world();
    it.a.seals({ mark: 0, text: "" });
    expect(it.watched()).toMatchObject({ bytesUsed: 32, bytesReused: 0, disagreements: [] });
  });
});

describe("a device that uses pad bytes twice", () => {
  test("T-02 openly, at a mark that it had before: every byte that hid two texts is counted", () => {
    const it = world();
    oneText(it);
    it.a.seals({ mark: 0, text: "Another text under the same bytes." });
    const { bytesReused, disagreements } = it.watched();
    expect(bytesReused).toBe(FIRST_COST);
    expect(disagreements).toEqual([expect.stringContaining("device A says its sealing mark is 0")]);
  });

  test("T-02 and says another offset: its ciphertext tells which bytes it really used", () => {
    const it = world();
    oneText(it);
    it.a.seals({ mark: FIRST_COST, text: "Another text under the same bytes.", under: BASE });
    const { bytesReused, disagreements } = it.watched();
    expect(bytesReused).toBe(FIRST_COST);
    expect(disagreements).toEqual([
      `device A hid a text under the bytes at offset ${BASE} and said ${BASE + FIRST_COST}`,
    ]);
  });

  test("in part: only the bytes that both texts lay under are counted", () => {
    const it = world();
    oneText(it);
    it.a.seals({ mark: FIRST_COST - 10, text: "Ten bytes too early." });
    expect(it.watched().bytesReused).toBe(10);
  });

  test("with both ends: each sends a text under the same bytes", () => {
    const it = world();
    it.a.seals({ mark: 0, text: FIRST });
    it.b.seals({ mark: downEnd(SHAPE) - BASE - FIRST_COST, text: "B, far beyond the split" });
    const { bytesReused, disagreements } = it.watched();
    expect(bytesReused).toBeGreaterThan(0);
    expect(disagreements).toContainEqual(
      expect.stringMatching(/^device B sealed a box at offset \d+, across the split$/),
    );
  });

  test("by taking a slot a second time", () => {
    const it = world();
    it.a.begins(0, { first: 0 });
    it.a.seals({ mark: 0, text: FIRST });
    it.a.begins(0, { first: FIRST_COST });
    const { bytesReused, disagreements } = it.watched();
    expect(bytesReused).toBe(48);
    expect(disagreements).toEqual(["device A took slot 0 where 1 was next"]);
  });
});

describe("a device that does something else than it should", () => {
  const flip = (at: number) => (box: Uint8Array) => {
    box[box.length + at] = (box[box.length + at] as number) ^ 1;
  };
  const deceits: readonly [name: string, deceive: (world: World) => void, sentence: RegExp][] = [
    [
      "sends the text as it is",
      ({ a }) => a.seals({ mark: 0, text: FIRST, spoil: (box) => box.set(Buffer.from(FIRST), 4) }),
      /under bytes that are nowhere in the pad/,
    ],
    [
      "hides a text under other bytes",
      ({ a }) => a.seals({ mark: 0, text: FIRST, spoil: flip(-20) }),
      /nowhere in the pad/,
    ],
    ["makes a wrong tag", ({ a }) => a.seals({ mark: 0, text: FIRST, spoil: flip(-1) }), /whose tag does not fit/],
    [
      "announces another length",
      ({ a }) => a.seals({ mark: 0, text: FIRST, spoil: (box) => box.set([1], 0) }),
      /whose header is not that of its text/,
    ],
    ["skips bytes without a cut", ({ a }) => a.seals({ mark: 5, text: FIRST }), /says its sealing mark is 5/],
    [
      "skips bytes after a refusal that used nothing",
      ({ a }) => {
        a.refused(0x21, new Uint8Array(40), 8);
        a.seals({ mark: 68, text: FIRST });
      },
      /says its sealing mark is 68/,
    ],
    [
      "begins a segment elsewhere than its opening says",
      ({ a }) => a.begins(0, { first: 0, says: 7 }),
      /sealed an opening that says something else/,
    ],
    [
      "opens a box that was never sealed",
      ({ b }) => b.opens(new Conversation(PAD, "up").seals({ mark: 0, text: FIRST })),
      /device B opened a box at offset \d+ that the other never sealed/,
    ],
    [
      "destroys what belongs to no opened box",
      (it) => {
        oneText(it);
        it.b.releases(BASE + FIRST_COST, 100, FIRST_COST + 100);
      },
      /device B destroyed bytes at offset \d+ that belong to no box/,
    ],
    [
      "counts less than it destroyed",
      (it) => {
        it.b.opens(it.a.seals({ mark: 0, text: FIRST }));
        it.b.releases(BASE, FIRST_COST, FIRST_COST - 1);
      },
      /device B says its opening mark is/,
    ],
    [
      "answers one command with two boxes",
      ({ a }) => {
        a.seals({ mark: 0, text: FIRST });
        const other = new Conversation(PAD, "up");
        other.seals({ mark: FIRST_COST, text: FIRST });
        a.chunks.push(...other.chunks);
      },
      /answered one command in two ways/,
    ],
    [
      "answers what it was not asked",
      ({ a }) => {
        a.seals({ mark: 0, text: FIRST });
        a.chunks.shift();
      },
      /answered what it was not asked/,
    ],
  ];

  test.each(deceits)("one that %s is found", (_, deceive, sentence) => {
    const it = world();
    deceive(it);
    expect(it.watched().disagreements).toContainEqual(expect.stringMatching(sentence));
  });

  test("used bytes that were not destroyed, and others that changed, are found on the chips", () => {
    const it = world();
    oneText(it);
    it.watched();
    const { low, high } = chips();
    low[BASE + 40] = 1;
    high[BASE + FIRST_COST]! ^= 1;
    it.observer.examine("low", low);
    it.observer.examine("high", high);
    expect(it.observer.verdict().disagreements).toEqual([
      "1 used bytes are not destroyed on device A",
      "1 bytes of device B changed without any use",
    ]);
  });
});
