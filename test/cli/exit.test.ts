// No error that a command can meet is forgotten where exit codes are given out.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { EXITS, exitOf } from "../../cli/exit.ts";
import { reportOf } from "../../cli/report.ts";
import { LinkFailure } from "../../host/link/index.ts";

/** What can go wrong with a board, a token, its server and its books, where it is defined. Services' own errors arrive as SERVICE_ERROR. */
const TABLES = [
  ["host/boot/errors.ts", "BootFacts"],
  ["host/entropy/errors.ts", "EntropyFacts"],
  ["host/link/errors.ts", "LinkFacts"],
  ["server/token/errors.ts", "TokenFacts"],
  ["server/store/errors.ts", "StoreFacts"],
  ["server/vault/errors.ts", "VaultFacts"],
  ["server/ledger/errors.ts", "LedgerFacts"],
  ["server/service/errors.ts", "ShelfFacts"],
  ["server/service/errors.ts", "CounterFacts"],
] as const;

/** The names in an interface of a source file. */
function codesIn(path: string, name: string): string[] {
  const text = readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
  const body = new RegExp(`interface ${name} \\{([\\s\\S]*?)\\n\\}`).exec(text)?.[1] ?? "";
  return [...body.matchAll(/^ {2}([A-Z0-9_]+):/gm)].map(([, code]) => code as string);
}

describe("exit codes", () => {
  test.each(TABLES)("every error of %s has a place", (path, name) => {
    const codes = codesIn(path, name);
    expect(codes.length).toBeGreaterThan(1);
    expect(codes.filter((code) => exitOf(code) === 1)).toEqual([]);
  });

  test("each error has one place, each number one meaning, and those of before are what they were", () => {
    const codes = EXITS.flatMap(({ codes }) => codes);
    expect(new Set(codes).size).toBe(codes.length);
    const numbers = EXITS.map(({ exit }) => exit);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(["USAGE", "NEED_GRANT", "EXHAUSTED", "NO_DEVICE", "DISK_FULL", "RELEASE_UNFINISHED"].map(exitOf)).toEqual([
      2, 5, 6, 10, 13, 17,
    ]);
  });

  test("what scripts tell apart has a number of its own: a state, a side, a line, what is not there", () => {
    const codes = ["WRONG_STATE", "WRONG_SIDE", "LINE_FAILED", "CONTROL_FAILED", "NO_BUNDLE", "NO_ANSWER"];
    expect(codes.map(exitOf)).toEqual([26, 26, 27, 27, 2, 10]);
  });

  test("docs/OPERATING.md has the same table", () => {
    const text = readFileSync(new URL("../../docs/OPERATING.md", import.meta.url), "utf8");
    for (const { exit, means, codes } of EXITS)
      expect(text).toContain(`\n| ${exit} | ${means} | ${codes.join(", ")} |\n`);
  });

  test("a service that failed exits as one, and a value that is spent as that", () => {
    const failure = (error: string) => new LinkFailure("SERVICE_ERROR", { error, says: "", charged: 0n, balance: 0n });
    expect(reportOf(failure("NOT_FOUND")).exit).toBe(22);
    expect(reportOf(failure("EXHAUSTED")).exit).toBe(21);
    expect(reportOf(failure("PAD_EXHAUSTED")).exit).toBe(6);
  });
});
