// The service `register` (information): the owner of a token chooses the number under which the server finds its account,
// on first use and once. The number says nothing about the owner, and the token's own number is not needed any more.
//   { number } → { number }       6 to 20 digits; the same number again is the same answer

import * as z from "zod";
import type { Migration, Store } from "../store/index.ts";
import { ServiceError } from "./errors.ts";
import type { PromptService } from "./service.ts";

interface Body {
  readonly number: string;
}

const tables: Migration = {
  name: "registration",
  sql: "CREATE TABLE registration (pad INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE) STRICT",
};

export const register: PromptService<Body> = {
  name: "register",
  class: "information",
  schema: z.strictObject({ number: z.string().regex(/^[0-9]{6,20}$/) }),
  tables,
  serve({ store, token }, { number }) {
    const chosen = numberOfPad(store, token.pad);
    if (chosen === number) return { body: { number } };
    if (chosen !== null) throw new ServiceError("REFUSED", { reason: "this token has its number, which stays" });
    if (registeredPad(store, number) !== null) throw new ServiceError("TAKEN", { what: "number" });
    store.db.prepare("INSERT INTO registration (pad, number) VALUES (?, ?)").run(token.pad, number);
    return { body: { number } };
  },
};

/** The number that the owner of this pad chose, or null. */
export function numberOfPad(store: Store, pad: number): string | null {
  return store.db.prepare<[number], string>("SELECT number FROM registration WHERE pad = ?").pluck().get(pad) ?? null;
}

/** The pad whose owner chose this number, or null. */
export function registeredPad(store: Store, number: string): number | null {
  return (
    store.db.prepare<[string], number>("SELECT pad FROM registration WHERE number = ?").pluck().get(number) ?? null
  );
}
