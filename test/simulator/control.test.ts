/**
 * Orders to a simulator in another process, here around the built core.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { connectControl, createImage, SECTOR, serveControl } from "../../simulator/index.ts";
import { probeMachine, request } from "./probe.ts";
import { ended, start } from "./process.ts";

const directory = mkdtempSync(join(tmpdir(), "tearpad-control-"));
let paths = 0;

afterAll(() => rmSync(directory, { recursive: true }));

async function controlled() {
  const path = join(directory, `${++paths}.sock`);
  const { machine } = await probeMachine();
  machine.powerOn();
  let unplugged = 0;
  const end = await serveControl(machine, path, async () => {
    unplugged++;
  });
  return { machine, path, end, remote: await connectControl(path), unplugged: () => unplugged };
}

describe("an order", () => {
  it("cuts the power at a call and tells when it has gone", async () => {
    const { machine, remote, end } = await controlled();
    const armed = await remote.order({
      do: "cut-at",
      cut: { call: 2, name: "norProgram", when: "during", kind: "power", tear: "whole" },
    });
    expect(armed).toMatchObject({ state: "on", traps: 0, calls: { norProgram: 0 } });
    const off = remote.order({ do: "until", state: "off" });
    machine.feed(request("p", 4096, 1, Uint8Array.of(0)));
    expect(machine.state).toBe("on");
    machine.feed(request("p", 4097, 1, Uint8Array.of(0)));
    expect((await off).state).toBe("off");
    expect((await remote.order({ do: "power-on" })).state).toBe("on");
    remote.close();
    await end();
  });

  it("reaches every switch and fault of the machine", async () => {
    const { machine, remote, end, unplugged } = await controlled();
    await remote.order({ do: "cut-at", cut: { call: 1, when: "before", kind: "power" } });
    await remote.order({ do: "disarm" });
    expect(machine.disarm()).toBe(false);
    await remote.order({ do: "button", presence: "ask", press: "reject" });
    await remote.order({ do: "supply", low: true });
    expect([machine.presence, machine.snapshot().pressed, machine.supplyLow]).toEqual(["ask", "reject", true]);
    await remote.order({ do: "button", press: "accept" });
    expect([machine.presence, machine.snapshot().pressed]).toEqual(["ask", "accept"]);
    await remote.order({
      do: "faults",
      bus: 0xff,
      wornAfter: 9,
      sectors: [[3, "protected"]],
      stuck: [[5, { mask: 1, value: 0 }]],
    });
    expect(machine.flash.faults).toEqual({
      bus: 0xff,
      wornAfter: 9,
      sectors: new Map([[3, "protected"]]),
      stuck: new Map([[5, { mask: 1, value: 0 }]]),
    });
    await remote.order({ do: "faults" });
    expect(machine.flash.faults).toEqual({});
    await remote.order({ do: "flip", address: 0, mask: 1 });
    expect(machine.flash.content(0, 1)[0]).toBe(0xfe);
    expect((await remote.order({ do: "reset" })).state).toBe("on");
    expect((await remote.order({ do: "power-cut" })).state).toBe("off");
    await remote.order({ do: "unplug" });
    expect(unplugged()).toBe(1);
    remote.close();
    await end();
  });

  it("that cannot be carried out, or is none, is answered with a sentence", async () => {
    const { remote, path, end } = await controlled();
    await expect(remote.order({ do: "power-on" })).rejects.toMatchObject({
      code: "CONTROL_FAILED",
      pad: expect.stringContaining("no pad bytes"),
      advice: expect.stringContaining("order status"),
    });
    await expect(remote.order({ do: "dance" } as never)).rejects.toMatchObject({ code: "CONTROL_FAILED" });
    const raw = connect(path);
    raw.write("no json\n");
    const answer = await new Promise((resolve) => raw.once("data", (bytes) => resolve(JSON.parse(String(bytes)))));
    expect(answer).toMatchObject({ id: 0, error: expect.any(String) });
    expect((await remote.order({ do: "status" })).state).toBe("on");
    raw.destroy();
    remote.close();
    await end();
  });
});

describe("the path of the orders", () => {
  it("is the owner's alone, is not taken from a running simulator, and is taken from a dead one", async () => {
    const { machine, path, end, remote } = await controlled();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await expect(serveControl(machine, path, async () => {})).rejects.toMatchObject({ code: "CONTROL_FAILED" });
    remote.close();
    await end();
    await expect(connectControl(path)).rejects.toMatchObject({ code: "CONTROL_FAILED" });
  });

  it("is the owner's alone from its first moment on", async () => {
    const path = join(directory, `${++paths}.sock`);
    const { machine } = await probeMachine();
    const umask = process.umask(0);
    try {
      const serving = serveControl(machine, path, async () => {});
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(process.umask()).toBe(0);
      await (await serving)();
    } finally {
      process.umask(umask);
    }
  });

  it("is left alone when something else than a socket is there", async () => {
    const path = join(directory, `${++paths}.txt`);
    writeFileSync(path, "mine");
    const { machine } = await probeMachine();
    await expect(serveControl(machine, path, async () => {})).rejects.toMatchObject({
      code: "CONTROL_FAILED",
      advice: expect.stringContaining("path"),
    });
    expect(readFileSync(path, "utf8")).toBe("mine");
  });

  it("leads to a device in another process, which loses its power, boots again, and is unplugged", async () => {
    const [image, path] = [join(directory, "device.img"), join(directory, "device.sock")];
    createImage(image, 16 * SECTOR);
    for (let run = 0; run < 2; run++) {
      const { child, said } = start("./simulated-device.ts", [image, path]);
      await said;
      const remote = await connectControl(path);
      expect((await remote.order({ do: "status" })).state).toBe("on");
      await remote.order({ do: "power-cut" });
      await remote.order({ do: "cut-at", cut: { call: 1, name: "norErase", when: "during", kind: "power" } });
      expect((await remote.order({ do: "power-on" })).state).toBe("off");
      expect((await remote.order({ do: "power-on" })).state).toBe("on");
      if (run === 0) {
        const gone = expect(remote.order({ do: "until", state: "dead" })).rejects.toMatchObject({
          code: "CONTROL_FAILED",
          advice: expect.stringContaining("Start it again"),
        });
        child.kill("SIGKILL");
        await gone;
      } else await remote.order({ do: "unplug" }).catch(() => {});
      await ended(child);
      remote.close();
    }
  });
});
