// Two services that the simulated server has beside its own: one that takes its time and is paid out of a hold, and one that
// writes before it fails.

import * as z from "zod";
import { type PromptService, type Service, ServiceError, type SlowService } from "../../server/service/index.ts";
import type { Time } from "./time.ts";

/** How the slow service spends its time; set by the world. */
export const WORK: { time: Time | null } = { time: null };

const schema: z.ZodType<Uint8Array> = z.instanceof(Uint8Array);

/** Takes 3 ms for each byte beyond a hundred, and costs less than it might. */
const dig: SlowService<Uint8Array> = {
  name: "dig",
  class: "calculation",
  schema,
  mostFee: (_body, fee) => fee + 5n,
  work: async (body, signal) => {
    await WORK.time!.pause(3 * (body.length % 100));
    if (signal.aborted || body.length % 7 === 0) throw new ServiceError("REFUSED", { reason: "nothing is there" });
    return { body, fee: 3n + BigInt(body.length % 5) };
  },
};

const fails: PromptService<Uint8Array> = {
  name: "fails",
  class: "information",
  schema,
  tables: {
    name: "fails",
    sql: "CREATE TABLE fails (number INTEGER PRIMARY KEY, request TEXT NOT NULL UNIQUE) STRICT;",
  },
  serve: ({ store, requestKey }, body) => {
    store.db.prepare("INSERT INTO fails (request) VALUES (?)").run(requestKey);
    if (body.length % 2 === 1) throw new ServiceError("REFUSED", { reason: "an odd number of bytes" });
    return { body };
  },
};

export const services: readonly Service[] = [dig as Service, fails as Service];
