// The driver over real lines: a terminal that another process serves, and TCP.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import {
  type Device,
  type DriverError,
  fillDevice,
  openDevice,
  openTransport,
  sealRun,
  type Transport,
} from "../../host/driver/index.ts";
import { attachTcp, builtCore, Flash, Machine } from "../../simulator/index.ts";
import { inOnePiece, padParameters, scratchDirectory, scratchOutbox } from "./pair.ts";

const endings: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function failure(promise: Promise<unknown>): Promise<DriverError> {
  return promise.then(
    () => expect.fail("it succeeded"),
    (error: DriverError) => error,
  );
}

/** Starts a device on a terminal; the terminal vanishes when it is ended. */
async function deviceOnPty(): Promise<{ address: string; end: () => Promise<void> }> {
  const script = fileURLToPath(new URL("./device-on-pty.ts", import.meta.url));
  const child = spawn(process.execPath, ["--no-warnings", script], { stdio: ["pipe", "pipe", "inherit"] });
  const end = async () => {
    if (child.exitCode !== null) return;
    child.stdin.end();
    await once(child, "exit");
  };
  endings.push(end);
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { address: JSON.parse(line).address, end };
}

async function deviceOnTcp(): Promise<{ address: string; end: () => Promise<void> }> {
  const machine = new Machine({ core: builtCore(), flash: new Flash({ sectors: 38 }) });
  machine.powerOn();
  const line = await attachTcp(machine);
  const end = async () => {
    await line.close();
  };
  endings.push(end);
  return { address: line.address, end };
}

/** A whole errand: fill, seal, ask. */
async function errand(device: Device): Promise<void> {
  const pad = randomBytes(32 * 4096);
  const info = await fillDevice(device, padParameters("low", pad.length, randomBytes(16)), inOnePiece(pad));
  expect(info.state).toBe("active");
  const sealed = await sealRun(device, randomBytes(10_000), await scratchOutbox());
  expect(sealed).toMatchObject({ boxes: 3, segments: 1, bytesSkipped: 0 });
  expect((await device.info()).up.used).toBe(sealed.markAfter);
}

describe("T-21 the same driver", () => {
  it("fills, seals and asks over a terminal", async () => {
    const { address } = await deviceOnPty();
    const device = await openDevice(() => openTransport(address));
    await errand(device);
    await device.close();
    const again = await openDevice(await openTransport(address));
    expect((await again.info()).up.used).toBe(10_096);
    await again.close();
  });

  it("fills, seals and asks over TCP", async () => {
    const { address } = await deviceOnTcp();
    const device = await openDevice(() => openTransport(address));
    await errand(device);
    await device.close();
  });
});

describe("a line that ends", () => {
  it("T-21 is DEVICE_LOST when the terminal vanishes, told once", async () => {
    const { address, end } = await deviceOnPty();
    const transport = await openTransport(address);
    const told: (Error | undefined)[] = [];
    const onClose: Transport["onClose"] = (listener) => {
      transport.onClose((reason) => {
        told.push(reason);
        listener(reason);
      });
    };
    const device = await openDevice({ ...transport, onClose });
    await end();
    expect(await failure(device.info())).toMatchObject({ code: "DEVICE_LOST" });
    expect(device.gone).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(told).toHaveLength(1);
  });

  it("is DEVICE_LOST when the other host closes the connection", async () => {
    const { address, end } = await deviceOnTcp();
    const device = await openDevice(await openTransport(address));
    await end();
    expect(await failure(device.info())).toMatchObject({ code: "DEVICE_LOST" });
    expect(device.gone).toBe(true);
  });

  it("is NO_ANSWER in the middle of the first greeting, with the reason", async () => {
    const server = createServer((socket: Socket) => {
      socket.write(Uint8Array.of(0));
      socket.once("data", () => setTimeout(() => socket.resetAndDestroy(), 50));
    }).listen(0, "127.0.0.1");
    endings.push(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const error = await failure(openDevice(() => openTransport(`tcp://127.0.0.1:${port}`)));
    expect(error).toMatchObject({ code: "NO_ANSWER", cause: { code: "ECONNRESET" } });
  });
});

describe("an address", () => {
  it("that is none is BAD_ADDRESS", async () => {
    for (const address of ["tcp://", "tcp://host", "http://127.0.0.1:80", "tcp://host:port"]) {
      expect(await failure(openTransport(address))).toMatchObject({ code: "BAD_ADDRESS", facts: { address } });
    }
  });

  it("where nothing is, or something else, is NO_DEVICE", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    for (const address of ["/dev/tearpad-is-not-here", "/dev/null", `tcp://127.0.0.1:${port}`, `tcp://[::1]:${port}`]) {
      expect(await failure(openTransport(address))).toMatchObject({ code: "NO_DEVICE", facts: { address } });
    }
  });

  it.runIf(process.platform === "linux" && process.getuid?.() !== 0)(
    "that this user may not open is NO_ACCESS, with the fix",
    async () => {
      const path = join(await scratchDirectory(), "tty");
      await writeFile(path, "");
      await chmod(path, 0);
      const error = await failure(openTransport(path));
      expect(error).toMatchObject({ code: "NO_ACCESS", facts: { address: path } });
      expect(error.message).toMatch(/dialout.*uaccess/);
    },
  );

  it("that another program holds is DEVICE_IN_USE", async () => {
    const { address } = await deviceOnPty();
    const first = await openTransport(address);
    expect(await failure(openTransport(address))).toMatchObject({ code: "DEVICE_IN_USE", facts: { address } });
    await first.close();
    const second = await openTransport(address);
    await second.close();
  });

  it("of TCP that another program holds is DEVICE_IN_USE, too, whenever its refusal arrives", async () => {
    const { address } = await deviceOnTcp();
    const first = await openDevice(await openTransport(address));
    const attempts = Array.from({ length: 20 }, async () => openDevice(() => openTransport(address)));
    for (const attempt of attempts) {
      expect(await failure(attempt)).toMatchObject({ code: "DEVICE_IN_USE", facts: { address } });
    }
    const late = await openTransport(address);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await failure(openDevice(late))).toMatchObject({ code: "DEVICE_IN_USE" });
    expect((await first.info()).state).toBe("blank");
    await first.close();
  });
});
