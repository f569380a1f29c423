/**
 * The image: a chip in a file, for one process at a time, never behind what has left the device.
 */
import { once } from "node:events";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, describe, expect, it } from "vitest";
import {
  type Cells,
  createImage,
  Flash,
  type Image,
  openImage,
  SECTOR,
  SimulatorError,
} from "../../simulator/index.ts";
import { probeMachine, request } from "./probe.ts";
import { ended, start } from "./process.ts";

const directory = mkdtempSync(join(tmpdir(), "tearpad-image-"));
let images = 0;

afterAll(() => rmSync(directory, { recursive: true }));

function newPath(): string {
  return join(directory, `${++images}.img`);
}

function newImage(sectors = 9): Image {
  const path = newPath();
  createImage(path, sectors * SECTOR);
  return openImage(path);
}

function errorOf(work: () => unknown): SimulatorError | null {
  try {
    work();
  } catch (error) {
    if (error instanceof SimulatorError) return error;
    throw error;
  }
  return null;
}

function codeOf(work: () => unknown): string {
  return errorOf(work)?.code ?? "none";
}

function locks(): string[] {
  return readdirSync(directory).filter((name) => name.includes(".lock-"));
}

describe("a new image", () => {
  it("is blank and exactly as large as its chip, and only its owner reads it", () => {
    const path = newPath();
    createImage(path, 100 * SECTOR);
    expect(readFileSync(path).equals(Buffer.alloc(100 * SECTOR, 0xff))).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("never replaces a file", () => {
    const path = newPath();
    writeFileSync(path, "mine");
    expect(codeOf(() => createImage(path, 9 * SECTOR))).toBe("IMAGE_EXISTS");
    expect(readFileSync(path, "utf8")).toBe("mine");
  });

  it("that the disk has no room for is DISK_FULL and leaves no file behind", async () => {
    const path = newPath();
    const maker = start("./image-maker.ts", [path, 1024 * SECTOR], "ulimit -f 1024;");
    expect(await maker.said).toMatchObject({ code: "DISK_FULL", advice: expect.stringContaining("room") });
    expect(existsSync(path)).toBe(false);
  });

  it("has the size of a chip", () => {
    for (const size of [0, 6 * SECTOR, 9 * SECTOR + 1, 2 ** 32 + SECTOR]) {
      expect(codeOf(() => createImage(newPath(), size))).toBe("IMAGE_SIZE");
    }
  });
});

describe("opening an image", () => {
  it("that is not there is IMAGE_MISSING, of another size IMAGE_SIZE", () => {
    expect(codeOf(() => openImage(newPath()))).toBe("IMAGE_MISSING");
    const path = newPath();
    createImage(path, 9 * SECTOR);
    truncateSync(path, 9 * SECTOR - 1);
    expect(codeOf(() => openImage(path))).toBe("IMAGE_SIZE");
    expect(codeOf(() => openImage(directory))).toBe("IMAGE_IO");
    expect(locks()).toEqual([]);
  });

  it.skipIf(process.platform !== "linux")(
    "that may not be written says which rights are needed, and all say what it means for the pad",
    () => {
      const forbidden = errorOf(() => createImage("/sys/chip.img", 9 * SECTOR));
      expect(forbidden).toMatchObject({ code: "IMAGE_IO", pad: expect.stringContaining("No device was made") });
      expect(forbidden?.advice).toMatch(/right to .*\/sys/);
      expect(errorOf(() => openImage(directory))?.advice).toContain("path");
      expect(errorOf(() => openImage(newPath()))?.pad).toBe("No pad bytes were used.");
    },
  );

  it("in a second process is IMAGE_BUSY and names the first; after its end it opens", async () => {
    const path = newPath();
    createImage(path, 9 * SECTOR);
    const first = start("./image-holder.ts", [path]);
    expect(await first.said).toEqual({ open: true });
    const second = start("./image-holder.ts", [path]);
    expect(await second.said).toEqual({ code: "IMAGE_BUSY", pid: first.child.pid });
    expect(codeOf(() => openImage(path))).toBe("IMAGE_BUSY");
    first.child.stdin!.end();
    await ended(first.child);
    openImage(path).close();
  });

  it("twice in one process is IMAGE_BUSY too, by a symbolic link to it as well", () => {
    const image = newImage();
    const link = newPath();
    symlinkSync(image.path, link);
    expect(errorOf(() => openImage(image.path))?.advice).toMatch(/^Wait/);
    expect(codeOf(() => openImage(link))).toBe("IMAGE_BUSY");
    image.close();
    openImage(image.path).close();
  });

  it("takes the lock of a process that was killed", async () => {
    const path = newPath();
    createImage(path, 9 * SECTOR);
    const first = start("./image-holder.ts", [path]);
    await first.said;
    first.child.kill("SIGKILL");
    await ended(first.child);
    expect(locks()).toHaveLength(1);
    openImage(path).close();
    expect(locks()).toEqual([]);
  });

  it("that has a second name is IMAGE_LINKED, in whatever directory, until the name is gone", async () => {
    for (const other of [newPath(), join(mkdtempSync(join(directory, "other-")), "chip.img")]) {
      const path = newPath();
      createImage(path, 9 * SECTOR);
      const first = start("./image-holder.ts", [path]);
      await first.said;
      linkSync(path, other);
      for (const name of [path, other]) {
        expect(await start("./image-holder.ts", [name]).said).toMatchObject({ code: "IMAGE_LINKED" });
      }
      unlinkSync(other);
      expect(await start("./image-holder.ts", [path]).said).toEqual({ code: "IMAGE_BUSY", pid: first.child.pid });
      first.child.stdin!.end();
      await ended(first.child);
      openImage(path).close();
    }
    expect(locks()).toEqual([]);
  });

  it("that was renamed while a process has it open is IMAGE_BUSY; after a kill it opens", async () => {
    const [path, renamed] = [newPath(), newPath()];
    createImage(path, 9 * SECTOR);
    const first = start("./image-holder.ts", [path]);
    await first.said;
    renameSync(path, renamed);
    expect(await start("./image-holder.ts", [renamed]).said).toEqual({ code: "IMAGE_BUSY", pid: first.child.pid });
    first.child.kill("SIGKILL");
    await ended(first.child);
    openImage(renamed).close();
    expect(locks()).toEqual([]);
  });

  it("respects the lock of another computer, which it cannot look into", () => {
    const path = newPath();
    createImage(path, 9 * SECTOR);
    const lock = `${path}.lock-1-1-1-00000000-00000000-1`;
    writeFileSync(lock, "");
    expect(codeOf(() => openImage(path))).toBe("IMAGE_BUSY");
    unlinkSync(lock);
  });

  it.skipIf(process.platform !== "linux")(
    "respects a process of another host that is a clone of this one",
    async () => {
      const path = newPath();
      createImage(path, 9 * SECTOR);
      const preload = fileURLToPath(new URL("./other-host.ts", import.meta.url));
      const other = start("./image-holder.ts", [path], `NODE_OPTIONS='--import=${preload}'`);
      expect(await other.said).toEqual({ open: true });
      expect(codeOf(() => openImage(path))).toBe("IMAGE_BUSY");
      other.child.stdin!.end();
      await ended(other.child);
      openImage(path).close();
    },
  );

  it("closes although someone has removed its lock", () => {
    const image = newImage();
    for (const name of locks()) unlinkSync(join(directory, name));
    image.close();
  });

  it("by processes that race for it is given to one at a time, and to each at some time", async () => {
    const path = newPath();
    createImage(path, 9 * SECTOR);
    const racers = Array.from({ length: 3 }, () => start("./image-racer.ts", [path, 100]));
    await Promise.all(racers.map(({ said }) => said));
    const told = racers.map(({ child }) => once(child.stdout!, "data"));
    for (const { child } of racers) child.stdin!.end("!");
    for (const said of await Promise.all(told)) expect(JSON.parse(String(said))).toEqual({ together: 0 });
  });
});

describe("a device on an image", () => {
  it("writes every program and erase through and finds them again", async () => {
    const image = newImage();
    const { machine } = await probeMachine({ cells: image });
    machine.powerOn();
    machine.feed(request("p", 4096, 3, Uint8Array.of(1, 2, 3)));
    machine.feed(request("p", 8192, 1, Uint8Array.of(7)));
    machine.feed(request("e", 8192, SECTOR));
    expect([...readFileSync(image.path).subarray(4096, 4100)]).toEqual([1, 2, 3, 0xff]);
    expect(readFileSync(image.path)[8192]).toBe(0xff);
    image.close();
    const again = openImage(image.path);
    const next = await probeMachine({ cells: again });
    next.machine.powerOn();
    next.machine.feed(request("r", 4096, 4));
    expect(next.sent).toEqual([Uint8Array.of(1, 2, 3, 0xff)]);
    again.close();
  });

  it("syncs what was written before a byte leaves, and only then", async () => {
    const image = newImage();
    const order: string[] = [];
    const recording: Cells = {
      size: image.size,
      read: (address, into) => image.read(address, into),
      write: (address, bytes) => {
        order.push("write");
        image.write(address, bytes);
      },
      sync: () => {
        order.push("sync");
        image.sync();
      },
    };
    const { machine } = await probeMachine({ cells: recording });
    machine.onTransmit = () => order.push("transmit");
    machine.powerOn();
    machine.feed(request("p", 4096, 1, Uint8Array.of(0)));
    machine.feed(request("w", 2));
    machine.runUntilIdle();
    machine.feed(request("s"));
    expect(order).toEqual(["write", "sync", "transmit", "write", "write", "sync", "transmit"]);
    image.close();
  });

  it("lets nothing out once its image is not where it was, or was used by someone else", async () => {
    const away = join(directory, "away");
    mkdirSync(away);
    const image = newImage();
    const { machine, sent } = await probeMachine({ cells: image });
    machine.powerOn();
    machine.feed(request("p", 4096, 1, Uint8Array.of(0)));
    machine.feed(request("s"));
    const before = sent.length;
    const moved = join(away, "chip.img");
    renameSync(image.path, moved);
    const content = readFileSync(moved);
    const used = errorOf(() => {
      machine.feed(request("p", 4097, 1, Uint8Array.of(0)));
      machine.feed(request("s"));
    });
    expect(used).toMatchObject({ code: "IMAGE_CHANGED", pad: expect.stringContaining("Nothing left") });
    expect(errorOf(() => image.sync())?.code).toBe("IMAGE_CHANGED");
    expect(sent).toHaveLength(before);
    expect(readFileSync(moved).equals(content)).toBe(true);

    const second = openImage(moved);
    second.write(8192, Uint8Array.of(0));
    second.close();
    renameSync(moved, image.path);
    image.sync();
    expect(codeOf(() => image.write(8192, Uint8Array.of(1)))).toBe("IMAGE_CHANGED");
    expect(readFileSync(image.path)[8192]).toBe(0);
    image.close();
  });

  it("stops when its image was replaced by another file of the same name", () => {
    const [image, other] = [newImage(), newImage()];
    other.close();
    image.write(4096, Uint8Array.of(0));
    renameSync(other.path, image.path);
    expect(codeOf(() => image.sync())).toBe("IMAGE_CHANGED");
    image.close();
  });

  it("keeps one reading of what a cut left unstable", async () => {
    const image = newImage();
    const { machine } = await probeMachine({ cells: image, seed: 3 });
    machine.powerOn();
    machine.cutAt({ call: 1, when: "during", kind: "power", tear: "unstable" });
    machine.feed(request("p", 4096, 64, new Uint8Array(64)));
    image.close();
    const bytes = readFileSync(image.path).subarray(4096, 4160);
    expect(bytes.equals(Buffer.alloc(64, 0xff))).toBe(false);
    expect(bytes.equals(Buffer.alloc(64, 0x00))).toBe(false);
  });

  it("has the memory of a part of it only, and counts erases all the same", () => {
    const sectors = 3000;
    const image = newImage(sectors);
    const flash = new Flash({ cells: image });
    const byte = new Uint8Array(1);
    for (let round = 0; round < 2; round++) {
      for (let sector = 0; sector < sectors; sector++) {
        flash.erase(sector * SECTOR, SECTOR);
        flash.finish();
        flash.program(sector * SECTOR, Uint8Array.of(sector & 0xff), 0, 1);
        flash.finish();
      }
    }
    for (let sector = 0; sector < sectors; sector++) {
      flash.read(sector * SECTOR, byte, 0, 1);
      expect([byte[0], flash.erases(sector)]).toEqual([sector & 0xff, 2]);
    }
    expect(() => flash.snapshot()).toThrow();
    image.close();
  });

  it("needs a few bytes for each sector that it has erased, not an object", () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const sectors = 2 ** 19;
    const cells: Cells = { size: sectors * SECTOR, read: () => {}, write: () => {}, sync: () => {} };
    const flash = new Flash({ cells });
    const byte = new Uint8Array(1);
    for (let sector = 0; sector < 2048; sector++) flash.read(sector * SECTOR, byte, 0, 1);
    const used = (): number => {
      collect();
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const before = used();
    for (let sector = 0; sector < sectors; sector++) {
      flash.erase(sector * SECTOR, SECTOR);
      flash.finish();
    }
    expect(used() - before).toBeLessThan(4 * 2 ** 20);
    expect(flash.erases(5)).toBe(1);
  });
});
