// What has to be the same in every world: which cores these are, what the vectors say to them, and the story of a conversation. It runs in a browser and in Node.

import { type Engine, loadEngine } from "../../host/engine/index.ts";
import type { MakeBody } from "./body.ts";
import { hex, sha256 } from "./bytes.ts";
import { converse, type Story } from "./conversation.ts";
import { runVectors, type Vector } from "./vectors.ts";

export interface Proof {
  readonly deviceSha256: string;
  readonly engineSha256: string;
  readonly vectors: Readonly<Record<string, string>>;
  readonly story: Story;
}

/** Proves the core of a device and the engine of this installation, as `host/engine` finds it by itself. */
export async function prove(
  device: Uint8Array,
  engine: Uint8Array,
  vectors: readonly Vector[],
  makeBody: MakeBody,
): Promise<Proof> {
  const loaded: Engine = await loadEngine();
  return {
    deviceSha256: hex(await sha256(device)),
    engineSha256: hex(await sha256(engine)),
    vectors: await runVectors(vectors, loaded, makeBody),
    story: await converse(makeBody),
  };
}
