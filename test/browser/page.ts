// What runs in the page: the same proof as everywhere, with what the page fetched. The test waits for `proof`.

import { bareBody } from "./body.ts";
import { type Proof, prove } from "./proof.ts";

async function bytesAt(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function proveHere(): Promise<Proof> {
  const [device, engine] = [await bytesAt("/build/device.wasm"), await bytesAt("/build/engine.wasm")];
  const vectors = await (await fetch("/vectors")).json();
  const module = await WebAssembly.compile(device);
  return prove(device, engine, vectors, (chip) => bareBody(module, chip));
}

(globalThis as { proof?: Promise<Proof> }).proof = proveHere();
