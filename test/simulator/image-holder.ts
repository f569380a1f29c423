/**
 * A process that opens an image and keeps it until its standard input ends. Says `open` or the error's code and pid in one line.
 */
import { openImage, SimulatorError } from "../../simulator/index.ts";

try {
  const image = openImage(process.argv[2]!);
  console.log(JSON.stringify({ open: true }));
  process.stdin.on("end", () => image.close()).resume();
} catch (error) {
  if (!(error instanceof SimulatorError)) throw error;
  console.log(JSON.stringify({ code: error.code, pid: error.facts.pid }));
}
