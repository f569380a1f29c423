// The thread in which programs run: takes a job, answers its outcome or why there is none. Whoever started it ends it.

import { parentPort } from "node:worker_threads";
import { isServiceError } from "../errors.ts";
import { BEGUN, type Job, runProgram } from "./run.ts";

parentPort?.on("message", ({ number, job }: { number: number; job: Job }) => {
  parentPort?.postMessage(BEGUN);
  try {
    const { fuel, output } = runProgram(job);
    parentPort?.postMessage({ number, fuel, output });
  } catch (error) {
    if (!isServiceError(error, "PROGRAM_FAILED")) throw error;
    parentPort?.postMessage({ number, failure: error.facts });
  }
});
