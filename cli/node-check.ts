// The first import of every command: on a Node that is too old the command ends here with one sentence and status 1.

import process from "node:process";
import { nodeTooOld } from "../host/protocol/node-version.ts";

const error = nodeTooOld();
if (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
