/**
 * A process that opens and closes the image argv[2] again and again, once it is told to, until it has had it argv[3] times. It says
 * how often someone else had it too: whoever has the image makes a witness file that may not be there already.
 */
import { closeSync, openSync, readSync, unlinkSync } from "node:fs";
import { openImage, SimulatorError } from "../../simulator/index.ts";

const [path, times] = [process.argv[2]!, Number(process.argv[3])];
let had = 0;
let together = 0;
console.log(JSON.stringify({ ready: true }));
readSync(0, Buffer.alloc(1));
while (had < times) {
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
console.log(JSON.stringify({ together }));
