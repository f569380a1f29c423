// Calculations through the desk: results and fees, and every way in which a program can go wrong.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Pool, readReply } from "../../../server/service/compute/pool.ts";
import { sum } from "../../../server/service/compute/sum.ts";
import { isServiceError, type ServiceError, ShelfError } from "../../../server/service/index.ts";
import { Desk, type Token } from "./desk.ts";
import { I32, i32, moduleOf, run } from "./module.ts";

const RANGE = new TextEncoder().encode("1..100");
const ENDLESS = moduleOf({ functions: [run([3, 0x40, 0x0c, 0, 0x0b])] });
const ECHO = moduleOf({
  functions: [{ name: "run", parameters: [I32, I32], results: [I32, I32], code: [0x20, 0, 0x20, 1] }],
});

interface Result {
  readonly output: Uint8Array;
  readonly fuel: bigint;
  readonly fee: bigint;
}

let desk: Desk;
let token: Token;

beforeEach(() => {
  desk = new Desk();
  token = desk.token(1, 1000n);
});
afterEach(() => desk.close());

function compute(program: Uint8Array | string, input: Uint8Array = new Uint8Array(), mostFee = 10): Promise<Result> {
  return desk.ask(token, "compute", { action: "run", program, input, mostFee }) as Promise<Result>;
}

async function faultOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    return isServiceError(error, "PROGRAM_FAILED") ? error.facts.fault : String((error as ServiceError).code);
  }
}

describe("T-25 a calculation at the server", () => {
  test("T-25 the sum of 1 to 100 is 5050, and its fee is debited", async () => {
    const { output, fee, fuel } = await compute("sum", RANGE);
    expect(new TextDecoder().decode(output)).toBe("5050");
    expect(fee).toBe(2n);
    expect(fee).toBe((fuel + 999n) / 1000n);
    expect(desk.value(token)).toBe(998n);
    expect(desk.has("fees", "fees")).toBe(2n);
    expect(desk.balanced()).toBe(true);
  });

  test("T-25 a program that comes with the request does the same as one that is named", async () => {
    expect(await compute(sum, RANGE)).toEqual(await compute("sum", RANGE));
    expect(desk.value(token)).toBe(996n);
  });

  test("T-25 a fee above what was offered withholds the result, and nothing is debited", async () => {
    expect(await faultOf(compute("sum", RANGE, 1))).toBe("FEE_TOO_HIGH");
    expect(await faultOf(compute("sum", RANGE, 0))).toBe("FEE_TOO_HIGH");
    expect(desk.value(token)).toBe(1000n);
    expect(desk.balanced()).toBe(true);
  });

  test("T-25 an offer below the tariff's price is refused before anything runs", async () => {
    const dear = new Desk({ fees: { compute: 5n } });
    const owner = dear.token(1, 100n);
    const body = { action: "run", program: "sum", input: RANGE };
    expect(await dear.refusal(owner, "compute", { ...body, mostFee: 4 })).toBe("FEE_TOO_HIGH");
    expect(await dear.refusal(owner, "compute", { ...body, mostFee: 5 })).toBe(null);
    await dear.close();
  });

  test("T-25 an offer above the value is not taken, and nothing is debited", async () => {
    expect(await faultOf(compute("sum", RANGE, 1001))).toBe("INSUFFICIENT");
    expect(desk.value(token)).toBe(1000n);
    expect(desk.balanced()).toBe(true);
  });

  test("T-25 an answer with another number, without a fee, or with one below zero or above the offer is no answer", () => {
    const job = { program: sum, input: RANGE, fuel: 100n, mostPages: 1, mostOutputBytes: 10 };
    const answer = { number: 7, fuel: 20n, output: new Uint8Array(3) };
    expect(readReply(7, job, answer)).toEqual({ fuel: 20n, output: new Uint8Array(3) });
    for (const wrong of [
      { number: 8 },
      { number: undefined },
      { fuel: undefined },
      { fuel: -1n },
      { fuel: 101n },
      { fuel: 20 },
      { output: undefined },
      { output: new Uint8Array(11) },
    ]) {
      expect(readReply(7, job, { ...answer, ...wrong }), Object.keys(wrong).join()).toBe(null);
    }
  });

  test("the list names the programs and the price of fuel, and is free", async () => {
    const list = (await desk.ask(token, "compute", { action: "list" })) as { programs: { name: string }[] };
    expect(list).toMatchObject({ fuelPerUnit: 1000n, mostFuel: 100_000_000n });
    expect(list.programs.map(({ name }) => name)).toEqual(["sum"]);
    expect(desk.value(token)).toBe(1000n);
  });
});

