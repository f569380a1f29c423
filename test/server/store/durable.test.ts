// "Committed" means "on the disk": shown by what the process asks of the kernel, and by killing it.

import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, it, onTestFinished } from "vitest";
import { directory, numbers, open, place, written } from "./place.ts";

const root = join(import.meta.dirname, "..", "..", "..");
/** A process that opens the store at its first argument and does `lines`. */
const writer = (lines: string) => `
  import { writeSync } from "node:fs";
  import { openStore } from ${JSON.stringify(join(root, "server/store/index.ts"))};
  const store = openStore(process.argv[1], ${JSON.stringify([numbers])}, { create: true });
  const insert = store.db.prepare("INSERT INTO number (value) VALUES (?)");
  const say = (text) => writeSync(1, text + "\\n");
  ${lines}`;
const node = (lines: string, path: string) => [process.execPath, "--input-type=module", "--eval", writer(lines), path];

const strace = spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;
if (!strace && !process.env.CI)
  console.warn("not shown here, because strace is missing or may not trace: that every commit is synced");

describe("a commit", () => {
  // In CI the tool must be there: then this runs, and fails without it.
  it.skipIf(!strace && !process.env.CI)(
    "is followed by a sync of the log before anybody learns of it: 100 in 100",
    () => {
      const path = place();
      const trace = join(directory(), "trace");
      const calls = "trace=write,pwrite64,fsync,fdatasync,openat";
      const lines = `
      for (let value = 0; value < 100; value++) {
        await store.commit(() => insert.run(value));
        say("acknowledged " + value);
      }
      process.kill(process.pid, "SIGKILL");`;
      spawnSync("strace", ["-f", "-e", calls, "-e", "signal=none", "-o", trace, ...node(lines, path)]);
      const log = [...readFileSync(trace, "utf8").matchAll(/openat\(.*books\.db-wal", .*= (\d+)$/gm)].at(-1)?.[1];
      let state: "idle" | "written" | "synced" = "idle";
      let acknowledged = 0;
      for (const line of readFileSync(trace, "utf8").split("\n")) {
        if (line.includes(`pwrite64(${log},`)) state = "written";
        // While another thread is in the kernel strace tells a call in two lines; this thread goes on behind the second.
        if (new RegExp(`f(data)?sync\\(${log}\\b`).test(line) && state === "written") state = "synced";
        if (!line.includes('"acknowledged ')) continue;
        expect(state).toBe("synced");
        state = "idle";
        acknowledged++;
      }
      expect(acknowledged).toBe(100);
      expect(written(open(path))).toHaveLength(100);
    },
  );

  it("is there after a kill at any time, once anybody has learned of it, and those before it too", async () => {
    const path = place();
    for (let round = 0; round < 5; round++) {
      const lines = `
        let value = (store.db.prepare("SELECT max(value) FROM number").pluck().get() ?? -1) + 1;
        for (;;) {
          const group = [];
          for (let i = 0; i < 16; i++) {
            const mine = value++;
            group.push(store.commit(() => insert.run(mine)).then(() => say(String(mine))));
          }
          await Promise.all(group);
        }`;
      const [program, ...rest] = node(lines, path);
      const child = spawn(program as string, rest, { stdio: ["ignore", "pipe", "inherit"] });
      onTestFinished(() => void child.kill("SIGKILL"));
      let out = "";
      child.stdout.on("data", (piece) => {
        out += piece;
        if (out.split("\n").length > 100 * round) child.kill("SIGKILL");
      });
      await new Promise((resolve) => child.once("close", resolve));
      const heard = Number(out.slice(0, out.lastIndexOf("\n")).split("\n").at(-1));
      const store = open(path);
      const found = written(store);
      store.close();
      expect(found).toEqual(found.map((_, index) => index));
      expect(found.length).toBeGreaterThan(heard);
    }
  });
});
