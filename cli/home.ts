// Where this user's state is: what was used of which source of randomness, bundles that have not left yet, and what a token
// has under way with its server.

import { homedir } from "node:os";
import { join } from "node:path";

/** A directory below $TEARPAD_HOME, which is below the user's data directory (XDG) where it is not set. */
export function stateDirectory(env: NodeJS.ProcessEnv, name: "entropy" | "outbox" | "links"): string {
  const home = env.TEARPAD_HOME || join(env.XDG_DATA_HOME || join(homedir(), ".local", "share"), "tearpad");
  return join(home, name);
}
