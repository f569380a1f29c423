// `tearpad vectors`: tries test vectors against the builds of this installation and says of each whether it holds. So whoever
// changes the core, or builds another one, sees in a minute what no longer does what docs/SPEC.md says.

import { type Io, parse, printJson, visible } from "./command.ts";
import { type Outcome, runVectors } from "./vectors/index.ts";

/** 0 when every vector holds, 1 when one does not. */
export async function vectors(args: string[], io: Io): Promise<number> {
  const { values, positionals: files } = parse(args, {}, [1, Number.POSITIVE_INFINITY]);
  const outcomes: Outcome[] = [];
  for await (const outcome of runVectors(files)) {
    outcomes.push(outcome);
    if (!values.json) io.stdout.write(lineOf(outcome));
  }
  const failed = outcomes.filter(({ ok }) => !ok).length;
  if (values.json) printJson(io.stdout, { vectors: outcomes.length, failed, outcomes });
  else io.stdout.write(`${outcomes.length} vectors, ${failed === 0 ? "all ok" : `${failed} failed`}\n`);
  return failed === 0 ? 0 : 1;
}

function lineOf({ name, ok, builds, why }: Outcome): string {
  const on = builds.length > 0 ? ` (${builds.join(", ")})` : "";
  return `${visible(ok ? `ok     ${name}${on}` : `FAILS  ${name}${on}: ${why}`)}\n`;
}
