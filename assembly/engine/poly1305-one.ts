// Poly1305 of one message in four lanes: lane j takes every fourth block, and each step multiplies all lanes by r^4; at the
// end lane j still lacks r^(4-j).

import {
  addLane,
  lanesBegin,
  lanesClear,
  lanesEnd,
  lanesMultiply,
  lanesTake,
  setLane,
  setLanes,
} from "./poly1305-lanes";
import { WORDS, wordBlocks, wordCarry, wordMultiply } from "./poly1305-words";
import { xor } from "./xor";

/** Below this many bytes it costs more to set the lanes up than they save. */
export const LANES_FROM: u32 = 1024;

/**
 * Takes in whole groups of four blocks: h = (h + block + 2^128) r for each block of the source. With a target it does what
 * xor does on the way, and answers as xor does; then the blocks are those of the target if `opening`.
 */
export function laneBlocks(
  h: usize,
  r: usize,
  table: usize,
  source: usize,
  length: u32,
  target: usize = 0,
  key: usize = 0,
  opening: bool = false,
): bool {
  const flat = target !== 0 && xor(target, source, key, 64);
  setPower(table, r);
  // The first group goes by words, but for its last multiplication: as lane 3, beside lanes that are 0, it still gets that.
  const first = opening ? target : source;
  wordBlocks(h, r, first, 48);
  addBlock(h, first + 48);
  wordCarry(h);
  setLane(table, 3, load<u64>(h), load<u64>(h, 8), load<u64>(h, 16), load<u64>(h, 24));
  lanesBegin(table);
  const more = target ? target + 64 : 0;
  const flatBehind = lanesTake(table, length / 64 - 1, 64, source + 64, 16, more, 16, key + 64, 16, opening);
  lanesEnd(table);
  for (let i: u32 = 0; i < WORDS; i += 8) store<u64>(h + i, 0);
  for (let lane: u32 = 0; lane < 4; lane++) {
    addLane(h, table, lane);
    wordMultiply(h, r);
  }
  lanesClear(table);
  return flat || flatBehind;
}

/** Makes r^4 the multiplier of every lane. */
function setPower(table: usize, r: usize): void {
  const power = table;
  for (let i: u32 = 0; i < 4; i++) store<u64>(power + 8 * i, load<u32>(r + 4 * i));
  for (let i = 1; i < 4; i++) wordMultiply(power, r);
  wordCarry(power);
  setLanes(table, load<u64>(power), load<u64>(power, 8), load<u64>(power, 16), load<u64>(power, 24));
  lanesMultiply(table);
}

// h += block + 2^128
function addBlock(h: usize, block: usize): void {
  store<u64>(h, load<u64>(h) + load<u32>(block));
  store<u64>(h, load<u64>(h, 8) + load<u32>(block, 4), 8);
  store<u64>(h, load<u64>(h, 16) + load<u32>(block, 8), 16);
  store<u64>(h, load<u64>(h, 24) + load<u32>(block, 12) + (1 << 32), 24);
}
