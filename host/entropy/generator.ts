// The computer's own generator of randomness. It proves before each use that it is there, that it does not repeat itself,
// not even over a restart, and that it is not stuck. None of this shows that it is good; it shows the ways in which one
// breaks: stubbed out, seeded for a test, brought back from a snapshot of the machine.

import { randomFillSync } from "node:crypto";
import { EntropyError } from "./errors.ts";
import { HealthTests } from "./health.ts";
import type { UseRecords } from "./records.ts";

/** Bytes of each of the two draws that are tested and thrown away. */
const TEST_BYTES = 4096;
const WITNESS_BYTES = 32;

/** Overwrites bytes with random ones. */
export type Generator = (into: Uint8Array) => void;

/**
 * The system's generator, after its self-check. The `records` keep a digest of a draw that is used for nothing else.
 * @throws EntropyError ENTROPY_FAILED; also later, when a draw fails
 */
export async function checkedGenerator(records: UseRecords): Promise<Generator> {
  const first = test();
  const second = test();
  if (first.equals(second)) throw new EntropyError("ENTROPY_FAILED", { reason: "two draws are equal" });
  if (!(await records.witness(second.subarray(0, WITNESS_BYTES)))) {
    throw new EntropyError("ENTROPY_FAILED", { reason: "it gave what it gave on an earlier day" });
  }
  return draw;
}

function test(): Buffer {
  const bytes = Buffer.alloc(TEST_BYTES);
  draw(bytes);
  const finding = new HealthTests(8).update(bytes);
  if (finding !== null) throw new EntropyError("ENTROPY_FAILED", { reason: `it fails the ${finding.test} test` });
  return bytes;
}

function draw(into: Uint8Array): void {
  try {
    randomFillSync(into);
  } catch (cause) {
    throw new EntropyError("ENTROPY_FAILED", { reason: "it gives nothing" }, cause);
  }
}
