// How an error is told: its code and what happened, what it means for the pad, what to do next. On stderr, for people or,
// with --json, as one object. Never with anything secret: the errors have nothing of the kind in them.

import { isLinkFailure } from "../host/link/index.ts";
import { TearpadError } from "../host/protocol/index.ts";
import { SimulatorError } from "../simulator/index.ts";
import { printJson, UsageError, visible } from "./command.ts";
import { exitOf } from "./exit.ts";

/** An error as it is told. */
export interface Report {
  readonly code: string;
  readonly message: string;
  readonly pad: string | null;
  readonly advice: string | null;
  readonly facts: object;
  /** What was below it, where that says more. */
  readonly cause: string | null;
  readonly exit: number;
}

/** Something that no one foresaw has the code FAILED. */
export function reportOf(error: unknown): Report {
  const named = tellingError(error);
  if (named === null) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { code: "FAILED", message, pad: null, advice: null, facts: {}, cause: null, exit: 1 };
  }
  const { code, message } = named;
  return {
    code,
    message,
    pad: named instanceof TearpadError ? named.pad : null,
    advice: named instanceof UsageError ? null : named.advice,
    facts: named instanceof UsageError ? {} : named.facts,
    cause: named.cause instanceof Error ? (tellingError(named.cause) ?? named.cause).message : null,
    exit: exitOfError(named),
  };
}

/** As cli/exit.ts says, with its two exceptions. */
function exitOfError(error: TearpadError | SimulatorError | UsageError): number {
  if (error.code === "SEAL_UNFINISHED") return reportOf(error.cause).exit;
  if (isLinkFailure(error, "SERVICE_ERROR")) {
    if (error.facts.error === "EXHAUSTED") return exitOf("VALUE_CLOSED");
    if (error.facts.error === "PAD_EXHAUSTED") return exitOf("PAD_EXHAUSTED");
  }
  return exitOf(error.code);
}

/** A simulated device that is lost in this process was lost for a reason that says more. */
function tellingError(error: unknown): TearpadError | SimulatorError | UsageError | null {
  if (error instanceof TearpadError) return error.cause instanceof SimulatorError ? error.cause : error;
  return error instanceof SimulatorError || error instanceof UsageError ? error : null;
}

/** Tells the error and returns the code to exit with. */
export function tell(stderr: NodeJS.WritableStream, error: unknown, json: boolean): number {
  const report = reportOf(error);
  if (json) printJson(stderr, { error: report });
  else stderr.write(inWords(report));
  return report.exit;
}

function inWords({ code, message, pad, advice, cause }: Report): string {
  // The trace of what no one foresaw has many lines; everything else is a sentence, with names from elsewhere in it.
  const lines = [`tearpad: ${code}: ${code === "FAILED" ? message : visible(message)}`];
  if (cause !== null) lines.push(`  cause:      ${visible(cause)}`);
  if (pad !== null) lines.push(`  the pad:    ${visible(pad)}`);
  if (advice !== null) lines.push(`  what next:  ${visible(advice)}`);
  return `${lines.join("\n")}\n`;
}
