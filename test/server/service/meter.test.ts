// The meter: programs do metered what they do unmetered, fuel is the same each time and is counted right, and nothing
// that a program is made of harms whoever runs it.

import { beforeAll, describe, expect, test } from "vitest";
import { type Job, runProgram } from "../../../server/service/compute/run.ts";
import { sum } from "../../../server/service/compute/sum.ts";
import { isServiceError, type ProgramFault } from "../../../server/service/errors.ts";
import { Random } from "../../../simulator/random.ts";
import { built } from "./built.ts";
import { I32, I64, i32, leb, moduleOf, run } from "./module.ts";

const PAGE = 65_536;
const SEED = Number(process.env.SEED ?? 20_261_120);

let exercise: Uint8Array;
beforeAll(async () => {
  exercise = await built(new URL("./exercise.as", import.meta.url));
});

function jobOf(program: Uint8Array, input: Uint8Array = new Uint8Array(), fuel = 1_000_000n): Job {
  return { program, input, fuel, mostPages: 16, mostOutputBytes: PAGE };
}

/** The fuel of a program that ends. */
function fuelOf(program: Uint8Array, input?: Uint8Array): bigint {
  return runProgram(jobOf(program, input)).fuel;
}

/** Why a program does not come to its end; null when it does. */
function faultOf(job: Job): ProgramFault | null {
  try {
    runProgram(job);
    return null;
  } catch (error) {
    if (isServiceError(error, "PROGRAM_FAILED")) return error.facts.fault;
    throw error;
  }
}

/** The output of a program without a meter. */
function unmetered(program: Uint8Array, input: Uint8Array): Uint8Array {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(program as Uint8Array<ArrayBuffer>));
  const {
    memory,
    allocate,
    run: start,
  } = exports as Record<string, unknown> as {
    memory: WebAssembly.Memory;
    allocate(length: number): number;
    run(pointer: number, length: number): bigint;
  };
  const pointer = allocate(input.length);
  new Uint8Array(memory.buffer, pointer, input.length).set(input);
  const place = start(pointer, input.length);
  return new Uint8Array(memory.buffer, Number(place >> 32n), Number(place & 0xffffffffn)).slice();
}

function randomBytes(random: Random, most: number): Uint8Array {
  return Uint8Array.from({ length: 1 + (random.u32() % most) }, () => random.u32());
}

