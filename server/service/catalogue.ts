// The service `catalogue` (information): what this server sells.
//   body: {} → { services: [{ name, class, fee }] }, the fee being what the tariff asks for one request; goods, offers
//   and programs cost what their own lists say.

import * as z from "zod";
import type { PromptService, Service } from "./service.ts";

/** The catalogue of these services and of itself: those that the tariff of the token sells. */
export function catalogue(services: readonly Service[]): PromptService<Record<string, never>> {
  const self: PromptService<Record<string, never>> = {
    name: "catalogue",
    class: "information",
    schema: z.strictObject({}),
    serve: ({ prices }) => {
      const offered = [...services, self].filter(({ name }) => prices.has(name));
      return { body: { services: offered.map((s) => ({ name: s.name, class: s.class, fee: prices.get(s.name) })) } };
    },
  };
  return self;
}
