// `npm start` as a user has it: processes, terminals, files, signals.

import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { TOKEN_KEYS } from "../../cli/demo/index.ts";
import { inspectFile } from "../../cli/image-file.ts";
import { boxCost, runCost } from "../../host/protocol/index.ts";
import { Conversation, traceOf } from "./conversation.ts";
import { errorIn, PROJECT, type Result, Starter, TEARPAD } from "./starter.ts";

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const NPM_RUN = "npm run -s tearpad --";
const spoken = (text: number): number => runCost(text, 1).padBytes;

/** What A and B used in one start: boxes, and the torn one. */
function usedUp({ bytes, bytesSkipped }: Result): number {
  return spoken(bytes.before) + spoken(bytes.after) + bytesSkipped;
}

describe("npm start", () => {
  const here = new Starter();
  const readme = readFileSync(`${PROJECT}/${existsSync(`${PROJECT}/README.md`) ? "README.md" : "LICENSE"}`);
  let first: Result;

  test("T-21 two devices behind real terminals carry a file, an answer and the file again through a power cut", async () => {
    first = await here.result();
    const { ttys, pids, pair, bytes, boxes, segments, sha256, marks, durations } = first;
    expect(new Set([ttys.a, ttys.b, pids.a, pids.b]).size).toBe(4);
    expect([ttys.a, ttys.b]).toEqual([expect.stringMatching(/^\/dev\//), expect.stringMatching(/^\/dev\//)]);
    expect(pair).toEqual({ directory: here.path("home", "start"), fresh: true, padBytes: 917_504 });
    expect(first.provenance).toBe("csprng");
    expect([bytes.before, bytes.after]).toEqual([readme.length, readme.length]);
    expect([sha256.before, sha256.after]).toEqual(
      Array(2).fill({ sent: digestOf(readme), received: digestOf(readme) }),
    );
    expect(sha256.answer.received).toBe(digestOf(here.read("received/answer.txt")));
    expect(sha256.answer.sent).toBe(sha256.answer.received);
    expect(segments).toEqual({ before: 1, answer: 1, after: 2 });
    expect(boxes.after).toBe(boxes.before);
    expect([marks.a.up, marks.a.down, marks.a.split]).toEqual([marks.b.up, marks.b.down, marks.b.split]);
    expect([marks.a.nextSlot, marks.b.nextSlot]).toEqual([3, 1]);
    expect(first.bytesReused).toBe(0);
    expect(first.disagreements).toEqual([]);
    expect(Object.keys(durations)).toEqual(["pair", "devices", "before", "answer", "after", "observer", "total"]);
    here.expectNothingLeft(pids.a, pids.b);
  });

  test("T-21 T-25 a token is sold, sends and fetches the file through a power cut and a killed server, and spends its value", () => {
    const { token } = first;
    const keys = [...TOKEN_KEYS.matchAll(/^ {4}(\w[\w ,():]*?) {2,}|^ {4}(name, .*)$/gm)];
    const named = keys.flatMap(([, key, names]) => (names ?? key!).replace(/\([^)]*\)/g, "").split(/,\s*/));
    expect(new Set(named.map((name) => name.trim()))).toEqual(new Set(Object.keys(token)));

    const { value, charged, marks, books, wire, sha256, pids, ports, address } = token;
    expect(new Set([first.pids.a, first.pids.b, pids.server, pids.device]).size).toBe(4);
    expect(token.tty).toMatch(/^\/dev\//);
    expect(address).toBe(`tcp://127.0.0.1:${ports.server}`);
    expect(ports.tap).not.toBe(ports.server);

    expect([value.device, value.server]).toEqual(["0", "0"]);
    expect(Object.keys(charged)).toEqual(["sent", "fetched", "cut", "crashed", "computed", "spent"]);
    expect(Object.values(charged).reduce((sum, cost) => sum + Number(cost), 0)).toBe(Number(value.issued));
    expect([charged.cut, charged.crashed]).toEqual([charged.sent, charged.sent]);
    expect(sha256).toEqual({ sent: digestOf(readme), received: digestOf(readme) });
    expect([token.output, token.refusal]).toEqual(["5050", "EXHAUSTED"]);
    expect(marks.device).toEqual(marks.server);
    expect(books).toMatchObject({ sums: { TPD: "0" }, disagreements: [] });

    expect(wire).toMatchObject({ bytesReused: 0, disagreements: [] });
    expect(wire.links).toBeGreaterThanOrEqual(3);
    expect(wire.calls).toBeGreaterThanOrEqual(wire.links);
    expect(token.bytesSkipped).toBeGreaterThan(0);
    expect(token.undestroyed).toBe(0);
    here.expectNothingLeft(pids.server, pids.device);
  });

  test("T-02 the marks moved by exactly what was used, and these bytes alone read zero on both chips", () => {
    const { marks, bytes, boxes, bytesSkipped, bytesUsed } = first;
    const lastBox = bytes.after - 4096 * Math.floor(boxes.after / 2);
    expect(bytesSkipped).toBe(boxCost(Math.min(4096, lastBox), 1));
    expect(marks.a.up).toEqual({ used: usedUp(first), burned: usedUp(first) });
    expect(marks.a.down.used).toBe(spoken(bytes.answer));
    expect(bytesUsed).toBe(usedUp(first) - bytesSkipped + spoken(bytes.answer) + 4 * 48);

    const original = here.read("observer.pad");
    const slots = 192 * marks.a.slots.low;
    const end = original.length - slots;
    for (const [side, skippedToo] of [
      ["low", true],
      ["high", false],
    ] as const) {
      const pad = here.read(`pad.${side}.tearpad`).subarray(-original.length);
      const zeros = pad.subarray(slots, slots + marks.a.up.used).filter((byte) => byte === 0).length;
      expect(zeros).toBeGreaterThanOrEqual(usedUp(first) - (skippedToo ? 0 : bytesSkipped));
      expect(pad.subarray(end - marks.a.down.used, end).every((byte) => byte === 0)).toBe(true);
      const free = [slots + marks.a.up.used, end - marks.a.down.used] as const;
      expect(pad.subarray(...free).equals(original.subarray(...free))).toBe(true);
    }
  });

  test("a second start goes on with the same pads at their marks, with an empty file as well", async () => {
    const second = await here.result("--file", here.write("empty", ""));
    expect(second).toMatchObject({ boxes: { before: 1, after: 1 }, segments: { after: 1 }, bytesSkipped: 32 });
    expect(second.pair).toEqual({ ...first.pair, fresh: false });
    expect(second.marks.a.up.used).toBe(first.marks.a.up.used + usedUp(second));
    expect(second.marks.a.nextSlot).toBe(6);
    expect(second.bytesUsed).toBe(first.bytesUsed + usedUp(second) - 32 + spoken(second.bytes.answer) + 4 * 48);
    // The server goes on with its books, and sells another token.
    expect(second.token.name).not.toBe(first.token.name);
    expect(second.token.directory).toBe(first.token.directory);
    expect(second.token.books.entries).toBeGreaterThan(first.token.books.entries);
  });

  test("a binary file of 300 kB arrives as it is, with room that B grants", async () => {
    const content = randomBytes(300_000);
    const result = await here.result("--file", here.write("some file", content));
    expect(here.read("received/some file").equals(content)).toBe(true);
    expect(result.boxes).toMatchObject({ before: 74, after: 74 });
    expect(result.bytesSkipped).toBe(4096 + 32);
    expect(result.sha256.after).toEqual({ sent: digestOf(content), received: digestOf(content) });
    expect(result.marks.a.split).toBeGreaterThan(first.marks.a.split);
    expect(result.marks.b.split).toBe(result.marks.a.split);
    expect(result.bytesReused).toBe(0);
  });

  test("a pad without enough room is left alone, and --new makes one that has it", async () => {
    const file = here.path("some file");
    const { status, stderr, stdout } = await here.run(["--once", "--json", "--file", file]);
    const { code, message, advice } = errorIn(stderr);
    expect([status, code, stdout]).toEqual([6, "EXHAUSTED", ""]);
    expect(message).toMatch(/needs 608,864 bytes of pad for device A, and [\d,]+ are left/);
    expect(advice).toContain("npm start -- --new");

    const anew = here.start(["--file", file, "--new"]);
    await anew.printed("1  A seals");
    const ended = await anew.signal("SIGINT");
    expect(ended.status).toBe(130);
    expect(ended.stdout).toMatch(/^The pair +new: 1,966,080 bytes on each device/m);
    expect(ended.stdout).toContain("300,000 bytes of text in 74 boxes");
    here.expectNothingUp();
  });
});

describe("while it is up", () => {
  const here = new Starter();
  const shell = async (command: string): Promise<string> => {
    const options = { cwd: PROJECT, env: here.env };
    return (await promisify(execFile)("bash", ["-o", "pipefail", "-c", command], options)).stdout;
  };

  let text = "";

  test("every command that it prints works as it is printed, and the observer sees what they use", async () => {
    const running = here.start([]);
    text = await running.printed("until you press Ctrl-C");
    const commands = text.split("\n").flatMap((line) => /^ {3}(.*npm run -s tearpad -- .*)$/.exec(line)?.[1] ?? []);
    const outputs: string[] = [];
    for (const [index, command] of commands.entries()) {
      const printed = command.replace("note.box", here.path("note.box"));
      // With npm, which takes longer than they do, only the first two.
      outputs.push(await shell(index < 2 ? printed : printed.replace(NPM_RUN, TEARPAD)));
    }
    expect(outputs[1]).toBe("hi\n");
    expect(outputs[2]).toMatch(/^state +active, low side$/m);
    expect(outputs.slice(3, 5)).toEqual(["The device is off.\n", "The device is on.\n"]);
    expect(outputs[5]).toMatch(/^state +active$/m);
    expect(outputs[6]).toMatch(/^value +100 TPD/m);
    expect(outputs[7]).toBe("500500");
    expect(outputs[8]).toMatch(/^value +\d\d TPD/);
    expect(outputs[9]).toMatch(/ credit\n.* compute\n/);
    expect(outputs).toHaveLength(10);

    const { status, stdout } = await running.signal("SIGINT");
    expect(status).toBe(0);
    const seen = [...stdout.matchAll(/(\d+) more bytes of pad used, 0 used twice/g)].map(([, bytes]) => Number(bytes));
    expect(seen.reduce((sum, bytes) => sum + bytes, 0)).toBe(48 + 32 + "hi\n".length);
    expect(stdout).toContain("All devices and the server are off.");
    here.expectNothingLeft(...[...text.matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid)));
  });

  test("its picture of both pads fits a terminal of 80 columns", () => {
    const [told = ""] = text.split("Now you");
    expect(told.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(told).toMatch(/A {2}\[==#+\.+\|\.+#+==\]\n {3}B {2}\[==#+\.+\|\.+#+==\]/);
  });

  test("a second one is told that the pair is in use; when the first is killed its processes end too, and the next start reads what was not read", async () => {
    const running = here.start(["--json"]);
    const { ttys, pids, token } = JSON.parse(await running.printed("}\n")) as Result;
    for (const args of [["--once"], ["--once", "--new"]]) {
      const { status, stderr } = await here.run([...args, "--json"]);
      expect([status, errorIn(stderr).code]).toEqual([1, "PAIR_IN_USE"]);
    }
    await shell(`echo unread | ${TEARPAD} seal --device ${ttys.a} | ${TEARPAD} open --device ${ttys.b}`);
    await running.signal("SIGKILL");
    await gone(pids.a, pids.b, token.pids.server, token.pids.device);
    expect(readdirSync(here.path("home", "start", "traces"))).toHaveLength(1);
    expect((await here.result()).disagreements).toEqual([]);
    expect(readdirSync(here.path("home", "start", "traces"))).toEqual([]);
  });

  test("Ctrl-C in the middle of the job ends everything, and the next start goes on", async () => {
    const running = here.start(["--file", here.write("large", randomBytes(100_000))]);
    await running.printed("Device B");
    const { status, stderr } = await running.signal("SIGINT");
    expect(stderr).toContain("tearpad: INTERRUPTED: ");
    expect(status).toBe(130);
    expect((await here.result()).disagreements).toEqual([]);
  });
});

describe("what must not pass", () => {
  const here = new Starter();
  const withoutTerminal = new Starter();
  const refused = new Starter();

  test("T-02 a trace in which pad bytes hide a second text makes the next start fail, and every one after it", async () => {
    const { low: slots } = (await here.result()).marks.a.slots;
    const { padId } = inspectFile(here.path("home", "start", "pad.low.tearpad")).identity!.content!;
    const bytes = here.read("observer.pad");
    const shape = { padLength: bytes.length, burnUnit: 1, slots: { low: slots, high: slots } };
    const conversation = new Conversation({ bytes, shape, padId }, "up");
    conversation.seals({ mark: 0, text: "Pad bytes that hid the file before." });
    const { session } = JSON.parse(here.read("observer.json").toString()) as { session: number };
    mkdirSync(here.path("home", "start", "traces", String(session + 1)));
    here.write(`home/start/traces/${session + 1}/low`, traceOf(conversation));

    for (const _ of ["the next", "every one after it"]) {
      const { status, stdout, stderr } = await here.run(["--once", "--json"]);
      expect([status, stdout]).toEqual([1, ""]);
      const { code, facts } = errorIn(stderr);
      expect(code).toBe("DISAGREEMENT");
      expect(facts.bytesReused).toBe(32 + "Pad bytes that hid the file before.".length);
      expect((facts.disagreements as string[])[0]).toMatch(/device A says its sealing mark is 0/);
    }
    const server = here.write("home/start-server/of the server before", "");
    expect(await here.result("--new")).toMatchObject({ bytesReused: 0, pair: { fresh: true } });
    expect(existsSync(server)).toBe(false);
  });

  test("a device that was used while nobody watched is noticed by its marks", async () => {
    const image = here.path("home", "start", "pad.low.tearpad");
    const options = { cwd: PROJECT, env: here.env };
    await promisify(execFile)(
      "bash",
      ["-c", `${TEARPAD} seal --device "${image}" LICENSE > "${here.path("unwatched")}"`],
      options,
    );
    const { status, stderr } = await here.run(["--once", "--json"]);
    expect([status, errorIn(stderr).code]).toEqual([1, "DISAGREEMENT"]);
    expect(errorIn(stderr).message).toMatch(
      /device A says its sealing mark is \d+, where what passed on its line makes it/,
    );
  });

  test("without a terminal it fails, and takes nothing else instead", async () => {
    const preload = `const load = process.dlopen;
      process.dlopen = (module, file, ...rest) => {
        if (file.includes("node-pty")) throw new Error("no more pseudoterminals");
        return load(module, file, ...rest);
      };`;
    const { status, stdout, stderr } = await withoutTerminal.run(["--once", "--json"], preload);
    expect([status, stdout]).toEqual([1, ""]);
    expect(errorIn(stderr)).toMatchObject({
      code: "DEVICE_NOT_STARTED",
      message: expect.stringContaining("The system gave no pseudoterminal."),
    });
    withoutTerminal.expectNothingLeft();
    const again = withoutTerminal.start([]);
    expect(await again.printed("Device A")).toContain("that of before");
    expect((await again.signal("SIGINT")).status).toBe(130);
  });

  test("what is no file, and an option that is none, are refused before anything is made", async () => {
    for (const [args, exit, code] of [
      [["--file", refused.path("missing")], 1, "NOT_A_FILE"],
      [["--file", refused.directory], 1, "NOT_A_FILE"],
      [["--fast"], 2, "USAGE"],
    ] as const) {
      const { status, stderr } = await refused.run([...args, "--json"]);
      expect([status, errorIn(stderr).code]).toEqual([exit, code]);
    }
    expect(existsSync(refused.path("home"))).toBe(false);
  });

  test("a pair whose parts do not belong together is not gone on with", async () => {
    here.write("home/start/observer.json", "{}");
    const { status, stderr } = await here.run(["--once", "--json"]);
    expect([status, errorIn(stderr).code]).toEqual([1, "PAIR_DAMAGED"]);
  });
});

/** Resolves when none of these processes runs. */
async function gone(...pids: number[]): Promise<void> {
  const runs = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  while (pids.some(runs)) await new Promise((resolve) => setTimeout(resolve, 20));
}
