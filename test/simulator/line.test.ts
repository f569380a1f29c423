/**
 * The cables: a pseudoterminal that real serial software opens, and a TCP port.
 */
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { attachPty, attachTcp, Panic, SimulatorError, TRACE_WARNING, traceTo } from "../../simulator/index.ts";
import { probeMachine, request } from "./probe.ts";
import { ended, start } from "./process.ts";

const directory = mkdtempSync(join(tmpdir(), "tearpad-line-"));

afterAll(() => rmSync(directory, { recursive: true }));

async function echoMachine() {
  const { machine } = await probeMachine();
  machine.powerOn();
  machine.feed(request("E"));
  return machine;
}

function client(address: string): Promise<Socket> {
  const socket = connect(Number(new URL(address).port), "127.0.0.1");
  return new Promise((resolve, reject) => {
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** The next bytes; null when the other side ends the connection. */
function next(socket: Socket): Promise<Buffer | null> {
  return new Promise((resolve) => {
    socket.once("data", resolve);
    socket.once("close", () => resolve(null));
  });
}

describe("a device on a pseudoterminal", () => {
  it("echoes 64 KiB to a serial port in another process, twice", async () => {
    const line = await attachPty(await echoMachine());
    expect(line.address).toMatch(/^\/dev\//);
    for (let round = 0; round < 2; round++) {
      const { child, said } = start("./serial-host.ts", [line.address, 65536]);
      expect(await said).toEqual({ length: 65536, equal: true });
      await ended(child);
    }
    await line.close();
  });

  it("is raw from the start: a host that sets nothing gets every byte unchanged and no echo", async () => {
    const { machine } = await probeMachine();
    const got: number[] = [];
    machine.powerOn();
    machine.onBytes = (to, bytes) => to === "device" && got.push(...bytes);
    const line = await attachPty(machine);
    writeFileSync(line.address, Uint8Array.of(3, 4, 10, 13, 17, 19, 26, 28, 255, 0));
    while (got.length < 10) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(got).toEqual([3, 4, 10, 13, 17, 19, 26, 28, 255, 0]);
    await line.close();
  });

  it("has a link where one was asked for, which goes with it and replaces only a link", async () => {
    const link = join(directory, "tty");
    const machine = await echoMachine();
    const first = await attachPty(machine, { link });
    expect(first.address).toBe(link);
    expect(readlinkSync(link)).toMatch(/^\/dev\//);
    const second = await attachPty(machine, { link });
    await first.close();
    expect(existsSync(link)).toBe(true);
    await second.close();
    expect(existsSync(link)).toBe(false);
    writeFileSync(link, "mine");
    await expect(attachPty(machine, { link })).rejects.toThrow(SimulatorError);
    expect(readFileSync(link, "utf8")).toBe("mine");
  });

  it("stays while the machine's power goes and comes", async () => {
    const machine = await echoMachine();
    const line = await attachPty(machine);
    machine.powerCut();
    expect(existsSync(line.address)).toBe(true);
    machine.powerOn();
    machine.feed(request("E"));
    const { said } = start("./serial-host.ts", [line.address, 1000]);
    expect(await said).toEqual({ length: 1000, equal: true });
    await line.close();
  });
});

describe("a device behind a TCP port", () => {
  it("takes one client at a time; a second is refused at once, a later one is taken", async () => {
    const log: string[] = [];
    const line = await attachTcp(await echoMachine(), { log: (sentence) => log.push(sentence) });
    expect(line.address).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
    const first = await client(line.address);
    first.write("one");
    expect(String(await next(first))).toBe("one");
    const second = await client(line.address);
    expect(await next(second)).toBe(null);
    expect(log.some((sentence) => sentence.includes("refused"))).toBe(true);
    first.destroy();
    while (!log.some((sentence) => sentence.includes("has gone")))
      await new Promise((resolve) => setTimeout(resolve, 5));
    const third = await client(line.address);
    third.write("three");
    expect(String(await next(third))).toBe("three");
    await line.close();
  });

  it("says LINE_FAILED when the port is taken", async () => {
    const line = await attachTcp(await echoMachine());
    const port = Number(new URL(line.address).port);
    await expect(attachTcp(await echoMachine(), { port })).rejects.toMatchObject({ code: "LINE_FAILED" });
    await line.close();
  });

  it("answers between steps of background work, which goes on by itself", async () => {
    const { machine } = await probeMachine();
    machine.powerOn();
    const line = await attachTcp(machine);
    const host = await client(line.address);
    host.write(request("w", 200_000));
    while (machine.flash.erases(1) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    host.write(request("s"));
    await next(host);
    expect(machine.flash.erases(1)).toBeLessThan(200_000);
    while (machine.flash.erases(1) < 200_000) await new Promise((resolve) => setTimeout(resolve, 5));
    await line.close();
  });

  it("keeps the connection through a power cut and loses what was sent meanwhile", async () => {
    const machine = await echoMachine();
    const line = await attachTcp(machine);
    const host = await client(line.address);
    machine.powerCut();
    host.write("lost");
    // It is at the other end of the cable at once, where whoever has a turn reads it.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    machine.powerOn();
    machine.feed(request("E"));
    host.write("kept");
    expect(String(await next(host))).toBe("kept");
    await line.close();
  });

  it("loses with the power what the cable has not taken yet", async () => {
    const machine = await echoMachine();
    const line = await attachTcp(machine);
    const host = await client(line.address);
    host.write("hello");
    await next(host);
    let got = 0;
    host.on("data", (bytes) => {
      got += bytes.length;
    });
    machine.feed(new Uint8Array(51200));
    machine.powerCut();
    machine.powerOn();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(got).toBeLessThanOrEqual(512);
    await line.close();
  });

  it("hangs up and says why when the core does what no core may do", async () => {
    const { machine } = await probeMachine();
    machine.powerOn();
    const line = await attachTcp(machine);
    const host = await client(line.address);
    host.write(request("?"));
    await expect(line.closed).rejects.toThrow(Panic);
    expect(await next(host)).toBe(null);
  });
});

describe("a trace", () => {
  it("holds every byte of both directions in order, and a warning", async () => {
    const { machine } = await probeMachine();
    const path = join(directory, "trace.jsonl");
    machine.powerOn();
    const end = traceTo(machine, path);
    machine.feed(request("s"));
    machine.clock.pass(1000);
    machine.feed(request("c"));
    end();
    machine.feed(request("c"));
    const [head, ...lines] = readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(head).toMatchObject({ trace: "tearpad", version: 1, warning: TRACE_WARNING });
    expect(lines.map(({ to, bytes }) => [to, Buffer.from(bytes, "base64").toString("hex")])).toEqual([
      ["device", Buffer.from(request("s")).toString("hex")],
      ["host", "01000000"],
      ["device", Buffer.from(request("c")).toString("hex")],
      ["host", "01000000"],
    ]);
    expect(lines[2].us - lines[1].us).toBeGreaterThanOrEqual(1000);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});
