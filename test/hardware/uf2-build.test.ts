// What `npm run firmware` builds: the files that go onto a board, whether they say the truth about themselves, and
// their budgets.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import {
  BOARDS,
  type Firmware,
  FirmwareError,
  firmwareFor,
  LOADER_SIZE,
  loaderCrc,
  translateCore,
} from "../../hardware/toolchain/index.ts";
import { checkUf2 } from "../../host/boot/index.ts";
import { builtCore } from "../../simulator/index.ts";
import { showsBoards } from "./firmware-board.ts";

const BUILD_MS = 120_000;
const FLASH_MAX = 48 * 1024;
const RAM_MAX = 96 * 1024;
const COMMAND = fileURLToPath(new URL("../../hardware/firmware.ts", import.meta.url));

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe.skipIf(!showsBoards("firmware")).each(BOARDS)("the firmware of %s", (board) => {
  let firmware: Firmware;
  let image: Uint8Array;

  beforeAll(() => {
    firmware = firmwareFor(board);
    image = readFileSync(firmware.bin);
  }, BUILD_MS);

  it("T-18 holds the core that everything else runs: the manifest says which, and it is device.wasm as it was built", () => {
    expect(firmware.manifest).toMatchObject({ format: 1, board, family: "0xe48bff56", address: "0x10000000" });
    expect(firmware.manifest.core).toBe(builtCore().sha256);
    expect(firmware.manifest.image).toBe(sha256(image));
  });

  it("comes as a UF2 file that its manifest knows and that holds the image byte for byte", () => {
    const { image: carried, address } = checkUf2(readFileSync(firmware.uf2), firmware.manifest);
    expect(Buffer.compare(carried, image)).toBe(0);
    expect(address).toBe(0x10000000);
  });

  it("begins with a loader that the boot ROM takes", () => {
    const loader = image.subarray(0, LOADER_SIZE);
    expect(loaderCrc(loader.subarray(0, 252))).toBe(new DataView(Uint8Array.from(loader).buffer).getUint32(252, true));
    // The example of the CRC catalogue for CRC-32/MPEG-2, which this one is.
    expect(loaderCrc(Buffer.from("123456789"))).toBe(0x0376e6e7);
  });

  it("keeps its budgets of 48 KiB flash and 96 KiB RAM, and its parts add up", () => {
    const { sizes } = firmware.manifest;
    expect(sizes.flash).toBe(image.length);
    expect(sizes.flash).toBeLessThanOrEqual(FLASH_MAX);
    expect(sizes.ram).toBeLessThanOrEqual(RAM_MAX);
    for (const memory of ["flash", "ram"]) {
      const parts = Object.entries(sizes).filter(([name]) => name.startsWith(`${memory}/`));
      expect(parts.map(([name]) => name)).toEqual(
        expect.arrayContaining(["core", "nor", "usb", "uart"].map((part) => `${memory}/${part}`)),
      );
      expect(parts.reduce((sum, [, bytes]) => sum + bytes, 0)).toBe(sizes[memory]);
      expect(Math.min(...parts.map(([, bytes]) => bytes))).toBeGreaterThan(0);
    }
    // All of the page of memory, and nothing else of its size.
    expect(sizes["ram/core"]).toBeGreaterThan(65_536);
    expect(sizes["ram/core"]).toBeLessThan(65_536 + 12_288);
  });
});

describe("building firmware", () => {
  it("✗ a board that nobody wrote is refused by name", () => {
    expect(() => firmwareFor("pico-9")).toThrow(FirmwareError);
    const run = spawnSync(process.execPath, [COMMAND, "pico-9"], { encoding: "utf8" });
    expect(run.status).toBe(1);
    expect(run.stderr).toContain("There is no board pico-9; there are pico, pico-bare.");
  });

  it("✗ without the compiler it says what to install", () => {
    const run = spawnSync(process.execPath, [COMMAND, "pico"], { encoding: "utf8", env: { PATH: "/nowhere" } });
    expect(run.status).toBe(1);
    expect(run.stderr).toContain("arm-none-eabi-gcc is not installed.");
    expect(run.stderr).toContain("apt-get install gcc-arm-none-eabi");
  });

  it("✗ a module that the changes to the generated C do not fit is refused", () => {
    const directory = mkdtempSync(join(tmpdir(), "tearpad-"));
    try {
      const engine = fileURLToPath(new URL("../../build/engine.wasm", import.meta.url));
      expect(() => translateCore(directory, engine)).toThrow();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("every access of the core to its memory gets the check that fits in 32 bits, and none the other", () => {
    const directory = mkdtempSync(join(tmpdir(), "tearpad-"));
    try {
      const { source, accesses, sha256: core } = translateCore(directory);
      const c = readFileSync(source, "utf8");
      expect(core).toBe(builtCore().sha256);
      expect(accesses).toBeGreaterThan(1000);
      expect(c.match(/_default32\(&instance->w2c_memory, var_\w+, \d+u[,)]/g)).toHaveLength(accesses);
      expect(c).not.toContain("_default32(&instance->w2c_memory, (u64)");
      expect(c.match(/CORE_AT\(addr, sizeof\(t1\)\)/g)).toHaveLength(2);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
