// The health tests of raw noise against their definition, worked out exactly and another way.

import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { HealthTests, proportionCutoff, repetitionCutoff } from "../../host/entropy/health.ts";

describe("cutoffs (SP 800-90B 4.4, alpha = 2^-40)", () => {
  test.each([
    [8, 6],
    [4, 11],
    [1, 41],
    [0.5, 81],
    [0.1, 401],
  ])("at %d bits a byte, a run of %i equal bytes is too long", (minEntropy, cutoff) => {
    expect(repetitionCutoff(minEntropy)).toBe(cutoff);
  });

  test.each([8, 7, 6, 5, 4, 3, 2, 1])(
    "at %i bits a byte, the count in a window is that of the exact binomial",
    (minEntropy) => {
      expect(proportionCutoff(minEntropy)).toBe(1 + criticalBinomial(512, BigInt(2 ** minEntropy), 40n));
    },
  );

  test("the cutoffs that NIST's own recommendation of alpha = 2^-20 would give are lower", () => {
    expect(proportionCutoff(1)).toBeGreaterThan(1 + criticalBinomial(512, 2n, 20n));
  });
});

describe("the tests", () => {
  test("one byte fewer than a run that fails passes, and the run itself fails where it ends", () => {
    for (const length of [5, 6]) {
      const bytes = distinct(1000);
      bytes.fill(200, 300, 300 + length);
      const tests = new HealthTests(8);
      const finding = tests.update(bytes);
      if (length === 5) expect(finding).toBeNull();
      else expect(finding).toEqual({ test: "repetition count", position: 305, count: 6, cutoff: 6 });
      expect(tests.counters.longestRepetition).toBe(length);
    }
  });

  test("the first byte of a window counts within that window alone", () => {
    const cutoff = proportionCutoff(8);
    const window = (count: number): Uint8Array => {
      const bytes = distinct(512).map((byte) => (byte === 77 ? 78 : byte));
      for (let i = 0; i < count; i++) bytes[i * 20] = 77;
      return bytes;
    };
    const passes = new HealthTests(8);
    expect(passes.update(window(cutoff - 1))).toBeNull();
    expect(passes.update(window(cutoff - 1))).toBeNull();
    expect(passes.counters.highestProportion).toBe(cutoff - 1);
    expect(passes.update(window(cutoff))).toMatchObject({
      test: "adaptive proportion",
      position: 1024 + (cutoff - 1) * 20,
      count: cutoff,
    });
  });

  test("pieces of any size give what the whole gives", () => {
    const bytes = randomBytes(5000);
    const whole = new HealthTests(8);
    const pieces = new HealthTests(8);
    whole.update(bytes);
    for (let at = 0, size = 1; at < bytes.length; at += size++) pieces.update(bytes.subarray(at, at + size));
    expect(pieces.counters).toEqual(whole.counters);
    expect(whole.counters.samplesTested).toBe(5000);
  });

  test("a pattern that comes again and again is found, whatever is claimed, and one repeated piece as well", () => {
    for (const period of [2, 3, 7, 10, 64, 4096, 5040]) {
      const tests = new HealthTests(0.5);
      const finding = tests.update(Uint8Array.from(randomBytes(20_000).map((_, i, all) => all[i % period]!)));
      expect(finding, `period ${period}`).toMatchObject({ test: expect.stringMatching(/^(period|adaptive)/) });
    }
    const bytes = randomBytes(30_000);
    bytes.copy(bytes, 10_000 + 4096, 10_000, 10_100);
    const at = 10_000 + 4096;
    expect(new HealthTests(8).update(bytes)).toMatchObject({
      test: "period",
      position: expect.toSatisfy((position: number) => position >= at && position < at + 6),
      cutoff: 6,
    });
  });

  test("a megabyte of good noise passes", () => {
    expect(new HealthTests(8).update(randomBytes(1 << 20))).toBeNull();
  });
});

/** Bytes of which none equals its neighbour and none is frequent. */
function distinct(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 37) % 199);
}

/** The smallest k with P(X > k) ≤ 2^-alphaBits for X ~ B(n, 1/inverse), in whole numbers. */
function criticalBinomial(n: number, inverse: bigint, alphaBits: bigint): number {
  const whole = inverse ** BigInt(n);
  let tail = 0n;
  let term = 1n; // C(n, count) · (inverse - 1)^(n - count)
  for (let count = n; count >= 0; count--) {
    tail += term;
    if (tail << alphaBits > whole) return count;
    term = (term * BigInt(count) * (inverse - 1n)) / BigInt(n - count + 1);
  }
  throw new Error("the tail is the whole");
}
