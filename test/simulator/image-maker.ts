/**
 * A process that creates an image of argv[3] bytes at argv[2] and says `made` or the error's code in one line.
 */
import { createImage, SimulatorError } from "../../simulator/index.ts";

try {
  createImage(process.argv[2]!, Number(process.argv[3]));
  console.log(JSON.stringify({ made: true }));
} catch (error) {
  if (!(error instanceof SimulatorError)) throw error;
  console.log(JSON.stringify({ code: error.code, advice: error.advice }));
}
