// A process of the simulation: sets the stage, with a defect or without, and lives the seeds that it is given. It tells what became
// of each, one JSON object a line.

import { parseArgs } from "node:util";
import { type Defect, setStage } from "./stage.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    step: { type: "string", default: "1" },
    defect: { type: "string" },
    trace: { type: "boolean", default: false },
    until: { type: "string", default: "all" },
    faults: { type: "string" },
  },
});

setStage(values.defect === undefined ? null : (JSON.parse(values.defect) as Defect));
const { makeTemplate, scratch } = await import("./template.ts");
const { live } = await import("./world.ts");

const first = Number(values.seed);
const count = Number(values.seeds);
const step = Number(values.step);
const template = await makeTemplate();
const base = scratch();
const tell = (line: object) =>
  process.stdout.write(`${JSON.stringify(line, (_key, value) => (typeof value === "bigint" ? `${value}` : value))}\n`);
tell({ ready: true });
const begun = Date.now();
for (let i = 0; i < count; i++) {
  const seed = first + i * step;
  const trace = (line: string) => console.error(line);
  const result = await live(template, base, seed, {
    ...(values.trace ? { trace } : {}),
    ...(values.faults === undefined ? {} : { faults: new Set(values.faults.split(",")) as never }),
  });
  tell({ ...result, milliseconds: Date.now() - begun });
  if (values.until === "found" && result.findings.length > 0) break;
}
process.exit(0);
