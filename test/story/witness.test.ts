// The witness of `npm start` must be able to fail: here it gets wires that no honest token and no honest server have between
// them, put together with the second implementation, and has to say so.

import { describe, expect, test } from "vitest";
import { type OriginalPad, type Testimony, type Wire, Witness } from "../../cli/demo/index.ts";
import { boxOffset, downEnd, firstSplitOfToken, slotOffset, upBase } from "../../host/protocol/index.ts";
import * as box from "../second/box.ts";
import { bytesOf } from "../second/bytes.ts";
import { NO_RECEIPT, readyText, receiptText, stateText, welcomeText } from "../second/link.ts";

const SHAPE = { padLength: 65_536, burnUnit: 1, slots: { low: 8, high: 0 } };
const PAD: OriginalPad = {
  bytes: Buffer.from(bytesOf({ seed: "witness", length: SHAPE.padLength })),
  shape: SHAPE,
  padId: "000102030405060708090a0b0c0d0e0f",
};
const SPLIT = firstSplitOfToken(SHAPE);
const ASKS = "What is the sum of 1 to 100?";
const ANSWERS = "5050";
const ASK_COST = 32 + ASKS.length;
const RECEIPT_COST = 32 + 48;

/** Changes an item on its way, as whoever sits on the wire could. */
type Spoil = (item: Uint8Array) => void;

interface Sealed {
  readonly mark: number;
  readonly kind?: number;
  readonly text?: string | Uint8Array;
  /** The offset under whose bytes it really is; that of its mark when it is honest. */
  readonly under?: number;
  readonly spoil?: Spoil;
}

/** One connection, with all that a token and its server say. */
class Talk {
  readonly #wire: Wire;
  readonly #slot: number;

  constructor(witness: Witness, slot: number) {
    this.#wire = witness.connection();
    this.#slot = slot;
  }

