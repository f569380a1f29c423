/** A pad as two people hold it, for vectors that say nothing of devices: slots on both sides, split in the middle. */
import { Poly1305 } from "../../host/protocol/index.ts";
import { Board } from "./board.ts";
import { bytesOf, hex, type Seeded } from "./bytes.ts";

const SLOT_SIZE = 192;

export interface Pair {
  readonly pad: Seeded;
  readonly padId: string;
  readonly direction: "up" | "down";
  readonly burnUnit: number;
}

/** Where boxes lie in it (SPEC section 1). */
export function placesOf({ pad, burnUnit }: Pair): { slots: number; base: number; end: number; split: number } {
  const slots = Math.floor(pad.length / 8192);
  const middle = pad.length / 2;
  return { slots, base: SLOT_SIZE * slots, end: pad.length - SLOT_SIZE * slots, split: middle - (middle % burnUnit) };
}

/** Its two devices, freshly filled: who seals in the direction and has come to the mark, and who opens. */
export function twinsOf(pair: Pair, mark: number): { sealer: Board; opener: Board } {
  const [low, high] = [deviceOf(pair, "low"), deviceOf(pair, "high")];
  const twins = pair.direction === "up" ? { sealer: low, opener: high } : { sealer: high, opener: low };
  passOver(twins.sealer, mark);
  return twins;
}

function deviceOf(pair: Pair, side: "low" | "high"): Board {
  const { pad, padId, burnUnit } = pair;
  const board = new Board({ sectors: 6 + pad.length / 4096, burnUnit: 1 });
  const key = new Uint8Array(32).fill(7);
  const mac = new Poly1305(key);
  mac.update(bytesOf(pad));
  const { split } = placesOf(pair);
  const whole = { slots: 3, provenance: 1, padLength: pad.length, split, burnUnit, padId, pad };
  board.boot();
  board.fill({ side, ...whole, key: hex(key), tag: hex(mac.digest()) });
  return board;
}

/** Seals until the mark is reached. */
function passOver(board: Board, mark: number): void {
  for (let left = mark; left > 0; ) {
    const size = left > 4128 ? Math.min(4096, left - 64) : left;
    board.must("SEAL", [{ u32: 1 }, { zeros: size - 32 }]);
    left -= size;
  }
}
