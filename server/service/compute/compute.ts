// The service `compute` (calculation): runs a program on the data that came with it and answers what it made of them.
//   { action: "run", program: bytes or name, input: bytes, mostFee } → { output: bytes, fuel, fee }
//   { action: "list" } → { programs: [{ name, bytes, digest }], fuelPerUnit, mostFuel }
//
// The fee is one minor unit for each `fuelPerUnit` of fuel that was begun; the tariff's price is the least. A program may
// use what the offered fee buys and no more: then its result is withheld, as it is when the fee cannot be held. A program
// that fails costs nothing. What a program must look like is in run.ts, what it may do and what fuel is in meter.ts.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { amount, bytes, PART_BYTES, publicName } from "../body.ts";
import { isServiceError, ServiceError, ShelfError } from "../errors.ts";
import type { Served, SlowService } from "../service.ts";
import { meterProgram } from "./meter.ts";
import { Pool } from "./pool.ts";
import { sum } from "./sum.ts";

export interface ComputeOptions {
  /** A folder of programs that a request can name: each `<name>.wasm` in it. `sum` is always there. */
  readonly programs?: string | undefined;
  /** The fuel that one minor unit buys. */
  readonly fuelPerUnit: bigint;
  /** The fuel that one program may use, whatever is offered. */
  readonly mostFuel: bigint;
  /** The time that one program may take, milliseconds. */
  readonly mostMilliseconds: number;
}

interface Run {
  readonly action: "run";
  readonly program: Uint8Array | string;
  readonly input: Uint8Array;
  readonly mostFee: bigint;
}
type Body = Run | { readonly action: "list" };

const schema: z.ZodType<Body> = z.discriminatedUnion("action", [
  z.strictObject({
    action: z.literal("run"),
    program: z.union([bytes(PART_BYTES), publicName]),
    input: bytes(PART_BYTES),
    mostFee: amount,
  }),
  z.strictObject({ action: z.literal("list") }),
]);

const THREADS = 2;
const WAITING = 64;
/** 16 MiB. */
const MOST_PAGES = 256;

/** See the head of this file. */
export class Compute implements SlowService<Body> {
  readonly name = "compute";
  readonly class = "calculation";
  readonly schema: z.ZodType<Body> = schema;
  readonly #options: ComputeOptions;
  readonly #programs: ReadonlyMap<string, Uint8Array>;
  readonly #pool: Pool;

  /** @throws ShelfError when a program of the folder cannot be offered */
  constructor(options: ComputeOptions) {
    if (options.fuelPerUnit < 1n) throw new Error("one minor unit buys some fuel");
    this.#options = options;
    this.#programs = new Map([["sum", sum], ...(options.programs === undefined ? [] : readPrograms(options.programs))]);
    this.#pool = new Pool({ threads: THREADS, waiting: WAITING, milliseconds: options.mostMilliseconds });
  }

  /** What was offered. @throws ServiceError FEE_TOO_HIGH when it is below the tariff's price */
  mostFee(body: Body, fee: bigint): bigint {
    if (body.action === "list") return 0n;
    if (body.mostFee < fee) throw new ServiceError("FEE_TOO_HIGH", { offered: body.mostFee });
    return body.mostFee;
  }

  async work(body: Body, signal: AbortSignal): Promise<Served> {
    return body.action === "list" ? this.#list() : this.#run(body, signal);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  #list(): Served {
    const { fuelPerUnit, mostFuel } = this.#options;
    const programs = [...this.#programs].map(([name, program]) => ({
      name,
      bytes: program.length,
      digest: new Uint8Array(createHash("sha256").update(program).digest()),
    }));
    return { body: { programs, fuelPerUnit, mostFuel }, fee: 0n };
  }

  async #run({ program, input, mostFee }: Run, signal: AbortSignal): Promise<Served> {
    const { fuelPerUnit, mostFuel } = this.#options;
    const bought = mostFee * fuelPerUnit;
    const enough = bought >= mostFuel;
    const job = {
      program: typeof program === "string" ? this.#named(program) : program,
      input,
      fuel: enough ? mostFuel : bought,
      mostPages: MOST_PAGES,
      mostOutputBytes: PART_BYTES,
    };
    try {
      const { fuel, output } = await this.#pool.run(job, signal);
      const fee = (fuel + fuelPerUnit - 1n) / fuelPerUnit;
      return { body: { output, fuel, fee }, fee };
    } catch (error) {
      if (isServiceError(error, "PROGRAM_FAILED") && error.facts.fault === "fuel" && !enough) {
        throw new ServiceError("FEE_TOO_HIGH", { offered: mostFee }, error);
      }
      throw error;
    }
  }

  #named(name: string): Uint8Array {
    const program = this.#programs.get(name);
    if (program === undefined) throw new ServiceError("NOT_FOUND", { what: "program" });
    return program;
  }
}

function readPrograms(folder: string): [string, Uint8Array][] {
  let names: string[];
  try {
    names = readdirSync(folder).filter((file) => file.endsWith(".wasm"));
  } catch (error) {
    throw new ShelfError("FOLDER_UNREADABLE", { path: folder }, error);
  }
  return names.sort().map((file) => [file.slice(0, -".wasm".length), readProgram(join(folder, file))]);
}

/** A program of the operator's, checked as one of a user's is, but once. */
function readProgram(path: string): Uint8Array {
  try {
    const program = new Uint8Array(readFileSync(path));
    meterProgram(program, MOST_PAGES);
    return program;
  } catch (error) {
    const reason = isServiceError(error, "PROGRAM_FAILED") ? error.facts.detail : "it cannot be read";
    throw new ShelfError("OFFER_UNFIT", { path, reason }, error);
  }
}
