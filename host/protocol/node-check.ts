// The first import of every entry point of the package: on a Node that is too old, loading ends here with NODE_TOO_OLD
// instead of somewhere deeper with a riddle. Modules are evaluated in the order of their imports, so it has to stay first.

import { nodeTooOld } from "./node-version.ts";

const error = nodeTooOld();
if (error) throw error;
