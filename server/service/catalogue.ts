// The service `catalogue` (information): what this server sells.
//   body: {} → { services: [{ name, class, fee }] }, the fee being what the tariff asks for one request; goods, offers
//   and programs cost what their own lists say.

import * as z from "zod";
import type { PromptService, Service } from "./service.ts";

/** The catalogue of these services and of itself. `feeOf` is the tariff, minor units. */
export function catalogue(
  services: readonly Service[],
  feeOf: (service: string) => bigint,
): PromptService<Record<string, never>> {
  const self: PromptService<Record<string, never>> = {
    name: "catalogue",
    class: "information",
    schema: z.strictObject({}),
    serve: () => ({
      body: { services: [...services, self].map((s) => ({ name: s.name, class: s.class, fee: feeOf(s.name) })) },
    }),
  };
  return self;
}
