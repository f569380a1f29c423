/**
 * Loaded before a script: its process seems to run on another host, a clone of this one with the same machine id.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";

const read = fs.readFileSync;
fs.readFileSync = ((path: string, encoding: "utf8") =>
  path === "/proc/sys/kernel/random/boot_id" ? "another boot" : read(path, encoding)) as typeof read;
os.hostname = () => "another-host";
syncBuiltinESMExports();