  calls(spoil?: Spoil): void {
    const tag = PAD.bytes.subarray(this.#at, this.#at + 16);
    this.up(spoilt(box.concat(Uint8Array.of(16, 0, 0, 0), Uint8Array.from(tag)), spoil));
  }

  welcomes(marks: { up: number; down: number }, spoil?: Spoil): void {
    const rest = { notes: 0, released: 0, split: SPLIT, lastCall: 0, receiptSequence: 1, unfinished: 0, lost: 0 };
    const text = welcomeText({ ...marks, ...rest });
    this.down(spoilt(seal("down", this.#at + 16, box.WELCOME, text), spoil));
  }

  readies(marks: { again: number; next: number; down: number }, spoil?: Spoil): void {
    const text = readyText({ ...marks, number: 0, split: SPLIT, cap: 100n, receipt: NO_RECEIPT });
    this.up(spoilt(seal("up", this.#at + 96, box.READY, text), spoil));
  }

  /** All three, and the receipt that begins the link. */
  begins(up = 0, down = 0): void {
    this.calls();
    this.welcomes({ up, down });
    this.readies({ again: up, next: up, down });
    this.receipt(down, up);
  }

  receipt(mark: number, up: number, sequence = 2, call: number = this.#slot + 1): void {
    const facts = { sequence, call, balance: 90n, open: 10n, up, flags: 0, mac: new Uint8Array(16) };
    this.answers({ mark, kind: box.RECEIPT, text: receiptText(facts) });
  }

  asks(sealed: Sealed): void {
    this.up(boxOf("up", sealed, ASKS));
  }

  answers(sealed: Sealed): void {
    this.down(boxOf("down", sealed, ANSWERS));
  }

  up(bytes: Uint8Array): void {
    this.#wire.up(bytes);
  }

  down(bytes: Uint8Array): void {
    this.#wire.down(bytes);
  }

  get #at(): number {
    return slotOffset(SHAPE, "low", this.#slot);
  }
}

function seal(direction: "up" | "down", offset: number, kind: number, text: Uint8Array): Uint8Array {
  const slice = Uint8Array.from(PAD.bytes.subarray(offset, offset + 32 + text.length));
  return box.seal(slice, { padId: Uint8Array.from(Buffer.from(PAD.padId, "hex")), direction, offset }, kind, text);
}

function boxOf(
  direction: "up" | "down",
  { mark, kind = box.LAST, text, under, spoil }: Sealed,
  words: string,
): Uint8Array {
  const plain = typeof text === "object" ? text : Uint8Array.from(Buffer.from(text ?? words));
  const offset = under ?? boxOffset(SHAPE, direction, mark, 32 + plain.length);
  return spoilt(seal(direction, offset, kind, plain), spoil);
}

function spoilt(item: Uint8Array, spoil: Spoil = () => {}): Uint8Array {
  spoil(item);
  return item;
}

/** Turns one bit over, counted from the end. */
const flip =
  (at: number): Spoil =>
  (item) => {
    item[item.length + at] = (item[item.length + at] as number) ^ 1;
  };

/** What the witness says of this. */
function seen(happens: (talk: (slot: number) => Talk, witness: Witness) => void): Testimony {
  const witness = new Witness(PAD);
  happens((slot) => new Talk(witness, slot), witness);
  return witness.verdict();
}

describe("an honest token and server", () => {
  test("every item is read from the wire alone, in whatever pieces it comes, and each pad byte counts once", () => {
    const witness = new Witness(PAD);
    const talk = new Talk(witness, 0);
    talk.begins();
    const asked = boxOf("up", { mark: 0 }, ASKS);
    for (const byte of asked) talk.up(Uint8Array.of(byte));
    talk.answers({ mark: RECEIPT_COST });
    talk.asks({
      mark: ASK_COST,
      kind: box.STATE,
      text: stateText({ down: 0, receiptSequence: 2, cap: 100n, flags: 1 }),
    });
    talk.receipt(RECEIPT_COST + 36, ASK_COST + 52, 3);
    expect(witness.verdict()).toEqual({
      calls: 1,
      links: 1,
      boxes: { up: 2, down: 3 },
      bytesUsed: 16 + 80 + 96 + ASK_COST + 52 + 2 * RECEIPT_COST + 36,
      bytesReused: 0,
      receipt: expect.objectContaining({ sequence: 3, balance: 90n, up: ASK_COST + 52 }),
      disagreements: [],
    });
    expect(witness.downMark).toBe(2 * RECEIPT_COST + 36);
    expect(witness.upBytes(ASK_COST)).toBe(ASK_COST);
  });

  test("what is sent again as it is, in the next link, uses nothing a second time; a jump over lost boxes is no disagreement", () => {
    const once = seen((talk) => {
      const first = talk(0);
      first.begins();
      first.asks({ mark: 0 });
    });
    const twice = seen((talk) => {
      const first = talk(0);
      first.begins();
      first.asks({ mark: 0 });
      const next = talk(1);
      next.calls();
      next.welcomes({ up: 0, down: RECEIPT_COST });
      next.readies({ again: ASK_COST, next: ASK_COST + 500, down: 0 });
      next.receipt(0, 0, 2, 1);
      next.receipt(RECEIPT_COST, 0, 3);
      next.asks({ mark: 0 });
      next.asks({ mark: ASK_COST + 500 });
    });
    expect(twice).toMatchObject({ links: 2, bytesReused: 0, disagreements: [], boxes: { up: 2, down: 2 } });
    expect(twice.bytesUsed).toBe(once.bytesUsed + 16 + 80 + 96 + ASK_COST + RECEIPT_COST);
  });

  test("a call that is refused is a call, and no link", () => {
    const { calls, links, disagreements } = seen((talk) => {
      const one = talk(0);
      one.calls();
      one.down(box.concat(Uint8Array.of(48, 0, 4, 0), bytesOf({ seed: "noise", length: 64 })));
    });
    expect([calls, links, disagreements]).toEqual([1, 0, []]);
  });
});

describe("pad bytes that are used twice", () => {
  test("by a token that seals another text where it was before, in its next link", () => {
    const { bytesReused } = seen((talk) => {
      const first = talk(0);
      first.begins();
      first.asks({ mark: 0 });
      const next = talk(1);
      next.begins(0, RECEIPT_COST);
      next.asks({ mark: 0, text: "Another question, the same bytes." });
    });
    expect(bytesReused).toBe(ASK_COST);
  });

  test("by a token that goes back by one byte", () => {
    const { bytesReused } = seen((talk) => {
      const first = talk(0);
      first.begins();
      first.asks({ mark: 0 });
      const next = talk(1);
      next.begins(ASK_COST - 1, RECEIPT_COST);
      next.asks({ mark: ASK_COST - 1 });
    });
    expect(bytesReused).toBe(1);
  });

  test("by a server that answers twice under the same bytes, and by one that welcomes a slot in two ways", () => {
    const answered = seen((talk) => {
      const first = talk(0);
      first.begins();
      first.answers({ mark: RECEIPT_COST });
      const next = talk(1);
      next.calls();
      next.welcomes({ up: 0, down: RECEIPT_COST + 36 });
      next.readies({ again: 0, next: 0, down: RECEIPT_COST });
      next.answers({ mark: RECEIPT_COST, text: "5051" });
    });
    expect(answered.bytesReused).toBe(36);
    const welcomed = seen((talk) => {
      const first = talk(0);
      first.calls();
      first.welcomes({ up: 0, down: 0 });
      const again = talk(0);
      again.calls();
      again.welcomes({ up: 0, down: 36 });
    });
    expect(welcomed.bytesReused).toBe(80);
  });

  test("by both ends: each sends a text under the same bytes", () => {
    const up = downEnd(SHAPE) - upBase(SHAPE) - 36;
    const { bytesReused } = seen((talk) => {
      const one = talk(0);
      one.begins(up, RECEIPT_COST);
      one.asks({ mark: up, text: ANSWERS });
      const other = talk(1);
      other.begins(up, 0);
    });
    expect(bytesReused).toBe(36);
  });
});

describe("what does not belong there", () => {
  const begun = (talk: (slot: number) => Talk): Talk => {
    const one = talk(0);
    one.begins();
    return one;
  };
  const deceits: readonly [name: string, happens: (talk: (slot: number) => Talk) => void, sentence: RegExp][] = [
    ["a bit of a text is turned over", (talk) => begun(talk).asks({ mark: 0, spoil: flip(-17) }), /last at mark 0 up/],
    ["a bit of a tag is turned over", (talk) => begun(talk).asks({ mark: 0, spoil: flip(-1) }), /last at mark 0 up/],
    [
      "a bit of an answer is turned over",
      (talk) => begun(talk).answers({ mark: RECEIPT_COST, spoil: flip(-20) }),
      /last at mark 80 down does not fit its tag/,
    ],
    [
      "the kind of a box is changed",
      (talk) => begun(talk).asks({ mark: 0, spoil: (item) => item.set([box.DATA], 2) }),
      /data at mark 0 up does not fit its tag/,
    ],
    [
      "the text goes as it is",
      (talk) => begun(talk).asks({ mark: 0, spoil: (item) => item.set(Buffer.from(ASKS), 4) }),
      /does not fit its tag/,
    ],
    [
      "a box is sent a second time within a link",
      (talk) => {
        const one = begun(talk);
        one.asks({ mark: 0 });
        one.asks({ mark: 0 });
      },
      /last at mark 60 up does not fit its tag/,
    ],
    ["pad bytes are skipped unannounced", (talk) => begun(talk).asks({ mark: 8 }), /last at mark 0 up/],
    [
      "a box lies under other bytes than its mark says",
      (talk) => begun(talk).asks({ mark: 0, under: 30_000 }),
      /last at mark 0 up/,
    ],
    [
      "an answer comes back up",
      (talk) => begun(talk).up(boxOf("down", { mark: RECEIPT_COST }, ANSWERS)),
      /last at mark 0 up does not fit its tag/,
    ],
    ["a tag is spoilt", (talk) => talk(0).calls(flip(-3)), /a tag that is none of the pad's/],
    [
      "a ready is spoilt",
      (talk) => {
        const one = talk(0);
        one.calls();
        one.welcomes({ up: 0, down: 0 });
        one.readies({ again: 0, next: 0, down: 0 }, flip(-30));
      },
      /the ready of slot 0/,
    ],
    [
      "a welcome is spoilt, and answered all the same",
      (talk) => {
        const one = talk(0);
        one.calls();
        one.welcomes({ up: 0, down: 0 }, flip(-30));
        one.readies({ again: 0, next: 0, down: 0 });
      },
      /the ready of slot 0 answers no welcome/,
    ],
    [
      "a box goes up before its ready",
      (talk) => {
        const one = talk(0);
        one.calls();
        one.welcomes({ up: 0, down: 0 });
        one.asks({ mark: 0 });
      },
      /a last went up before any ready/,
    ],
    [
      "something passes that is no item",
      (talk) => begun(talk).up(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3)),
      /what went up in the call of slot 0 is no item/,
    ],
  ];

  test.each(deceits)("%s: it is seen", (_, happens, sentence) => {
    expect(seen(happens).disagreements).toEqual([expect.stringMatching(sentence)]);
  });
});
