/** What all vectors have, and how their expected failures are made. */
import { Failure } from "../box.ts";

export interface Vector {
  /** Also the name of the file. */
  name: string;
  kind: "box" | "run" | "device" | "frame" | "bundle" | "journal" | "pad" | "control" | "mac";
  /** One sentence. */
  shows: string;
  /** Of docs/SPEC.md. */
  section: string;
  [field: string]: unknown;
}

/** Runs what must fail with `code` and returns it: a scenario that does not come out as its author meant it is a mistake. */
export function refusal(run: () => unknown, code: string): string {
  const failure = failureOf(run);
  if (failure?.code !== code) throw new Error(`${failure?.code ?? "success"} instead of ${code}`);
  return code;
}

export function failureOf(run: () => unknown): Failure | undefined {
  try {
    run();
    return undefined;
  } catch (failure) {
    if (failure instanceof Failure) return failure;
    throw failure;
  }
}
