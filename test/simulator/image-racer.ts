/**
 * A process that opens and closes the image argv[2] again and again until the time argv[3], and says how often it had it, and how
 * often someone else had it too: whoever has the image makes a witness file that may not be there already.
 */
import { closeSync, openSync, unlinkSync } from "node:fs";
import { openImage, SimulatorError } from "../../simulator/index.ts";

const [path, end] = [process.argv[2]!, Number(process.argv[3])];
let had = 0;
let together = 0;
while (Date.now() < end) {
  try {
    const image = openImage(path);
    had++;
    try {
      closeSync(openSync(`${path}.witness`, "wx"));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      unlinkSync(`${path}.witness`);
    } catch {
      together++;
    }
    image.close();
  } catch (error) {
    if (!(error instanceof SimulatorError && error.code === "IMAGE_BUSY")) throw error;
  }
}
console.log(JSON.stringify({ had, together }));
