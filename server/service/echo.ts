// The service `echo` (information): answers the bytes that came, whatever they are. To the server they are bytes.
//   body: bytes → the same bytes

import { bytes, PART_BYTES } from "./body.ts";
import type { PromptService } from "./service.ts";

export const echo: PromptService<Uint8Array> = {
  name: "echo",
  class: "information",
  schema: bytes(PART_BYTES),
  serve: (_context, body) => ({ body }),
};