describe("fuel", () => {
  test("is one for each instruction, for each function entered and for each of its locals", () => {
    expect(fuelOf(moduleOf({ functions: [run([])] }))).toBe(2n);
    expect(fuelOf(moduleOf({ functions: [run([1, 1, 1])] }))).toBe(5n);
    expect(fuelOf(moduleOf({ functions: [run([], { locals: [[7, I64]] })] }))).toBe(9n);
    // Five calls of a function of two locals and one instruction.
    const called = { locals: [[2, I32]] as const, code: [1] };
    expect(fuelOf(moduleOf({ functions: [run([0x10, 1, 0x10, 1, 0x10, 1, 0x10, 1, 0x10, 1]), called] }))).toBe(
      2n + 5n * 5n,
    );
  });

  test("is one for an instruction whatever follows its opcode", () => {
    const drop = 0x1a;
    const pieces: [fuel: bigint, code: number[]][] = [
      [2n, [0x42, 0x7f, drop]],
      [2n, [0x43, 0, 0, 0, 0, drop]],
      [2n, [0x44, 0, 0, 0, 0, 0, 0, 0, 0, drop]],
      [3n, [...i32(0), 0x28, 2, 4, drop]],
      [3n, [...i32(0), ...i32(0), 0x36, 2, 0x80, 1]],
      [2n, [0x3f, 0, drop]],
      [5n, [...i32(1), ...i32(2), ...i32(0), 0x1b, drop]],
      [3n, [...i32(0), 0x11, 1, 0]], // the function that is called is entered for one
      [3n, [2, 0x40, ...i32(0), 0x0e, 1, 0, 0, 0x0b]],
      [3n, [3, I32, ...i32(0), 0x0b, drop]],
      [3n, [0x43, 0, 0, 0, 0, 0xfc, 0, drop]],
      [3n, [...i32(0), 0xc0, drop]],
    ];
    for (const [fuel, code] of pieces) {
      const program = moduleOf({ functions: [run(code), { code: [] }], table: [1] });
      expect(fuelOf(program) - 2n, code.join(" ")).toBe(fuel);
    }
  });

  test("is taken for the branch that is gone and not for the other", () => {
    const branch = (condition: number) => [...i32(condition), 4, 0x40, 1, 1, 1, 1, 5, 1, 0x0b];
    expect(fuelOf(moduleOf({ functions: [run(branch(1))] }))).toBe(2n + 2n + 4n);
    expect(fuelOf(moduleOf({ functions: [run(branch(0))] }))).toBe(2n + 2n + 1n);
    const leave = (condition: number) => [2, 0x40, ...i32(condition), 0x0d, 0, 1, 1, 1, 0x0b];
    expect(fuelOf(moduleOf({ functions: [run(leave(1))] }))).toBe(2n + 3n);
    expect(fuelOf(moduleOf({ functions: [run(leave(0))] }))).toBe(2n + 3n + 3n);
  });

  test("grows by the same with every turn of a loop", () => {
    // All of these sums have four digits.
    const fuel = (last: number) => fuelOf(sum, new TextEncoder().encode(`100..${last}`));
    const turn = fuel(113) - fuel(112);
    expect(turn).toBeGreaterThan(0n);
    expect(fuel(150) - fuel(149)).toBe(turn);
    expect(fuel(150) - fuel(112)).toBe(38n * turn);
  });

  test("is taken by length for what works on memory in bulk, and for memory that is added", () => {
    const fill = (length: number) =>
      fuelOf(moduleOf({ functions: [run([...i32(0), ...i32(1), ...i32(length), 0xfc, 11, 0])] }));
    const copy = (length: number) =>
      fuelOf(moduleOf({ functions: [run([...i32(0), ...i32(1), ...i32(length), 0xfc, 10, 0, 0])] }));
    const grow = (pages: number) => fuelOf(moduleOf({ functions: [run([...i32(pages), 0x40, 0, 0x1a])] }));
    expect(fill(8000) - fill(0)).toBe(1000n);
    expect(copy(8000) - copy(0)).toBe(1000n);
    expect(grow(2) - grow(0)).toBe(2n * 8192n);
    // What is not given costs nothing.
    expect(grow(100_000) - grow(0)).toBe(0n);
    expect(faultOf(jobOf(moduleOf({ functions: [run([...i32(2), 0x40, 0, 0x1a])] }), undefined, 100n))).toBe("fuel");
  });

  test("as much as a run used is enough for it, one less is not", () => {
    const random = new Random(SEED);
    for (let round = 0; round < 20; round += 1) {
      const input = randomBytes(random, 200);
      const { fuel } = runProgram(jobOf(exercise, input));
      expect(runProgram(jobOf(exercise, input, fuel)).fuel, `seed ${SEED}`).toBe(fuel);
      expect(faultOf(jobOf(exercise, input, fuel - 1n)), `seed ${SEED}`).toBe("fuel");
    }
  });
});

