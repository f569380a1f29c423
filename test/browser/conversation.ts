// Two devices, filled with one pad, and everything that people do with them, told byte by byte: what came over the line of either, and what is left on its chip.
// The same core must give the same story in every world.

import { Poly1305 } from "../../host/protocol/index.ts";
import { concat, type MakeBody } from "./body.ts";
import { generated, hex, sha256, u32 } from "./bytes.ts";
import { type CommandName, Host } from "./host.ts";

const SECTORS = 11;
const PAD_LENGTH = 5 * 4096;
const FIRST_SPLIT = 10_240;
const GRANT = 600;

/** SHA-256 of all that was said and all that is left, and how much was said. */
export interface Story {
  readonly sha256: string;
  readonly bytesSaid: number;
  readonly opened: number;
}

/** Has the conversation with two bodies. */
export async function converse(makeBody: MakeBody): Promise<Story> {
  const said: Uint8Array[] = [];
  const [low, high] = [
    new Host(makeBody({ sectors: SECTORS, burnUnit: 1 })),
    new Host(makeBody({ sectors: SECTORS, burnUnit: 1 })),
  ];
  const tell = (host: Host, command: CommandName, ...parts: (number | Uint8Array)[]): Uint8Array => {
    const reply = host.ask(command, concat(...parts.map((part) => (typeof part === "number" ? u32(part) : part))));
    said.push(reply instanceof Uint8Array ? reply : new TextEncoder().encode(JSON.stringify(reply)));
    return reply instanceof Uint8Array ? reply : new Uint8Array(0);
  };

  const pad = (await generated("pad of a conversation", PAD_LENGTH)).subarray(0, PAD_LENGTH);
  const text = await generated("what they say", 5000);
  const key = await sha256(new TextEncoder().encode("one-time key"));
  const mac = new Poly1305(key);
  mac.update(pad);
  for (const [side, host] of [low, high].entries()) {
    host.body.boot();
    tell(host, "INFO");
    const head = concat(Uint8Array.of(side, 1, 3, 1), u32(PAD_LENGTH, FIRST_SPLIT), Uint8Array.of(0, 0, 1, 0));
    tell(host, "FILL", head, pad.subarray(0, 16), new Uint8Array(80));
    for (let from = 0; from < PAD_LENGTH; from += 4096) tell(host, "WRITE", from, pad.subarray(from, from + 4096));
    tell(host, "COMMIT", key, mac.digest());
    for (const page of [0, 1, 2]) tell(host, "PAGE", page);
  }

  let opened = 0;
  for (const [from, to] of [
    [low, high],
    [high, low],
  ] as const) {
    if (from === high) tell(from, "RAISE", FIRST_SPLIT + GRANT);
    const begun = tell(from, "BEGIN", 0xffffffff, 0);
    const sizes = [0, 1, 115, 4096, 31];
    const boxes = sizes.map((size, i) => tell(from, "SEAL", i < sizes.length - 1 ? 1 : 2, text.subarray(i, i + size)));
    from.reboot();
    tell(from, "INFO");
    tell(to, "FIND", begun.subarray(12, 28), begun.subarray(28));
    for (const box of boxes) {
      const offset = box.subarray(4, 8);
      const forged = box.slice(8);
      forged[forged.length - 1]! ^= 1;
      tell(to, "OPEN", offset, forged);
      if (tell(to, "OPEN", offset, box.subarray(8)).length > 0) opened++;
      tell(to, "RELEASE", offset, box.length - 28 + 32);
      tell(to, "OPEN", offset, box.subarray(8));
    }
    tell(to, "RELEASE_SLOT", begun.subarray(0, 4));
    tell(to, "INFO");
  }
  for (let size = 4096; size >= 0; size -= 1365) tell(low, "SEAL", 2, text.subarray(0, size));
  const bytes = concat(...said);
  return {
    sha256: hex(await sha256(concat(bytes, low.body.chip(), high.body.chip()))),
    bytesSaid: bytes.length,
    opened,
  };
}
