/**
 * A simulator in a process of its own: the built core on the image argv[2], behind a TCP port, taking orders at argv[3].
 */
import { attachTcp, builtCore, Flash, LiveClock, Machine, openImage, serveControl } from "../../simulator/index.ts";

const image = openImage(process.argv[2]!);
const machine = new Machine({ core: builtCore(), flash: new Flash({ cells: image, clock: new LiveClock() }) });
machine.powerOn();
const line = await attachTcp(machine);
const end = await serveControl(machine, process.argv[3]!, () => line.close());
console.log(JSON.stringify({ address: line.address }));
await line.closed;
await end();
image.close();