describe("a metered program", () => {
  test("answers what it answers without a meter, for the same fuel each time", () => {
    const random = new Random(SEED);
    for (let round = 0; round < 100; round += 1) {
      const input = randomBytes(random, 300);
      const { output, fuel } = runProgram(jobOf(exercise, input));
      expect(output, `seed ${SEED}, round ${round}`).toEqual(unmetered(exercise, input));
      expect(runProgram(jobOf(exercise, input)).fuel).toBe(fuel);
    }
  });

  test("whose instructions were changed at random does the same metered as unmetered, or fails by name", () => {
    const random = new Random(SEED);
    const input = randomBytes(random, 100);
    const [start, end] = sectionOf(exercise, 10);
    let ran = 0;
    for (let round = 0; round < 3000; round += 1) {
      const mutant = exercise.slice();
      const changes = 1 + (random.u32() % 3);
      for (let left = changes; left > 0; left -= 1) mutant[start + (random.u32() % (end - start))] = random.u32();
      const job = jobOf(mutant, input, 100_000n);
      const fault = faultOf(job);
      if (fault !== null) continue;
      ran += 1;
      const { output, fuel } = runProgram(job);
      expect(output, `seed ${SEED}, round ${round}`).toEqual(unmetered(mutant, input));
      expect(runProgram({ ...job, fuel }).fuel, `seed ${SEED}, round ${round}`).toBe(fuel);
    }
    expect(ran).toBeGreaterThan(100);
  });

  test("that is cut off or changed anywhere fails by name and harms nobody", () => {
    const random = new Random(SEED);
    for (let round = 0; round < 3000; round += 1) {
      const mutant = exercise.slice(0, random.u32() % 4 === 0 ? random.u32() % exercise.length : exercise.length);
      for (let left = random.u32() % 6; left > 0; left -= 1) mutant[random.u32() % mutant.length] = random.u32();
      faultOf({ ...jobOf(mutant, Uint8Array.of(1, 2, 3), 50_000n), mostPages: 4 });
    }
  });
});

describe("a program is given its input and asked for its output", () => {
  const echo = run([], { code: [0x20, 0, 0xad, 0x42, 32, 0x86, 0x20, 1, 0xad, 0x84] });
  const input = Uint8Array.of(1, 2, 3, 4, 5);

  test("behind its memory when it has no place for it", () => {
    expect(runProgram(jobOf(moduleOf({ functions: [echo] }), input)).output).toEqual(input);
    const large = new Uint8Array(3 * PAGE).fill(7);
    const job = { ...jobOf(moduleOf({ functions: [echo] }), large), mostOutputBytes: large.length };
    expect(runProgram(job).output).toEqual(large);
  });

  test("as two results, too", () => {
    const two = { ...echo, results: [I32, I32], code: [0x20, 0, 0x20, 1] };
    expect(runProgram(jobOf(moduleOf({ functions: [two] }), input)).output).toEqual(input);
  });

  test("after it has started, metered", () => {
    const start = { code: [...i32(8), ...i32(0x51), 0x36, 2, 0] };
    const answer = { name: "run", parameters: [I32, I32], results: [I32, I32], code: [...i32(8), ...i32(1)] };
    const started = runProgram(jobOf(moduleOf({ functions: [answer, start], start: 1 })));
    expect(started.output).toEqual(Uint8Array.of(0x51));
    expect(started.fuel - fuelOf(moduleOf({ functions: [answer] }))).toBe(4n);
    const endless = { code: [3, 0x40, 0x0c, 0, 0x0b] };
    expect(faultOf(jobOf(moduleOf({ functions: [answer, endless], start: 1 })))).toBe("fuel");
  });

  test("and fails by name when either cannot be", () => {
    const output = (pointer: number, length: number) =>
      faultOf(
        jobOf(moduleOf({ functions: [run([], { code: [...i32(pointer), ...i32(length)], results: [I32, I32] })] })),
      );
    expect(output(PAGE - 3, 4)).toBe("interface");
    expect(output(0, 0x0fffffff)).toBe("output");
    expect(output(PAGE - 4, 4)).toBe(null);
    expect(faultOf(jobOf(moduleOf({ functions: [echo], memory: [1, 1] }), input))).toBe("memory");
    const nowhere = { name: "allocate", parameters: [I32], results: [I32], code: [...i32(PAGE)] };
    expect(faultOf(jobOf(moduleOf({ functions: [echo, nowhere] }), input))).toBe("interface");
    expect(faultOf(jobOf(moduleOf({ functions: [{ code: [] }] })))).toBe("interface");
    expect(faultOf(jobOf(moduleOf({ functions: [run([], { parameters: [I32] })] })))).toBe("interface");
    expect(faultOf(jobOf(moduleOf({ functions: [run([], { parameters: [I64, I32] })] })))).toBe("interface");
    expect(faultOf(jobOf(moduleOf({ functions: [run([], { results: [I32], code: i32(0) })] })))).toBe("interface");
    expect(faultOf(jobOf(moduleOf({ functions: [run([])], memory: null })))).toBe("interface");
  });
});