describe("T-27 programs that are hosted", () => {
  test("T-27 are debited for each use, and stop when there is no value left", async () => {
    for (let use = 1; use <= 5; use += 1) {
      await compute("sum", RANGE);
      expect(desk.value(token)).toBe(1000n - 2n * BigInt(use));
    }
    const poor = desk.token(2, 3n);
    const body = { action: "run", program: "sum", input: RANGE, mostFee: 2 };
    expect(await desk.refusal(poor, "compute", body)).toBe(null);
    expect(await desk.refusal(poor, "compute", body)).toBe("INSUFFICIENT");
    expect(desk.value(poor)).toBe(1n);
    expect(desk.balanced()).toBe(true);
  });

  test("T-27 that crash or run too long end in an error for the user, without a debit, and the next one runs", async () => {
    await desk.close();
    desk = new Desk({ compute: { fuelPerUnit: 1n, mostFuel: 10n ** 15n, mostMilliseconds: 300 } });
    token = desk.token(1, 10n ** 16n);
    expect(await faultOf(compute(ENDLESS, undefined, 2 ** 50))).toBe("time");
    expect(await faultOf(compute(moduleOf({ functions: [run([0])] })))).toBe("trap");
    expect(desk.value(token)).toBe(10n ** 16n);
    expect(new TextDecoder().decode((await compute("sum", RANGE, 5000)).output)).toBe("5050");
    expect(desk.balanced()).toBe(true);
  });

  test("T-27 are those of the operator's folder", async () => {
    const programs = mkdtempSync(join(tmpdir(), "tearpad-programs-"));
    writeFileSync(join(programs, "mirror.wasm"), ECHO);
    const compute = { programs, fuelPerUnit: 1000n, mostFuel: 1_000_000n, mostMilliseconds: 5000 };
    const hosting = new Desk({ compute });
    const owner = hosting.token(1, 10n);
    const body = { action: "run", program: "mirror", input: RANGE, mostFee: 1 };
    expect(await hosting.ask(owner, "compute", body)).toMatchObject({ output: RANGE, fee: 1n });
    await hosting.close();

    writeFileSync(join(programs, "broken.wasm"), "no program");
    expect(() => new Desk({ compute })).toThrow(ShelfError);
    expect(() => new Desk({ compute: { ...compute, programs: join(programs, "nowhere") } })).toThrow(ShelfError);
    mkdirSync(join(programs, "empty"));
    await new Desk({ compute: { ...compute, programs: join(programs, "empty") } }).close();
  });
});

describe("a program that goes wrong", () => {
  test("is named, costs nothing, and does not keep the next one from running", async () => {
    const wrong: [fault: string, program: Uint8Array][] = [
      ["FEE_TOO_HIGH", ENDLESS],
      ["trap", moduleOf({ functions: [run([0x10, 1]), { code: [0x10, 1] }] })],
      ["memory", moduleOf({ functions: [run([])], memory: [60_000] })],
      ["malformed", new Uint8Array(0)],
      ["malformed", sum.subarray(0, 100)],
      ["malformed", new TextEncoder().encode("MZ\u0090\u0000 this program cannot be run")],
      ["unsupported", moduleOf({ functions: [run([0xfe, 3, 0])] })],
      ["interface", moduleOf({ functions: [{ code: [] }] })],
      ["output", moduleOf({ functions: [run([], { results: [I32, I32], code: [...i32(0), ...i32(2 ** 20)] })] })],
      ["BAD_BODY", new Uint8Array(2 ** 18 + 1)],
    ];
    for (const [fault, program] of wrong) expect(await faultOf(compute(program, undefined, 1000))).toBe(fault);
    expect(desk.value(token)).toBe(1000n);
    expect((await compute("sum", RANGE)).fee).toBe(2n);
    expect(desk.balanced()).toBe(true);
  });

  test("a name that no program has", async () => {
    expect(await faultOf(compute("nothing"))).toBe("NOT_FOUND");
    expect(await faultOf(compute("../../etc/passwd"))).toBe("BAD_BODY");
    expect(desk.balanced()).toBe(true);
  });

  test("the server's own bound on fuel is a failure and no question of the fee", async () => {
    await desk.close();
    desk = new Desk({ compute: { fuelPerUnit: 1000n, mostFuel: 10_000n, mostMilliseconds: 5000 } });
    token = desk.token(1, 1000n);
    expect(await faultOf(compute(ENDLESS, undefined, 10))).toBe("fuel");
    expect(await faultOf(compute(ENDLESS, undefined, 9))).toBe("FEE_TOO_HIGH");
    expect(desk.value(token)).toBe(1000n);
  });
});

