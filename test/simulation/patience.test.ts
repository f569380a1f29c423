// A device that calls in vain for a very long time: servers that are not there, lines that end, and a server that does not know it.
// Nothing of all this uses its slots up, and when the server takes it again, the next call connects.

import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import type { Transport } from "../../host/driver/index.ts";
import { type LinkEvent, openLink } from "../../host/link/index.ts";
import { Random } from "../../simulator/index.ts";
import { ModelServer } from "../link/model.ts";
import { deviceOf, makeToken, quickClock } from "../link/token.ts";
import { scratch } from "./template.ts";

/** In CI ten thousand calls fail, elsewhere two thousand. */
const ATTEMPTS = process.env.CI ? 100 : 20;
/** Calls of one attempt: one at each address. */
const ADDRESSES: readonly string[] = Array.from({ length: 100 }, (_, i) => `tcp://server-${i}.test:1`);
const seed = Number(process.env.SEED ?? 1);

it(`T-19 ✗ after ${ATTEMPTS * ADDRESSES.length} failed calls the next one connects (SEED=${seed})`, async () => {
  const random = new Random(seed);
  const token = await makeToken();
  const server = new ModelServer(token);
  const device = await deviceOf(token.machine);
  let works = false;
  const connect = async (): Promise<Transport> => {
    if (works) return server.connect();
    const how = random.below(4);
    if (how === 0) throw new Error("nobody listens");
    return deaf(how === 1 ? null : stranger());
  };
  let refused = 0;
  const onEvent = ({ kind }: LinkEvent) => void (kind === "refused" && refused++);
  const options = { directory: scratch(), addresses: ADDRESSES, connect, clock: quickClock, onEvent };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await expect(openLink(device, options)).rejects.toMatchObject({ code: "CALL_REFUSED" });
  }
  expect(refused).toBeGreaterThan((ATTEMPTS * ADDRESSES.length) / 3);
  works = true;
  const link = await openLink(device, options);
  expect((await link.request("echo", "at last")).body).toBe("at last");
  await link.close();
  expect((await device.info()).nextSlot).toBeLessThan(16);
});

/** What a server says that does not know a tag. */
function stranger(): Uint8Array {
  return new Uint8Array(Buffer.concat([Uint8Array.of(48, 0, 4, 0), randomBytes(64)]));
}

/** A line that answers anything with the same, and ends when there is nothing to say. */
function deaf(answer: Uint8Array | null): Transport {
  let hear = (_bytes: Uint8Array) => {};
  let tell = (_reason?: Error) => {};
  return {
    write: async () => {
      setImmediate(() => {
        if (answer === null) tell(new Error("cut"));
        else hear(answer);
      });
    },
    onData: (listener) => {
      hear = listener;
    },
    onClose: (listener) => {
      tell = listener;
    },
    close: async () => {},
  };
}
