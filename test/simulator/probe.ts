/**
 * A machine around the probe core (probe.as), which does one HAL call per request.
 */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import asc from "assemblyscript/asc";
import {
  type Core,
  compileCore,
  Flash,
  type FlashOptions,
  Machine,
  type MachineOptions,
} from "../../simulator/index.ts";

const SOURCE = new URL("./probe.as", import.meta.url);
const FLAGS = ["-O3s", "--runtime", "stub", "--initialMemory", "1", "--maximumMemory", "1", "--use", "abort="];

let compiled: Promise<Core> | null = null;

/** The probe core, compiled once per test file. */
function probeCore(): Promise<Core> {
  compiled ??= compile();
  return compiled;
}

async function compile(): Promise<Core> {
  const directory = mkdtempSync(join(tmpdir(), "tearpad-probe-"));
  writeFileSync(join(directory, "probe.ts"), readFileSync(SOURCE));
  const { error, stderr } = await asc.main(["probe.ts", "-o", "probe.wasm", "--baseDir", directory, ...FLAGS]);
  if (error) throw new Error(stderr.toString());
  return compileCore(readFileSync(join(directory, "probe.wasm")));
}

/** A machine around the probe, not powered yet, and what it has sent. */
export async function probeMachine(
  flash: FlashOptions = {},
  options: Partial<MachineOptions> = {},
): Promise<{ machine: Machine; sent: Uint8Array[]; last(): number }> {
  const machine = new Machine({
    core: await probeCore(),
    flash: new Flash({ sectors: 16, ...flash }),
    entropy: 1,
    ...options,
  });
  const sent: Uint8Array[] = [];
  machine.onTransmit = (bytes) => sent.push(bytes);
  return { machine, sent, last: () => new DataView(sent.at(-1)!.buffer).getUint32(0, true) };
}

/** A request to the probe: its letter, up to two numbers, and data. */
export function request(letter: string, first = 0, second = 0, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  bytes[0] = letter.charCodeAt(0);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, first, true);
  view.setUint32(8, second, true);
  bytes.set(data, 12);
  return bytes;
}
