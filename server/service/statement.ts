// The service `statement` (information): what moved on the account of the token, item by item. Tokens that share an account
// have one statement. What this request itself costs is the first item of the next one.
//   body: { last: 1 to 256 } → { entries: [{ at, amount, balance, reason }] }, newest last; `at` in milliseconds since the
//   epoch, `amount` below zero when the token paid, `balance` what it had after that

import * as z from "zod";
import { count } from "./body.ts";
import type { PromptService } from "./service.ts";

interface Body {
  readonly last: number;
}

export const statement: PromptService<Body> = {
  name: "statement",
  class: "information",
  schema: z.strictObject({ last: count(1, 256) }),
  serve: ({ ledger, token }, { last }) => {
    const entries = ledger.statement(token.account, 0, last);
    return { body: { entries: entries.map(({ at, amount, balance, reason }) => ({ at, amount, balance, reason })) } };
  },
};
