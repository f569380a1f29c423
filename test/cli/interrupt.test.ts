// Ctrl-C in the middle of a command: it says what became of the pad, and puts away what it had begun.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { Desk, errorIn, type Failure } from "./shell.ts";

const desk = new Desk();
let copies = 0;

beforeAll(async () => {
  await desk.ok(["pair", "made", "--size", "64K"]);
});

function pair(): { low: string; high: string } {
  return desk.copyPair("made", `pair${++copies}`);
}

describe.skipIf(process.platform === "win32")("when it is interrupted", () => {
  /** Tells on stderr when something was read. */
  const tellsReading = `
    const { emit } = process.stdin;
    process.stdin.emit = function (event, ...rest) {
      const heard = emit.call(this, event, ...rest);
      if (event === "data") setTimeout(() => console.error("has read"), 50);
      return heard;
    };`;

  /** Sends the signal when the command has begun to read. */
  async function interrupted(args: string[], input: Uint8Array): Promise<{ status: number | null; error: Failure }> {
    const child = desk.start([...args, "--json"], { preload: tellsReading });
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.stdin?.on("error", () => {});
    child.stdin?.write(input);
    while (!stderr.includes("has read")) await once(child.stderr!, "data");
    child.kill("SIGINT");
    const [status] = (await once(child, "close")) as [number | null];
    return { status, error: errorIn(stderr) };
  }

  test("seal that waits for its text, and open that waits for the rest, say so, leave nothing behind and use nothing", async () => {
    const { low, high } = pair();
    const bundle = await desk.ok(["seal", "--device", low], { input: randomBytes(9000) });
    const before = await desk.info(low);
    const [sealing, opening] = await Promise.all([
      interrupted(["seal", "--device", low, "--out", "cut.bundle"], randomBytes(10)),
      interrupted(["open", "--device", high, "--out", "cut.text"], bundle.subarray(0, 6000)),
    ]);
    expect([sealing.status, sealing.error.code, sealing.error.facts.boxes]).toEqual([130, "INTERRUPTED", 0]);
    expect([opening.status, opening.error.code]).toEqual([130, "INTERRUPTED"]);
    expect(opening.error.pad).toContain("can still be opened");
    expect((await desk.info(low)).up).toEqual(before.up);
    expect(readdirSync(desk.directory).filter((name) => name.includes("cut."))).toEqual([]);
    expect(readdirSync(desk.path("home", "outbox"))).toEqual([]);
    expect((await desk.ok(["open", "--device", high], { input: bundle })).length).toBe(9000);
  });

  test("seal in the middle of a text says how many boxes are used, and its part is gone; none may drop it before", async () => {
    const socket = desk.path("slow.sock");
    const { low } = pair();
    const simulator = await desk.simulator([low, "--tcp", "127.0.0.1:0", "--control", socket]);
    const cut = { call: 9, name: "norProgram", when: "during", kind: "power", tear: "random" };
    await desk.ok(["control", socket, JSON.stringify({ do: "cut-at", cut })]);
    const child = desk.start(["seal", "--device", simulator.address, "--json"]);
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.stdin?.end(randomBytes(15_000));
    await desk.ok(["control", socket, JSON.stringify({ do: "until", state: "off" })]);

    const listed = JSON.parse(String(await desk.ok(["outbox", "list", "--json"])));
    expect(listed.entries).toMatchObject([{ finished: false, writer: child.pid }]);
    expect(String(await desk.ok(["outbox", "list"]))).toContain(`being written by process ${child.pid}`);
    const { facts } = await desk.fails(1, "BUNDLE_BUSY", ["outbox", "drop", listed.entries[0].id]);
    expect(facts).toEqual({ id: listed.entries[0].id, process: child.pid as number });

    child.kill("SIGINT");
    const [status] = (await once(child, "close")) as [number | null];
    expect([status, errorIn(stderr).code]).toEqual([130, "INTERRUPTED"]);
    expect(errorIn(stderr).pad).toMatch(/^The pad bytes of \d+ boxes/);
    expect(readdirSync(desk.path("home", "outbox"))).toEqual([]);
    await simulator.stop();
  });
});