describe("refused by name is", () => {
  const refused = (parts: Partial<Parameters<typeof moduleOf>[0]> & { code?: number[] }) =>
    faultOf(jobOf(moduleOf({ functions: [run(parts.code ?? [])], ...parts })));

  test("what no compiler makes", () => {
    expect(faultOf(jobOf(new Uint8Array()))).toBe("malformed");
    expect(faultOf(jobOf(new TextEncoder().encode("#!/bin/sh\nrm -rf /\n")))).toBe("malformed");
    expect(refused({ code: [0x0b] })).toBe("malformed");
  });

  test("whoever reaches for the meter itself", () => {
    // The first global and the second function are the meter's, and exist for nobody else.
    expect(refused({ code: [0x42, 1, 0x24, 0] })).toBe("malformed");
    expect(refused({ code: [...i32(0), 0x10, 1, 0x1a] })).toBe("malformed");
    expect(refused({ table: [1] })).toBe("malformed");
    // Names of the meter's exports are free for the program, and mean nothing.
    const mine = { name: "fuel", code: [] };
    expect(faultOf(jobOf(moduleOf({ functions: [run([3, 0x40, 0x0c, 0, 0x0b]), mine] })))).toBe("fuel");
  });

  test("whatever is imported", () => {
    // One function of type 0 from "m"."f", which is then function 0.
    const imported = moduleOf({ functions: [{ code: [] }], sections: [[2, [1, 1, 109, 1, 102, 0, 0]]] });
    expect(WebAssembly.validate(imported as Uint8Array<ArrayBuffer>)).toBe(true);
    expect(faultOf(jobOf(imported))).toBe("unsupported");
  });

  test("what is not of the numbers and the memory that programs have here", () => {
    expect(refused({ code: [0xfd, 12, ...new Array(16).fill(0), 0x1a] })).toBe("unsupported");
    expect(refused({ code: [0xfe, 3, 0] })).toBe("unsupported");
    expect(refused({ code: [0xd0, 0x70, 0x1a] })).toBe("unsupported");
    expect(refused({ code: [0x12, 0], functions: [run([0x20, 0, 0x20, 1, 0x12, 0])] })).toBe("unsupported");
    expect(refused({ functions: [run([], { locals: [[1, 0x6f]] })] })).toBe("unsupported");
    expect(refused({ sections: [[4, [1, 0x6f, 0, 1]]] })).toBe("unsupported");
    expect(refused({ sections: [[4, [2, 0x70, 0, 1, 0x70, 0, 1]]] })).toBe("unsupported");
    expect(refused({ sections: [[5, [1, 3, 1, 2]]] })).toBe("unsupported");
    expect(refused({ sections: [[6, [1, 0x6f, 0, 0xd0, 0x6f, 0x0b]]] })).toBe("unsupported");
  });

  test("what is too large", () => {
    expect(refused({ memory: [17] })).toBe("memory");
    expect(refused({ memory: [16] })).toBe(null);
    expect(refused({ sections: [[4, [1, 0x70, 0, ...leb(1_000_000)]]] })).toBe("too large");
    expect(refused({ functions: [run([], { locals: [[20_000, I64]] })] })).toBe("too large");
    expect(refused({ functions: [run(new Array(140_000).fill(1))] })).toBe("too large");
    const branches = new Array(2500).fill([0x20, 0, 0x0d, 0]).flat();
    expect(refused({ functions: [run([2, 0x40, ...branches, 0x0b], { locals: [[4000, I64]] })] })).toBe("too large");
    const many = { results: new Array(65).fill(I32), code: new Array(65).fill(i32(1)).flat() };
    expect(refused({ functions: [run([]), many] })).toBe("too large");
  });
});

