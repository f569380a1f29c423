// Where this user's state is: what was used of which source of randomness, bundles that have not left yet, and what a token
// has under way with its server.

import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { DriverError } from "../host/driver/index.ts";

/**
 * A directory below $TEARPAD_HOME, which is below the user's data directory (XDG) where it is not set; it is there afterwards.
 * @throws DriverError DISK_FAILED
 */
export function stateDirectory(env: NodeJS.ProcessEnv, name: "entropy" | "outbox" | "links"): string {
  const home = env.TEARPAD_HOME || join(env.XDG_DATA_HOME || join(homedir(), ".local", "share"), "tearpad");
  const path = join(home, name);
  try {
    make(path);
  } catch (cause) {
    throw new DriverError("DISK_FAILED", { path }, cause);
  }
  return path;
}

/** One by one: asked for all at once, Node does not end where a file system takes no names, as /proc. */
function make(path: string): void {
  if (existsSync(path)) return;
  make(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!existsSync(path)) throw error; // Another process was first.
  }
}
