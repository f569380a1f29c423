// The interruptions of a program against the real server: one token and one disk, one interruption after the other. After
// each of them both ends agree, and the books say that what the answers were charged is all that was debited.

import { describe, expect, test } from "vitest";
import type { Server } from "../../server/index.ts";
import { scratchDirectory } from "../host/pair.ts";
import { newServer } from "../server/token/world.ts";
import { Fate, HOW, KINDS, noAnswers, plugIn, runProgram, runThrough, type World } from "./program.ts";
import { issueToken, lineToServer, type RealToken } from "./real.ts";

const PAD_LENGTH = 3 * 1024 * 1024;
/** Rounds of each kind, and the seed of where in the program they strike. */
const ROUNDS = 16;
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

class Rounds {
  readonly server: Server;
  readonly token: RealToken;
  #directory: string;
  #balance: bigint;

  constructor(server: Server, token: RealToken, directory: string) {
    this.server = server;
    this.token = token;
    this.#directory = directory;
    this.#balance = token.view(server).balance;
  }

  static async begin(): Promise<Rounds> {
    const server = await newServer();
    const token = await issueToken(server, { padLength: PAD_LENGTH, price: 1_000_000n, limit: 100_000n });
    return new Rounds(server, token, await scratchDirectory());
  }

  get world(): World {
    const { server, token } = this;
    const connect = () => lineToServer(server);
    return { machine: token.machine, connect, directory: this.#directory, answers: noAnswers() };
  }

  get directory(): string {
    return this.#directory;
  }

  async check({ answers, directory }: World): Promise<void> {
    this.#directory = directory;
    const { server, token } = this;
    const charged = answers.flatMap((given) => [...given.values()]).reduce((sum, { charged }) => sum + charged, 0n);
    const view = token.view(server);
    expect(view.balance).toBe(this.#balance - charged);
    this.#balance = view.balance;
    const device = await plugIn(token.machine);
    const [info, value] = [await device.info(), await device.value()];
    await device.close();
    expect(value.receipt.balance).toBe(view.balance);
    expect(info.up.used).toBe(view.up);
    expect(info.down.used).toBe(view.down);
    expect(info.split).toBe(view.split);
  }
}

describe("a program that asks the real server and is interrupted", () => {
  for (const kind of KINDS) {
    test(`${HOW[kind]} is answered and charged once`, async () => {
      const rounds = await Rounds.begin();
      const whole = new Fate(kind);
      const first = rounds.world;
      await runProgram(first, whole);
      await rounds.check(first);
      for (let round = 0; round < ROUNDS; round++) {
        const at = 1 + ((SEED + round * Math.ceil(whole.seen / ROUNDS)) % whole.seen);
        const world = rounds.world;
        try {
          await runThrough(world, new Fate(kind, at));
          await rounds.check(world);
        } catch (error) {
          throw new Error(`SEED=${SEED}: message ${at} of ${whole.seen}: ${(error as Error).stack}`, { cause: error });
        }
      }
    });
  }

  test("by a power cut of its device at any call of the core is answered and charged once", async () => {
    const rounds = await Rounds.begin();
    const { machine } = rounds.token;
    const before = machine.callsInAll;
    const first = rounds.world;
    await runProgram(first, new Fate());
    const calls = machine.callsInAll - before;
    await rounds.check(first);
    for (let round = 0; round < ROUNDS; round++) {
      const call = 1 + ((SEED + round * Math.ceil(calls / ROUNDS)) % calls);
      const when = (["before", "during", "after"] as const)[round % 3] as "during";
      const world = rounds.world;
      try {
        machine.cutAt({ call, when, kind: "power", tear: "random" });
        await runThrough(world, new Fate());
        await rounds.check(world);
      } catch (error) {
        throw new Error(`SEED=${SEED}: ${when} call ${call} of ${calls}: ${(error as Error).stack}`, { cause: error });
      }
    }
  });
});
