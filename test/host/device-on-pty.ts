// A blank device in a process of its own, on a real terminal, until its standard input ends.

import { attachPty, builtCore, Flash, Machine } from "../../simulator/index.ts";

const machine = new Machine({ core: builtCore(), flash: new Flash({ sectors: 38 }) });
machine.powerOn();
const line = await attachPty(machine);
console.log(JSON.stringify({ address: line.address }));
process.stdin.resume();
process.stdin.on("end", () => process.exit());
