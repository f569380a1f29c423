/**
 * A record of every byte between host and device, for observers outside both.
 *
 * The file is JSON lines. The first is `{"trace":"tearpad","version":1,"started":ISO time,"warning":…}`; each other is
 * `{"us":machine time in microseconds,"to":"device"|"host","bytes":base64}`, one per chunk and in order.
 * What is sealed and what is opened passes here in the clear, so the file is as secret as the messages.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Machine } from "./machine.ts";

/** To be shown to whoever asks for a trace. */
export const TRACE_WARNING =
  "This trace holds every message in the clear, and the whole pad of a fill. Keep it as secret as these, and delete it after use.";

/**
 * Writes what passes from now on to a new file that only its owner can read.
 * @returns what ends the trace
 * @throws the file system's error, EEXIST when the file is there
 */
export function traceTo(machine: Machine, path: string): () => void {
  const file = openSync(path, "wx", 0o600);
  const line = (value: object): void => {
    writeSync(file, `${JSON.stringify(value)}\n`);
  };
  line({ trace: "tearpad", version: 1, started: new Date().toISOString(), warning: TRACE_WARNING });
  machine.onBytes = (to, bytes, us) => line({ us: Math.floor(us), to, bytes: Buffer.from(bytes).toString("base64") });
  return () => {
    machine.onBytes = null;
    closeSync(file);
  };
}
