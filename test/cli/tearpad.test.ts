// The command line as a whole: help, version, names of commands, and a device behind a line.

import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Desk } from "./shell.ts";

const desk = new Desk();
const COMMANDS = [
  "pair",
  "seal",
  "open",
  "outbox list",
  "outbox send",
  "outbox drop",
  "device list",
  "device info",
  "device fill",
  "image inspect",
  "call",
  "balance",
  "send",
  "fetch",
  "run",
  "request",
  "serve",
  "issue",
  "token list",
  "token show",
  "token activate",
  "token hold",
  "token credit",
  "token resolve",
  "token cancel",
  "statement",
  "audit",
  "sim",
  "control",
  "vectors",
];

describe("what a newcomer types first", () => {
  test("--help lists every command and every exit code, and so does nothing at all", async () => {
    const help = String(await desk.ok(["--help"]));
    for (const command of COMMANDS) expect(help).toContain(`tearpad ${command}`);
    expect(help).toMatch(/Exit codes:\n +0 /);
    expect(String(await desk.ok([]))).toBe(help);
  });

  test.each(COMMANDS)("%s --help shows how it is called and what --json prints", async (command) => {
    const help = String(await desk.ok([...command.split(" "), "--help"]));
    expect(help.startsWith(`tearpad ${command}`)).toBe(true);
    if (command !== "outbox drop" && !/^token (?!list|show)/.test(command)) expect(help).toContain("json");
  });

  test("--version is the version of the package", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(String(await desk.ok(["--version"]))).toBe(`${version}\n`);
  });

  test("short options, help COMMAND, and help for a noun", async () => {
    const [help, seal, info, version] = await Promise.all(
      [["-h"], ["help", "seal"], ["device", "--help"], ["-v"]].map(async (args) => String(await desk.ok(args))),
    );
    expect(help).toMatch(/Exit codes:/);
    expect(seal).toMatch(/^tearpad seal/);
    expect(info).toMatch(/^tearpad device list[\s\S]*tearpad device info[\s\S]*tearpad device fill/);
    expect(version).toMatch(/^\d+\.\d+\.\d+\n$/);
    await desk.fails(2, "USAGE", ["help", "sael"]);
  });

  test("a reader that goes away early makes no noise", async () => {
    const { status, stderr } = await desk.run(["--help"], { closeStdout: true });
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("an unknown command, or half of one, is told what there is", async () => {
    expect((await desk.fails(2, "USAGE", ["sael"])).message).toContain('"sael"');
    expect((await desk.fails(2, "USAGE", ["device"])).message).toContain("tearpad device info");
    expect((await desk.fails(2, "USAGE", ["constructor"])).message).toContain("no command");
  });
});

describe("a device on a line", () => {
  test("device info has the documented keys, and device list those of its own, with ports and without", async () => {
    await desk.ok(["pair", "keys", "--size", "64K"]);
    const info = await desk.info("keys.low.tearpad");
    expect(info).toMatchObject({
      address: "keys.low.tearpad",
      state: "active",
      side: "low",
      nextSlot: 0,
      failedTags: 0,
    });
    expect(Object.keys(info.identity)).toContain("sourceName");
    const { status, stdout } = await desk.run(["device", "list", "--json"]);
    const list = JSON.parse(String(stdout)) as { portsAsked: number | null };
    expect(Object.keys(list)).toEqual(["devices", "portsAsked"]);
    expect(status).toBe(list.portsAsked === null ? 1 : 0);
  });

  test("a simulator says where it is, and which core it runs", async () => {
    const simulator = await desk.simulator(["told.chip", "--create", "64K", "--tcp", "127.0.0.1:0"]);
    expect(simulator.announced).toEqual({
      pid: expect.any(Number),
      address: expect.stringMatching(/^tcp:\/\/127\.0\.0\.1:\d+$/),
      image: "told.chip",
      imageBytes: 65_536,
      state: "blank",
      side: null,
      control: null,
      core: { version: expect.stringMatching(/^\d+\.\d+\.\d+$/), sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    await desk.fails(16, "IMAGE_EXISTS", ["sim", "told.chip", "--create", "64K", "--tcp", "127.0.0.1:0"]);
    await desk.fails(10, "IMAGE_BUSY", ["sim", "told.chip", "--tcp", "127.0.0.1:0"]);
    const taken = simulator.address.replace("tcp://", "");
    const refused = await desk.fails(27, "LINE_FAILED", ["sim", "second.chip", "--create", "64K", "--tcp", taken]);
    expect(refused.pad).toBe("No pad bytes were used.");
    expect(readdirSync(desk.directory).filter((name) => name.startsWith("second.chip"))).toEqual([]);
    await simulator.stop();
  });

  test.skipIf(process.platform === "win32")(
    "the power goes in the middle of a text that is sealed through a real terminal: it goes on, and opens whole",
    async () => {
      await desk.ok(["pair", "cut", "--size", "256K"]);
      const socket = desk.path("cut.sock");
      const simulator = await desk.simulator([
        "cut.low.tearpad",
        "--pty",
        "--link",
        desk.path("cut.tty"),
        "--control",
        socket,
      ]);
      const cut = { call: 60, name: "norProgram", when: "during", kind: "power", tear: "random" };
      await desk.ok(["control", socket, JSON.stringify({ do: "cut-at", cut })]);
      const text = randomBytes(30_000);
      const sealing = desk.run(["seal", "--device", "cut.tty", "--json"], { input: text });
      await desk.ok(["control", socket, JSON.stringify({ do: "until", state: "off" })]);
      await desk.ok(["control", socket, "power-on"]);
      const { stdout, stderr, status } = await sealing;
      expect(status, stderr).toBe(0);
      expect(JSON.parse(stderr)).toMatchObject({ textBytes: 30_000, segments: 2 });
      expect((await desk.ok(["open", "--device", "cut.high.tearpad"], { input: stdout })).equals(text)).toBe(true);
      await simulator.stop();
    },
  );

  test("a device that falls silent and one that vanishes are named", async () => {
    const { low } = desk.copyPair("cut", "gone");
    const socket = desk.path("gone.sock");
    const simulator = await desk.simulator([low, "--tcp", "127.0.0.1:0", "--control", socket]);
    await desk.ok(["control", socket, "power-cut"]);
    const refused = await desk.run(["device", "info", simulator.address]);
    expect([refused.status, refused.stderr]).toEqual([10, expect.stringContaining("NO_ANSWER")]);
    await desk.ok(["control", socket, "unplug"]);
    await desk.fails(10, "NO_DEVICE", ["device", "info", simulator.address]);
    await simulator.stop();
    await desk.fails(27, "CONTROL_FAILED", ["control", socket, "status"]);
  });
});
