/** Vectors of kind journal: what lies on a chip, and what a boot makes of it. */
import { Board, type Chip } from "./board.ts";
import { type Bytes, bytesOf, expectEqual } from "./bytes.ts";
import { expectReply, runStep, type Step } from "./device.ts";

export interface JournalVector {
  readonly kind: "journal";
  readonly chip: Chip;
  readonly traps: number;
  readonly flash: readonly { readonly at: number; readonly bytes: Bytes }[];
  readonly expect: {
    readonly info: Readonly<Record<string, number | string>>;
    /** Offset and length of the only pad bytes that the boot changes: they become zero. */
    readonly burned?: readonly (readonly [number, number])[];
    /** The boot changes nothing on the chip. */
    readonly unwritten?: boolean;
    /** The facts of NO_SESSION before HELLO. */
    readonly noSession?: readonly number[];
  };
  /** Commands after the boot. */
  readonly steps: readonly Omit<Step, "on">[];
}

export function runJournal({ chip, traps, flash, expect, steps }: JournalVector): void {
  const board = new Board(chip);
  for (const { at, bytes } of flash) board.flash.put(at, bytesOf(bytes));
  const before = board.flash.content(0, board.flash.size);
  board.boot(traps);
  board.expectInfo(expect.info);
  const after = board.flash.content(0, board.flash.size);
  if (expect.unwritten) expectSame("chip", after, before);
  if (expect.burned) {
    const pad = padAddress(chip);
    for (const [offset, length] of expect.burned) before.fill(0, pad + offset, pad + offset + length);
    expectSame("pad", after.subarray(pad), before.subarray(pad));
  }
  if (expect.noSession) {
    const refusal = { code: "NO_SESSION", detail: 0, facts: expect.noSession };
    expectReply("before HELLO", board.askWithoutSession("SEAL"), { error: refusal });
  }
  for (const [number, step] of steps.entries()) runStep(board, `step ${number + 1}`, step);
}

/** Names the first byte that differs, and neither of the two. */
function expectSame(what: string, actual: Uint8Array, expected: Uint8Array): void {
  const at = expected.findIndex((byte, i) => byte !== actual[i]);
  if (at >= 0) expectEqual(`the ${what} at ${at}`, actual[at] === 0 ? "burned" : "another byte", "as the vector says");
}

/** SPEC section 4: the reference map from 1 MiB on, the small one below. */
function padAddress(chip: Chip): number {
  return 4096 * (chip.sectors >= 256 ? 32 : 6);
}
