// Every way in which a program that asks a server can be interrupted. In the end each of its requests has one answer and was
// charged once, and both ends agree. The server is the model: each round begins with the same token.

import { describe, expect, test } from "vitest";
import { Random } from "../../simulator/index.ts";
import { scratchDirectory } from "../host/pair.ts";
import { ModelServer } from "./model.ts";
import { Fate, HOW, KINDS, noAnswers, plugIn, runProgram, runThrough, type World } from "./program.ts";
import { makeToken, type Token } from "./token.ts";

interface Round extends World {
  readonly token: Token;
  readonly server: ModelServer;
}

async function newRound(token: Token): Promise<Round> {
  const server = new ModelServer(token);
  server.grantBelow = 16_384;
  server.grantStep = 8192;
  const { machine } = token;
  const connect = () => server.connect();
  return { token, server, machine, connect, directory: await scratchDirectory(), answers: noAnswers() };
}

async function check({ token, server, machine, answers }: Round): Promise<void> {
  const ids = answers.flatMap((given) => [...given.keys()]);
  expect([...server.charged].sort()).toEqual(ids.sort());
  expect(server.balance).toBe(token.balance - BigInt(ids.length));
  const device = await plugIn(machine);
  const [info, value] = [await device.info(), await device.value()];
  await device.close();
  expect(value.receipt.balance).toBe(server.balance);
  expect(info.up.used).toBe(server.up);
  expect(info.down.used).toBe(server.down);
  expect(info.split).toBe(server.split);
}

describe("a program that is interrupted", () => {
  for (const kind of KINDS) {
    test(`${HOW[kind]} gets each answer once`, async () => {
      const token = await makeToken();
      const filled = token.machine.snapshot();
      const whole = new Fate(kind);
      await runProgram(await newRound(token), whole);
      expect(whole.seen).toBeGreaterThan(20);
      for (let at = 1; at <= whole.seen; at++) {
        token.machine.restore(filled);
        const round = await newRound(token);
        try {
          await runThrough(round, new Fate(kind, at));
          await check(round);
        } catch (error) {
          throw new Error(`at message ${at} of ${whole.seen}: ${(error as Error).stack}`, { cause: error });
        }
      }
    });
  }

  test("again and again, at random, gets each answer once", async () => {
    const token = await makeToken({ padSectors: 128 });
    const filled = token.machine.snapshot();
    for (let seed = SEED; seed < SEED + STORMS; seed++) {
      const random = new Random(seed);
      token.machine.restore(filled);
      const round = await newRound(token);
      // Each program has a few setbacks, and most are killed in the end.
      const fates = [0, 1, 2, 3].map((life) => {
        let strikes = random.below(5);
        const next = () => (strikes-- > 0 ? 1 + random.below(25) : 0);
        return life % 2 === 0 ? new Fate("storm", next(), next) : new Fate("kill", 1 + random.below(60));
      });
      try {
        await runThrough(round, ...fates);
        await check(round);
      } catch (error) {
        throw new Error(`SEED=${seed}: ${(error as Error).stack}`, { cause: error });
      }
    }
  });
});

/** A failure prints the seed that replays it. */
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const STORMS = 20;
