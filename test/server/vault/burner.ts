// A process that works in a vault until it is killed. It says on its output what is done: a line for each promise that it was given.

import process from "node:process";
import { Limits, Vault } from "../../../server/vault/index.ts";

const [directory, keyPath, limitsPath, pad, first] = process.argv.slice(2) as [string, string, string, string, string];
const PAGE = 4096;
const vault = Vault.open(directory, keyPath);
const limits = Limits.open(limitsPath);
const say = (line: string) => process.stdout.write(`${line}\n`);
// Takes the lock.
vault.flush();
say("open");
for (let page = Number(first); page < 2000; page++) {
  limits.note({ pad, heard: page, up: page * PAGE, down: 0, split: 0, receipt: page });
  limits.sync();
  say(`limit ${page}`);
  vault.keep(pad, [{ start: page * PAGE, end: 2000 * PAGE }]);
  vault.flush();
  say(`burned ${page}`);
  if (page % 3 === 0) vault.rotate();
  if (page % 7 === 0) limits.compact();
}
