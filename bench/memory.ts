// Memory: what sealing a long text costs this process more than sealing a short one. A child process seals on a device image that has room for the long text, through driver,
// core and outbox, and its largest resident set is read from the kernel.

import { spawn } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const MIB = 1024 * 1024;

export interface MemoryRow {
  readonly textMiB: number;
  readonly seconds: number;
  readonly peakMiB: number;
  /** Peak above that of sealing 1 MiB. */
  readonly moreMiB: number;
}

/** Seals 1 MiB and then the long text on one image, each in a process of its own. */
export async function benchMemory({ quick }: { readonly quick: boolean }): Promise<MemoryRow[]> {
  const longMiB = quick ? 8 : 1024;
  const directory = await mkdtemp(join(tmpdir(), "tearpad-bench-"));
  try {
    // Half of a pair's pad is the low side's; slots take 4.7 % of it, and the tag of a box of 4,096 bytes 32 more.
    const size = `${Math.ceil((longMiB * 2.2 + 4) / 4) * 4}M`;
    const pair = join(directory, "pair");
    await command(["pair", pair, "--size", size], directory);
    await rm(`${pair}.high.tearpad`);
    const text = join(directory, "text");
    const rows: MemoryRow[] = [];
    for (const textMiB of [1, longMiB]) {
      await writeText(text, textMiB * MIB);
      const begun = performance.now();
      const bundle = join(directory, `bundle-${textMiB}`);
      const peakMiB = await command(["seal", text, "--device", `${pair}.low.tearpad`, "--out", bundle], directory);
      const seconds = (performance.now() - begun) / 1000;
      rows.push({ textMiB, seconds, peakMiB, moreMiB: peakMiB - (rows[0]?.peakMiB ?? peakMiB) });
    }
    return rows;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Runs the command line as a user would and returns its largest resident set in MiB. */
async function command(args: string[], home: string): Promise<number> {
  const cli = fileURLToPath(new URL("../cli/tearpad.ts", import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, cli, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, TEARPAD_HOME: home },
  });
  let peak = 0;
  const look = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, "utf8").catch(() => "");
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  }, 20);
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  clearInterval(look);
  if (code !== 0) throw new Error(`tearpad ${args[0]} ended with ${code}`);
  return peak;
}

async function writeText(path: string, bytes: number): Promise<void> {
  const file = await open(path, "w");
  const piece = new Uint8Array(MIB).map((_, i) => i & 0x7f);
  for (let done = 0; done < bytes; done += piece.length) await file.write(piece);
  await file.close();
}