describe("a program that goes wrong fails by name", () => {
  const fault = (code: number[], parts: Partial<Parameters<typeof moduleOf>[0]> = {}) =>
    faultOf(jobOf(moduleOf({ functions: [run(code), { code: [0x10, 1] }], ...parts })));

  test("when it does not end", () => {
    expect(fault([3, 0x40, 0x0c, 0, 0x0b])).toBe("fuel");
    // A loop that another one is in, and one that does work.
    expect(fault([3, 0x40, 3, 0x40, ...i32(1), 0x0d, 0, 0x0b, 0x0c, 0, 0x0b])).toBe("fuel");
    expect(fault([3, 0x40, ...i32(0), ...i32(0), ...i32(PAGE), 0xfc, 11, 0, 0x0c, 0, 0x0b])).toBe("fuel");
    // A table of branches that all lead back.
    expect(fault([3, 0x40, ...i32(1), 0x0e, 3, 0, 0, 0, 0, 0x0b])).toBe("fuel");
  });

  test("when it calls itself for ever", () => {
    expect(["trap", "fuel"]).toContain(fault([0x10, 1]));
    const wide = { code: [0x10, 1], locals: [[4000, I64]] as const };
    expect(faultOf({ ...jobOf(moduleOf({ functions: [run([0x10, 1]), wide] })), fuel: 10n ** 12n })).toBe("trap");
  });

  test("when it traps", () => {
    expect(fault([0])).toBe("trap");
    expect(fault([...i32(1), ...i32(0), 0x6d, 0x1a])).toBe("trap");
    expect(fault([...i32(PAGE), 0x28, 2, 0, 0x1a])).toBe("trap");
    expect(fault([...i32(9), 0x11, 1, 0], { table: [1] })).toBe("trap");
    expect(fault([...i32(0), ...i32(0), ...i32(PAGE + 1), 0xfc, 11, 0])).toBe("trap");
  });

  test("and never gets more memory than there is for it", () => {
    // Grows by one page until it is given none, then answers the size of its memory as a length.
    const grow = [3, 0x40, ...i32(1), 0x40, 0, ...i32(0), 0x4e, 0x0d, 0, 0x0b, ...i32(0), 0x3f, 0];
    const greedy = { name: "run", parameters: [I32, I32], results: [I32, I32], code: grow };
    const { output } = runProgram(jobOf(moduleOf({ functions: [greedy] })));
    expect(output.length).toBe(16);
    expect(runProgram(jobOf(moduleOf({ functions: [greedy], memory: [1, 5] }))).output.length).toBe(5);
    expect(runProgram(jobOf(moduleOf({ functions: [greedy], memory: [1, 1000] }))).output.length).toBe(16);
  });
});

test("the program sum is what its source makes", async () => {
  const source = new URL("../../../server/service/compute/sum.as", import.meta.url);
  expect(Buffer.from(sum)).toEqual(Buffer.from(await built(source)));
});

/** Where the content of a section lies in a module. */
function sectionOf(module: Uint8Array, wanted: number): [start: number, end: number] {
  for (let at = 8; at < module.length; ) {
    const id = module[at];
    let length = 0;
    let shift = 0;
    let byte: number;
    do {
      at += 1;
      byte = module[at] ?? 0;
      length |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte > 127);
    at += 1;
    if (id === wanted) return [at, at + length];
    at += length;
  }
  throw new Error("there is no such section");
}
