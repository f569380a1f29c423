/** What a blank device says of its chip and its body (docs/SPEC.md section 8, SELFTEST): a chip that does what it is told, in no time. */
import { Failure, readU32, u32 } from "./box.ts";
import { type Chip, SECTOR } from "./journal.ts";
import type { Button } from "./token.ts";

const PAGE = 256;
/** The bits that a word must read as behind a step, by the offset of the word. */
const EXPECTED: Record<number, (offset: number) => number> = {
  1: () => 0xffffffff,
  2: (offset) => Number((BigInt(offset / 4) * 0x9e3779b1n) & 0xffffffffn),
  3: () => 0,
};

/** Step 0. Which chip and which body it is, vectors leave open. */
export function askBody(chip: Chip): Uint8Array {
  return u32(chip.sectors, chip.overprogram === false ? 0 : 1, chip.burnUnit, 1, 0, 0, 1);
}

export class Selftest {
  /** The sector that is next in turn. Behind a boot it is another one, and erased as long as the journal has not gone around. */
  private readonly scratch: Uint8Array = new Uint8Array(SECTOR).fill(0xff);

  /** Steps from 1 on. */
  run(step: number, look: () => Button): Uint8Array {
    if (step > 4) throw new Failure("BAD_ARGUMENT");
    if (step === 4) return u32(look());
    const { scratch } = this;
    const word = EXPECTED[step] as (offset: number) => number;
    let wrong = 0;
    for (let at = 0; at < SECTOR; at += 4) {
      const target = word(at);
      const found = step === 1 ? target : (readU32(scratch, at) & target) >>> 0;
      scratch.set(u32(found), at);
      wrong += ((found ^ target) >>> 0).toString(2).replaceAll("0", "").length;
    }
    return u32(step === 1 ? 1 : SECTOR / PAGE, 0, 0, 0, 0, wrong, 0);
  }
}
