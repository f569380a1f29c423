// `tearpad device selftest` and `tearpad device flash` as an owner has them: reports, refusals, and what each exits with.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digest, encodeUf2, type Manifest, RP2040_FAMILY } from "../../host/boot/index.ts";
import { openDevice, openTransport } from "../../host/driver/index.ts";
import { createImage } from "../../simulator/index.ts";
import { Desk, type Simulator } from "./shell.ts";

const desk = new Desk();
let board: Simulator;
let version: string;

const ADDRESS = 0x1000_0000;
const IMAGE = Uint8Array.from({ length: 60 * 256 }, (_, i) => (i * 11 + (i >> 8)) & 0xff);
const FILE = encodeUf2(IMAGE, { address: ADDRESS, family: RP2040_FAMILY });

beforeAll(async () => {
  createImage(desk.path("blank.tearpad"), 65_536);
  board = await desk.simulator(["board.chip", "--create", "64K", "--tcp", "127.0.0.1:0"]);
  const device = await openDevice(await openTransport(board.address));
  version = (await device.hello()).firmware;
  await device.close();
  firmware("good");
});

afterAll(() => board.stop());

/** A folder with an image and its manifest, as a build leaves them; for the simulator, which answers in place of a board. */
function firmware(name: string, change: Partial<Manifest> = {}, file: Uint8Array = FILE): void {
  const manifest: Manifest = {
    ...{ format: 1, board: "simulator", version, family: "0xe48bff56", address: "0x10000000" },
    ...{ core: digest(Uint8Array.of(1)), image: digest(IMAGE), uf2: digest(FILE), sizes: { core: 15_360 } },
    ...change,
  };
  mkdirSync(desk.path(name));
  writeFileSync(desk.path(name, "tearpad-pico.uf2"), file);
  writeFileSync(desk.path(name, "manifest.json"), JSON.stringify(manifest));
}

/** A board in boot mode: a folder that looks like its drive, and is none any more as soon as it has every block. */
function bootMode(name: string, id = "RPI-RP2"): string {
  mkdirSync(desk.path(name));
  writeFileSync(desk.path(name, "INFO_UF2.TXT"), `UF2 Bootloader v2.0\nModel: Raspberry Pi RP2\nBoard-ID: ${id}\n`);
  void (async () => {
    for (; desk.exists(name); await sleep(5)) {
      if (!desk.exists(join(name, "TEARPAD.UF2")) || desk.read(join(name, "TEARPAD.UF2")).length < FILE.length)
        continue;
      rmSync(desk.path(name, "INFO_UF2.TXT"), { force: true });
      return;
    }
  })();
  return name;
}

const written = (drive: string): Buffer => readFileSync(desk.path(drive, "TEARPAD.UF2"));
const untouched = (drive: string): void => expect(desk.exists(join(drive, "TEARPAD.UF2"))).toBe(false);
/** Once the board has restarted, seconds pass a hundred times as fast. */
const hasteAfter = (drive: string): string => `
  import { existsSync } from "node:fs";
  const now = performance.now.bind(performance);
  let gone = null;
  performance.now = () => {
    if (!existsSync(${JSON.stringify(desk.path(drive, "INFO_UF2.TXT"))})) gone ??= now();
    return gone === null ? now() : gone + 100 * (now() - gone);
  };`;

describe("tearpad device selftest", () => {
  test("reports what was found in lines that can be sent as they are", async () => {
    const { status, stdout, stderr } = await desk.run(["device", "selftest", "blank.tearpad"]);
    expect(status).toBe(0);
    expect(stderr).toMatch(/^Press the button of the device within 10 seconds/);
    const lines = stdout.toString().trimEnd().split("\n");
    expect(lines.map((text) => text.split(/ +/, 1)[0])).toEqual([
      ...[
        "device",
        "core",
        "starts",
        "chip",
        "supply",
        "erase",
        "program",
        "zero",
        "re-erase",
        "button",
        "line",
        "verdict",
      ],
    ]);
    expect(lines[0]).toMatch(/blank\.tearpad, image file, simulated here$/);
    expect(lines.at(-1)).toMatch(/good: it can be given a pad$/);
  });

  test("says the same for a program, over a line", async () => {
    const { status, stdout, stderr } = await desk.run(["device", "selftest", board.address, "--skip-button", "--json"]);
    expect([status, stderr]).toEqual([0, ""]);
    const report = JSON.parse(stdout.toString()) as { trials: { name: string; verdict: string }[] };
    expect(report).toMatchObject({
      address: board.address,
      transport: "TCP",
      core: version,
      body: "simulator",
      verdict: "good",
    });
    expect(report.trials.find(({ name }) => name === "button")?.verdict).toBe("untried");
  });

  test("exits with 11 when something is bad, and names it in the verdict", async () => {
    createImage(desk.path("noise.tearpad"), 65_536);
    const chip = desk.read("noise.tearpad");
    chip[50_000] = 0;
    writeFileSync(desk.path("noise.tearpad"), chip);
    const { status, stdout } = await desk.run(["device", "selftest", "noise.tearpad"]);
    expect(status).toBe(11);
    expect(stdout.toString()).toMatch(/^core +bad +faulty: its section "journal"/m);
    expect(stdout.toString()).toMatch(/what next: Erase the whole chip/);
    expect(stdout.toString()).toMatch(/^verdict +bad: core$/m);
  });

  test("refuses a device with a pad and destroys nothing on it", async () => {
    await desk.ok(["pair", "two", "--size", "64K"]);
    const before = await desk.info("two.low.tearpad");
    const refused = await desk.fails(10, "NOT_BLANK", ["device", "selftest", "two.low.tearpad"]);
    expect(refused).toMatchObject({
      facts: { state: "active" },
      pad: expect.stringContaining("no pad bytes were used"),
    });
    const { up, down, nextSlot, padId } = before;
    expect(await desk.info("two.low.tearpad")).toMatchObject({ state: "active", up, down, nextSlot, padId });
  });
});