describe("the pool", () => {
  const never = new AbortController().signal;
  const job = { program: sum, input: RANGE, fuel: 10n ** 15n, mostPages: 16, mostOutputBytes: 100 };
  const endless = { ...job, program: ENDLESS };

  test("answers every one of many jobs, good ones among bad ones", async () => {
    const pool = new Pool({ threads: 2, waiting: 100, milliseconds: 60_000 });
    const bad = { ...job, program: moduleOf({ functions: [run([0])] }) };
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, index) => pool.run(index % 5 === 3 ? bad : job, never)),
    );
    for (const [index, outcome] of outcomes.entries()) {
      expect(outcome.status).toBe(index % 5 === 3 ? "rejected" : "fulfilled");
    }
    await pool.close();
  });

  test("refuses what it has no room to let wait, and goes on when it has", async () => {
    const pool = new Pool({ threads: 1, waiting: 2, milliseconds: 60_000 });
    const first = new AbortController();
    const outcomes = [pool.run(endless, first.signal), pool.run(job, never), pool.run(job, never)];
    expect(await faultOf(pool.run(job, never))).toBe("BUSY");
    first.abort();
    expect(await Promise.all(outcomes.map(faultOf))).toEqual(["stopped", "none", "none"]);
    expect(await faultOf(pool.run(job, never))).toBe("none");
    await pool.close();
  });

  test("stops what nobody waits for any more, whether it runs or waits", async () => {
    const pool = new Pool({ threads: 1, waiting: 10, milliseconds: 60_000 });
    const first = new AbortController();
    const second = new AbortController();
    const outcomes = [pool.run(endless, first.signal), pool.run(endless, second.signal), pool.run(job, never)];
    second.abort();
    first.abort();
    expect(await Promise.all(outcomes.map(faultOf))).toEqual(["stopped", "stopped", "none"]);
    expect(await faultOf(pool.run(job, AbortSignal.abort()))).toBe("stopped");
    await pool.close();
  });

  test("ends the thread of a program that ran too long, and keeps no process alive", () => {
    const here = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    const script = `
      import { Pool } from ${here("../../../server/service/compute/pool.ts")};
      import { sum } from ${here("../../../server/service/compute/sum.ts")};
      const pool = new Pool({ threads: 2, waiting: 2, milliseconds: 1000 });
      const job = (program, input) => ({ program, input: Buffer.from(input), fuel: 10n ** 15n, mostPages: 1, mostOutputBytes: 9 });
      const run = (job) => pool.run(job, new AbortController().signal);
      const endless = await run(job(Uint8Array.of(${ENDLESS}), "")).catch((error) => error.facts.fault);
      const { output } = await run(job(sum, "1..100"));
      console.log(endless, Buffer.from(output).toString());`;
    const path = join(mkdtempSync(join(tmpdir(), "tearpad-pool-")), "pool.mjs");
    writeFileSync(path, script);
    const child = spawnSync(process.execPath, [path], { encoding: "utf8", timeout: 120_000 });
    expect(child).toMatchObject({ stdout: "time 5050\n", status: 0 });
  });

  test("stops everything when it closes", async () => {
    const pool = new Pool({ threads: 2, waiting: 10, milliseconds: 60_000 });
    const outcomes = [endless, endless, endless, job].map((each) => faultOf(pool.run(each, never)));
    await pool.close();
    expect(await Promise.all(outcomes)).toEqual(["stopped", "stopped", "stopped", "stopped"]);
  });
});
