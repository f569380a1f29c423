// `tearpad device selftest`: what a device without a pad is worth, in a report that its owner can send as it is.

import { type SelfTest, selftest, type Trial } from "../host/driver/index.ts";
import { deviceAddress, isImage, openAddress } from "./address.ts";
import { type Io, parse, printJson } from "./command.ts";
import { exitOf } from "./exit.ts";
import { line } from "./gauge.ts";
import { lineInWords } from "./ports.ts";

export async function deviceSelftest(args: string[], io: Io): Promise<number> {
  const options = { device: { type: "string" }, "skip-button": { type: "boolean" } } as const;
  const { values, positionals } = parse(args, options, [0, 1]);
  const address = deviceAddress(positionals[0] ?? values.device, io);
  const transport = isImage(address) ? "image file, simulated here" : await lineInWords(address);
  const device = await openAddress(address);
  try {
    const report = await selftest(device, values["skip-button"] ? null : (seconds) => ask(seconds, values.json, io));
    if (values.json) printJson(io.stdout, { address, transport, ...report });
    else io.stdout.write(`${inWords(address, transport, report).join("\n")}\n`);
    return report.verdict === "good" ? 0 : exitOf("FAULTY");
  } finally {
    await device.close();
  }
}

/** A program that reads stderr for errors is not disturbed. */
function ask(seconds: number, json: boolean | undefined, { stderr }: Io): void {
  if (json && !stderr.isTTY) return;
  stderr.write(`Press the button of the device within ${seconds} seconds (--skip-button leaves it out).\n`);
}

function inWords(address: string, transport: string, { core, body, trials, verdict }: SelfTest): string[] {
  const failed = trials.filter((trial) => trial.verdict === "bad");
  const untried = trials.filter((trial) => trial.verdict === "untried").map(({ name }) => name);
  const but = untried.length > 0 ? `; not tried: ${untried.join(", ")}` : "";
  return [
    line("device", `${address}, ${transport}`),
    line("core", `${core}, on ${body === "simulator" ? "the simulator" : body}`),
    ...trials.flatMap(trialInWords),
    verdict === "good"
      ? line("verdict", `good: it can be given a pad${but}`)
      : line("verdict", `bad: ${failed.map(({ name }) => name).join(", ")}${but}`),
  ];
}

function trialInWords({ name, verdict, found, advice }: Trial): string[] {
  const first = line(`${name} `, `${verdict.padEnd(8)} ${found}`);
  return advice === null ? [first] : [first, line("", `what next: ${advice}`)];
}