describe("tearpad device flash", () => {
  const flash = (folder: string, drive: string, ...more: string[]): string[] => {
    return ["device", "flash", `${folder}/tearpad-pico.uf2`, "--drive", drive, ...more];
  };

  test("writes the image, and says what was verified: the file, and the core that answers then", async () => {
    const drive = bootMode("drive");
    const stdout = (await desk.ok(flash("good", drive, "--device", board.address))).toString();
    expect(new Uint8Array(written(drive))).toEqual(FILE);
    expect(stdout).toMatch(/^written +30,720 bytes to drive, synced; the board has restarted$/m);
    expect(stdout).toMatch(/^checked +.*the drive gives nothing back/m);
    expect(stdout).toContain("picotool verify good/tearpad-pico.uf2");
    expect(stdout).toContain(`${board.address} answers as simulator ${version}, as the image would`);
  });

  test("says the same for a program, and what could not be verified where no device shows up", async () => {
    const drive = bootMode("unwatched");
    // Without udev nobody says which ports there are, and which is new.
    const { stdout } = await desk.run([...flash("good", drive), "--json"], { env: { PATH: "/nowhere" } });
    expect(JSON.parse(stdout.toString())).toMatchObject({
      ...{ board: "simulator", version, drive, bytes: FILE.length, restarted: true, device: null, state: null },
      verified: { file: true, onBoard: false, board: null, core: null },
    });
  });

  test("refuses what is not the image that was built, and writes nothing of it", async () => {
    const drive = bootMode("refusing");
    const changed = FILE.slice();
    changed[100]! ^= 1;
    firmware("changed", {}, changed);
    firmware("short", {}, FILE.subarray(0, FILE.length - 512));
    const other = encodeUf2(IMAGE, { address: ADDRESS, family: 0xe48bff59 });
    firmware("other", { uf2: digest(other) }, other);
    firmware("unsaid");
    rmSync(desk.path("unsaid", "manifest.json"));
    await desk.fails(15, "WRONG_DIGEST", flash("changed", drive));
    await desk.fails(15, "UF2_TRUNCATED", flash("short", drive));
    await desk.fails(15, "UF2_FAMILY", flash("other", drive));
    await desk.fails(15, "MANIFEST_MISSING", flash("unsaid", drive));
    await desk.fails(2, "NO_FILE", flash("nowhere", drive));
    untouched(drive);
  });

  const built = (name: string): URL => new URL(`../../build/firmware/${name}/tearpad-${name}.uf2`, import.meta.url);

  test("without an image takes the one that was built for the board that is named, and says how to build it", async () => {
    mkdirSync(desk.path("no-drive"));
    for (const name of ["pico", "pico-bare"]) {
      const [exit, code] = existsSync(built(name)) ? ([10, "NOT_A_DRIVE"] as const) : ([2, "NO_FIRMWARE"] as const);
      const failure = await desk.fails(exit, code, ["device", "flash", "--board", name, "--drive", "no-drive"]);
      expect(failure.advice).toMatch(code === "NOT_A_DRIVE" ? /BOOTSEL/ : /npm run firmware/);
      if (code === "NO_FIRMWARE") expect(failure.facts.path).toContain(`/${name}/tearpad-${name}.uf2`);
    }
  });

  test("takes no board for granted: one has to be said, one of those that there are, and that of the image", async () => {
    const drive = bootMode("unsaid-board");
    const unsaid = await desk.fails(2, "USAGE", ["device", "flash", "--drive", drive]);
    expect(unsaid.message).toMatch(/--board pico .* or --board pico-bare/);
    await desk.fails(2, "USAGE", ["device", "flash", "--board", "pico2", "--drive", drive]);
    // Whoever is at a terminal is asked; what is there then, a build or none, shows that the answer was taken.
    const preload = "process.stdin.isTTY = process.stderr.isTTY = true;";
    for (const [input, status] of [
      ["pico-bare\n", existsSync(built("pico-bare")) ? 10 : 2],
      ["the green one\n", 2],
    ] as const) {
      const asked = await desk.run(["device", "flash", "--drive", "stick"], { preload, input });
      expect(asked.stderr).toMatch(/Which board is it\?\n +pico +a Pico with a chip/);
      expect(asked.status).toBe(status);
      expect(asked.stderr.includes("Which board? Give")).toBe(input !== "pico-bare\n");
    }
    firmware("bare", { board: "pico-bare" });
    const other = await desk.fails(15, "OTHER_IMAGE", flash("bare", drive, "--board", "pico"));
    expect(other.facts).toMatchObject({ expected: "pico", found: "pico-bare" });
    untouched(drive);
  });

  test("refuses a place that is no board's, and a board of another kind", async () => {
    mkdirSync(desk.path("stick"));
    await desk.fails(10, "NOT_A_DRIVE", flash("good", "stick"));
    const refused = await desk.fails(10, "OTHER_BOARD", flash("good", bootMode("other-board", "RP2350")));
    expect(refused.facts).toMatchObject({ board: "RP2350" });
    untouched("other-board");
  });

  /** The drive goes during the sync behind so many others. */
  const unplugged = (drive: string, syncs: number): string => `
    import { rmSync } from "node:fs";
    import { open } from "node:fs/promises";
    const handle = await open("/dev/null");
    const prototype = Object.getPrototypeOf(handle);
    await handle.close();
    let left = ${syncs};
    prototype.datasync = async () => {
      if (left-- !== 0) return;
      rmSync(${JSON.stringify(desk.path(drive, "INFO_UF2.TXT"))}, { force: true });
      throw Object.assign(new Error("the device is gone"), { code: "EIO" });
    };`;

  test("says how far it came when the board is unplugged, and how to recover", async () => {
    const preload = unplugged("unplugged", 2);
    const lost = await desk.fails(9, "DRIVE_LOST", flash("good", bootMode("unplugged")), { preload });
    expect(lost.facts).toMatchObject({ written: 16_384, needed: FILE.length });
    expect(lost).toMatchObject({ cause: "the device is gone", advice: expect.stringContaining("BOOTSEL") });
  });

  test("takes a drive that goes with the last piece for a restart only when the device answers", async () => {
    const last = Math.floor(FILE.length / 8192);
    const unsure = await desk.fails(9, "RESTART_UNKNOWN", flash("good", bootMode("last")), {
      preload: unplugged("last", last),
      env: { PATH: "/nowhere" },
    });
    expect(unsure).toMatchObject({ message: expect.stringContaining("not known"), facts: { bytes: FILE.length } });
    const answering = flash("good", bootMode("last-answered"), "--device", board.address, "--json");
    const { status, stdout } = await desk.run(answering, { preload: unplugged("last-answered", last) });
    expect(status).toBe(0);
    expect(JSON.parse(stdout.toString())).toMatchObject({
      ...{ restarted: "unknown", device: board.address, state: "blank" },
      verified: { file: true, onBoard: false, board: "simulator", core: version },
    });
  });

  test.runIf(process.platform === "linux")(
    "looks for the device on its own USB ids, and leaves other new ports alone",
    async () => {
      const drive = bootMode("ports");
      const [other, own] = [
        await desk.simulator(["other.chip", "--create", "64K"]),
        await desk.simulator(["own.chip", "--create", "64K"]),
      ];
      // What udev says once the board has restarted: a stranger, and then the device.
      const ports = [
        { ...other, vendor: "2e8a", product: "0005" },
        { ...own, vendor: "1209", product: "0001" },
      ].map(({ address, vendor, product }, at) => [
        ...[`P: /devices/${at}`, `N: ttyACM${at}`, `E: DEVNAME=${address}`],
        ...[`E: ID_VENDOR_ID=${vendor}`, `E: ID_MODEL_ID=${product}`, ""],
      ]);
      mkdirSync(desk.path("udev"));
      writeFileSync(desk.path("udev/ports"), ports.flat().join("\n"));
      writeFileSync(
        desk.path("udev/udevadm"),
        `#!/bin/sh\n[ -e ${desk.path(drive, "INFO_UF2.TXT")} ] || cat ${desk.path("udev/ports")}\n`,
        { mode: 0o755 },
      );
      try {
        const env = { PATH: `${desk.path("udev")}:${process.env.PATH}` };
        const { status, stdout } = await desk.run([...flash("good", drive), "--json"], { env });
        expect(status).toBe(0);
        expect(JSON.parse(stdout.toString())).toMatchObject({ restarted: true, device: own.address });
      } finally {
        await Promise.all([other.stop(), own.stop()]);
      }
    },
  );

  test("is not content with another board or another core that answers, or with none", async () => {
    firmware("next", { version: "9.9.9" });
    const other = await desk.fails(11, "OTHER_FIRMWARE", flash("next", bootMode("late"), "--device", board.address));
    expect(other.facts).toEqual({ expected: "simulator 9.9.9", found: `simulator ${version}` });
    const bare = await desk.fails(
      11,
      "OTHER_FIRMWARE",
      flash("bare", bootMode("bare-board"), "--device", board.address),
    );
    expect(bare.facts).toEqual({ expected: `pico-bare ${version}`, found: `simulator ${version}` });
    const silent = flash("good", bootMode("silent"), "--device", "tcp://127.0.0.1:1");
    await desk.fails(9, "BOARD_SILENT", silent, { preload: hasteAfter("silent") });
  });
});
