// Running one program, once, in the thread that calls.
//
// A program is a WebAssembly module that imports nothing and exports
//   memory                                  its only memory;
//   run(pointer: i32, length: i32) → i64    takes the input at [pointer, pointer + length) and answers where its output
//                                           lies: the pointer in the upper 32 bits, the length in the lower; or
//   run(pointer: i32, length: i32) → (i32, i32)  the same as two results;
//   allocate(length: i32) → i32             where to put an input of this length. A program that keeps a heap must have
//                                           it; without it the input is put behind the memory, which grows for it.
// An empty input is at 0 and needs no place. What the module says it starts with runs first. Every run begins with a
// fresh memory. What a program can use is in meter.ts.

import { type ProgramFault, ServiceError } from "../errors.ts";
import { meterProgram, type ProgramExports } from "./meter.ts";

export interface Job {
  /** The module as its maker built it. */
  readonly program: Uint8Array;
  readonly input: Uint8Array;
  /** The fuel that it may use. */
  readonly fuel: bigint;
  /** The memory that it may have, in pages of 64 KiB. */
  readonly mostPages: number;
  readonly mostOutputBytes: number;
}

export interface Outcome {
  /** The fuel that was used. */
  readonly fuel: bigint;
  readonly output: Uint8Array;
}

/** What a thread says when it takes a job up. */
export const BEGUN = "begun";

/** Runs a program to its end, however long that takes within its fuel. @throws ServiceError PROGRAM_FAILED */
export function runProgram(job: Job): Outcome {
  const program = instantiate(meterProgram(job.program, job.mostPages));
  program.fuel.value = job.fuel;
  const output = trapped(program, () => {
    program.start?.();
    const pointer = placeInput(program, job.input);
    return outputOf(program, call(program.run, "run", pointer, job.input.length), job.mostOutputBytes);
  });
  return { fuel: job.fuel - program.fuel.value, output };
}

const PAGE_BYTES = 65_536;

function instantiate(metered: Uint8Array): ProgramExports {
  const module = new WebAssembly.Module(metered as Uint8Array<ArrayBuffer>);
  try {
    return new WebAssembly.Instance(module).exports as unknown as ProgramExports;
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw failed("trap", error.message, error);
    throw failed("memory", "there is no room for it", error);
  }
}

function placeInput(program: ProgramExports, input: Uint8Array): number {
  if (input.length === 0) return 0;
  let pointer = program.memory.buffer.byteLength;
  if (program.allocate === undefined) {
    try {
      program.memory.grow(Math.ceil(input.length / PAGE_BYTES));
    } catch (error) {
      throw failed("memory", "there is no room for its input", error);
    }
  } else {
    const place = call(program.allocate, "allocate", input.length);
    if (typeof place !== "number") throw failed("interface", "allocate answers no pointer");
    pointer = place >>> 0;
  }
  bytesAt(program, pointer, input.length, "its input").set(input);
  return pointer;
}

function outputOf(program: ProgramExports, answer: unknown, mostBytes: number): Uint8Array {
  const [pointer, length] = placeOf(answer);
  if (length > mostBytes) throw failed("output", `it is longer than ${mostBytes} bytes`);
  return bytesAt(program, pointer, length, "its output").slice();
}

function placeOf(answer: unknown): [pointer: number, length: number] {
  if (typeof answer === "bigint")
    return [Number(BigInt.asUintN(32, answer >> 32n)), Number(BigInt.asUintN(32, answer))];
  if (Array.isArray(answer) && answer.length === 2) {
    const [pointer, length]: unknown[] = answer;
    if (typeof pointer === "number" && typeof length === "number") return [pointer >>> 0, length >>> 0];
  }
  throw failed("interface", "run answers no pointer and length");
}

function bytesAt(program: ProgramExports, pointer: number, length: number, what: string): Uint8Array {
  const { buffer } = program.memory;
  if (pointer + length > buffer.byteLength) throw failed("interface", `${what} would lie outside of its memory`);
  return new Uint8Array(buffer, pointer, length);
}

function call(exported: unknown, name: string, ...parameters: number[]): unknown {
  if (typeof exported !== "function") throw failed("interface", `it exports no function ${name}`);
  if (exported.length !== parameters.length) throw failed("interface", `${name} takes other parameters`);
  return exported(...parameters);
}

/** What `work` answers; a trap becomes the reason that it has. */
function trapped<T>(program: ProgramExports, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    if (program.fuel.value < 0n) throw failed("fuel", "it used up the fuel that it was given", error);
    if (error instanceof WebAssembly.RuntimeError) throw failed("trap", error.message, error);
    if (error instanceof RangeError) throw failed("trap", "its calls are too deep", error);
    // A parameter of 64 bits, which a number cannot become.
    if (error instanceof TypeError) throw failed("interface", "it takes other parameters", error);
    throw error;
  }
}

function failed(fault: ProgramFault, detail: string, cause?: unknown): ServiceError<"PROGRAM_FAILED"> {
  return new ServiceError("PROGRAM_FAILED", { fault, detail }, cause);
}
