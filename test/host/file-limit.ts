// A disk that is full, for this process: the kernel's limit on the size of a file makes every write beyond it fail.

import { execFileSync } from "node:child_process";

let ignored = false;

/** Files of this process cannot grow beyond so many bytes until the function that it returns is called. */
export function limitFileSize(bytes: number): () => void {
  if (!ignored) process.on("SIGXFSZ", () => {});
  ignored = true;
  const set = (limit: string) => execFileSync("prlimit", ["--pid", String(process.pid), `--fsize=${limit}:`]);
  set(String(bytes));
  return () => void set("unlimited");
}
