/** Vectors of kind run: a text of any length as boxes at consecutive marks (docs/SPEC.md sections 1 and 3). */
import { concat, DATA, type Direction, LAST, LONGEST } from "../box.ts";
import { bytesOf, expected, type Seeded } from "../bytes.ts";
import { End } from "../end.ts";
import type { Vector } from "./vector.ts";

/** A pair of 256 KiB: 32 slots on each side, split in the middle. */
const PAD: Seeded = { seed: "pad of runs", length: 262144 };
const PAD_ID = "303132333435363738393a3b3c3d3e3f";

export function runVectors(): Vector[] {
  const lengths = [0, 1, 4096, 4097, 8192, 12345, 65535, 65536, 65537, 100000];
  return [
    ...lengths.map((length) => run(`up-${length}`, `${length} bytes of text, upward.`, "up", length)),
    ...lengths.map((length) =>
      run(`down-${length}`, `${length} bytes of text, downward: the first box lies highest.`, "down", length),
    ),
    run("later", "A run that begins at mark 10,000.", "up", 20000, 10000),
    run("later-down", "A run that begins at mark 10,000, downward.", "down", 20000, 10000),
    ...[4, 64].map((burnUnit) => {
      return run(
        `burn-unit-${burnUnit}`,
        `Each box is rounded up to ${burnUnit} by itself.`,
        "up",
        20001,
        6400,
        burnUnit,
      );
    }),
    run("burn-unit-64-down", "Each box is rounded up to 64 by itself, downward.", "down", 70001, 6400, 64),
  ];
}

function run(name: string, shows: string, direction: Direction, length: number, mark = 0, burnUnit = 1): Vector {
  const side = direction === "up" ? "low" : "high";
  const end = new End(
    { side, padId: bytesOf(PAD_ID), burnUnit, slots: ["low", "high"], split: PAD.length / 2 },
    bytesOf(PAD),
  );
  end.used[direction] = mark;
  const text = { seed: "text", length };
  const bytes = bytesOf(text);
  const items: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < length; at += LONGEST) {
    items.push(end.seal(at + LONGEST >= length ? LAST : DATA, bytes.subarray(at, at + LONGEST)).item);
  }
  const expect = { items: expected(concat(...items)), consumes: end.used[direction] - mark };
  return {
    name: `run-${name}`,
    kind: "run",
    shows,
    section: "3",
    pad: PAD,
    padId: PAD_ID,
    direction,
    mark,
    burnUnit,
    text,
    expect,
  };
}
