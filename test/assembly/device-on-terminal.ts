// A device in a process of its own: on the image argv[2], on a terminal that the link argv[3] leads to, until its standard input ends or it is killed.

import { attachPty, builtCore, Flash, LiveClock, Machine, openImage } from "../../simulator/index.ts";

const [image, link] = process.argv.slice(2) as [string, string];
const machine = new Machine({
  core: builtCore(),
  flash: new Flash({ cells: openImage(image), clock: new LiveClock() }),
});
machine.powerOn();
const line = await attachPty(machine, { link });
console.log(JSON.stringify({ address: line.address }));
process.stdin.resume();
process.stdin.on("end", () => process.exit());
