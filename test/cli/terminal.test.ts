// What commands say, in this process: nothing of a foreign device moves the cursor, no file is echoed, and whoever asks what
// cannot be known is told so.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { PassThrough } from "node:stream";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import type { Io } from "../../cli/command.ts";
import { deviceInfo, deviceList } from "../../cli/device.ts";
import { imageInspect } from "../../cli/image.ts";
import { bootImage } from "../../cli/local.ts";
import { pair } from "../../cli/pair.ts";
import { type Report, reportOf, tell } from "../../cli/report.ts";
import { fillTwins } from "../../cli/twins.ts";
import { vectors } from "../../cli/vectors.ts";
import { openDevice } from "../../host/driver/index.ts";
import { createImage, lineTo } from "../../simulator/index.ts";

const directory = mkdtempSync(join(tmpdir(), "tearpad-terminal-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
afterEach(() => void vi.unstubAllEnvs());
const path = (name: string): string => join(directory, name);

type Run = (args: string[], io: Io) => Promise<number>;

interface Said {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What it failed with, or null. */
  readonly report: Report | null;
}

/** Runs a command to its end, as `tearpad` does. */
async function run(command: Run, ...args: string[]): Promise<Said> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const io = { stdin, stdout, stderr, env: { TEARPAD_HOME: path("home") } } as unknown as Io;
  let report: Report | null = null;
  const exit = await command(args, io).catch((error: unknown) => {
    report = reportOf(error);
    return tell(stderr, error, args.includes("--json"));
  });
  return { exit, stdout: String(stdout.read() ?? ""), stderr: String(stderr.read() ?? ""), report };
}

describe("what comes from elsewhere", () => {
  const evil = "a\n\x1b[31mstate      active\u009b2J\u202e\u2028";

  /** A pair that somebody else made with a program of his own. */
  async function foreignPair(sourceName: string): Promise<string> {
    const names = { low: path("foreign.low"), high: path("foreign.high") };
    const devices = [names.low, names.high].map((name) => {
      createImage(name, 65_536);
      const { machine, close } = bootImage(name);
      return openDevice(lineTo(machine, close));
    });
    const [low, high] = (await Promise.all(devices)) as [Awaited<(typeof devices)[0]>, Awaited<(typeof devices)[0]>];
    const tested = { claimedMinEntropy: 8, samplesTested: 40_960, longestRepetition: 2, highestProportion: 9 };
    const source = {
      origin: { provenance: "physical", sourceName, ...tested } as const,
      noise: null,
      read: async (into: Uint8Array) => into.set(randomBytes(into.length)),
      close: async () => {},
    };
    const shape = { padLength: 40_960, burnUnit: 1 };
    await fillTwins({ low, high }, names, source, shape, () => {}, new Promise(() => {}));
    await Promise.all([low.close(), high.close()]);
    return names.low;
  }

  test("a source's name in a foreign image is shown on its line, with its control characters as numbers", async () => {
    const image = await foreignPair(evil);
    for (const command of [deviceInfo, imageInspect]) {
      const { exit, stdout } = await run(command, image);
      expect(exit).toBe(0);
      expect(stdout).toContain("a\\u{a}\\u{1b}[31mstate      active\\u{9b}2J\\u{202e}\\u{2028}");
      expect(stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      const { stdout: json } = await run(command, image, "--json");
      expect(json.trimEnd()).not.toMatch(/\p{Cc}/u);
      expect(json).toContain(JSON.stringify("a\n\x1b[31mstate      active").slice(1, -1));
    }
  });

  test("a name with such characters is refused, and so is a message that would carry them raw", async () => {
    const args = ["--entropy", path("noise"), "--min-entropy", "8"];
    for (const name of ["a\nb", "\x1b[2J", "\u009b", "\u202e", "\x7f"]) {
      const { exit, report } = await run(pair, path("named"), "--source", name, ...args);
      expect([exit, report?.code]).toEqual([2, "USAGE"]);
      expect(report?.message).toContain("control characters");
    }
    const { stderr } = await run(imageInspect, path("not\x1b[31m there"));
    expect(stderr).toContain("not\\u{1b}[31m there");
  });
});

describe("a computer that cannot say which ports it has", () => {
  test.runIf(process.platform === "linux")("says that, and not that it asked none", async () => {
    vi.stubEnv("PATH", "/nowhere");
    const { exit, stdout, stderr } = await run(deviceList);
    expect([exit, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/PORTS_UNKNOWN.*cannot be listed.*udevadm/);
    expect(stderr).toMatch(/what next: .*address/);
    const json = await run(deviceList, "--json");
    expect(json.exit).toBe(1);
    expect(JSON.parse(json.stdout)).toEqual({ devices: [], portsAsked: null });
  });
});

describe("an address with something else behind it", () => {
  test("is named, and no pad byte is said to be in doubt", async () => {
    const server = createServer((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = `tcp://127.0.0.1:${(server.address() as { port: number }).port}`;
    const { exit, report } = await run(deviceInfo, address);
    server.close();
    expect(exit).toBe(10);
    expect(report).toMatchObject({ code: "NO_ANSWER", facts: { heard: true }, pad: "No pad bytes were used." });
    expect(report?.message).toContain(address);
  });
});

describe("files of something else", () => {
  const secret = "meet me at the old mill";
  const bundle = Buffer.concat([Buffer.from([1, 4, 16, 0]), randomBytes(5000)]);

  test.each([
    ["a text", Buffer.from(secret)],
    ["a bundle", bundle],
    ["a bundle in whole sectors", Buffer.concat([bundle, randomBytes(10 * 4096 - bundle.length)])],
    ["nothing", Buffer.alloc(0)],
  ])("%s is no image that was cut short", async (name, content) => {
    writeFileSync(path(name), content);
    const { exit, report } = await run(imageInspect, path(name));
    expect([exit, report?.code]).toEqual([15, "NOT_AN_IMAGE"]);
    expect(report?.advice).toContain("tearpad open");
    expect(report?.advice).not.toContain("lost");
  });

  test.runIf(process.platform !== "win32")("/dev/null is none either", async () => {
    expect((await run(imageInspect, "/dev/null")).report?.code).toBe("NOT_AN_IMAGE");
  });

  test.each([
    ["a text", secret],
    ["a text that begins like JSON", `{"name": "x", ${secret}`],
    ["JSON that is no vector", JSON.stringify({ [secret]: secret })],
    ["JSON of another kind", JSON.stringify({ name: secret, kind: secret })],
  ])("of %s `vectors` says where it goes wrong, and nothing of what it holds", async (_, content) => {
    writeFileSync(path("other.json"), content);
    const { exit, stdout } = await run(vectors, path("other.json"));
    expect(exit).toBe(1);
    for (const word of ["meet", "old", "mill"]) expect(stdout.replaceAll(directory, "")).not.toContain(word);
    if (content.endsWith(`, ${secret}`)) expect(stdout).toMatch(/no JSON at position \d+/);
  });
});

describe("a pair", () => {
  test("that takes noise nobody vouches for says that it took it", async () => {
    writeFileSync(path("noise"), randomBytes(2 * 40_960));
    const { stdout } = await run(pair, path("quiet"), "--size", "64K", "--entropy", path("noise"));
    expect(stdout).toContain(`40,960 bytes of ${path("noise")}`);
    expect(stdout).toMatch(/stream pad/);
    const json = await run(pair, path("told"), "--size", "64K", "--entropy", path("noise"), "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({
      streamPad: true,
      noise: { source: path("noise"), bytes: 40_960, recorded: true },
    });
  });

  test("that cannot be made, for want of a directory, speaks of no device that recovers", async () => {
    const { exit, report } = await run(pair, path("missing/two"), "--size", "64K");
    expect(exit).toBe(13);
    expect(report).toMatchObject({ code: "IMAGE_IO", pad: "No device was made, and no pad bytes were used." });
    expect(report?.advice).toBe("Check the path.");
    expect(readdirSync(directory).filter((name) => name.startsWith("missing"))).toEqual([]);
  });
});
