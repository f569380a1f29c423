// Bringing an image onto a board: the UF2 file, its manifest, and the drive of a board in boot mode.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, open, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import {
  BootError,
  type BootErrorCode,
  checkUf2,
  decodeUf2,
  digest,
  encodeUf2,
  findDrive,
  type Manifest,
  parseManifest,
  RP2040_FAMILY,
  readDrive,
  writeToDrive,
} from "../../host/boot/index.ts";

const ADDRESS = 0x1000_0000;
/** Five pages, no two alike. */
const IMAGE = Uint8Array.from({ length: 5 * 256 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
const FILE = encodeUf2(IMAGE, { address: ADDRESS, family: RP2040_FAMILY });
/** Several of the pieces that are written at once, and a part of one. */
const LONG = encodeUf2(new Uint8Array(100 * 256).fill(0x5a), { address: ADDRESS, family: RP2040_FAMILY });

function refused<C extends BootErrorCode>(code: C, action: () => unknown): BootError<C> {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(BootError);
    expect((error as BootError).code).toBe(code);
    return error as BootError<C>;
  }
  throw new Error(`It was taken, instead of ${code}.`);
}

async function refusal(promise: Promise<unknown>): Promise<BootError> {
  return promise.then(
    () => {
      throw new Error("It was taken.");
    },
    (error: unknown) => {
      expect(error).toBeInstanceOf(BootError);
      return error as BootError;
    },
  );
}

/** The file with one word of one block changed. */
function changed(block: number, word: number, value: number, file: Uint8Array = FILE): Uint8Array {
  const copy = file.slice();
  new DataView(copy.buffer).setUint32(block * 512 + 4 * word, value, true);
  return copy;
}

function blocks(...order: number[]): Uint8Array {
  return Uint8Array.from(order.flatMap((block) => [...FILE.subarray(block * 512, block * 512 + 512)]));
}

describe("a UF2 file", () => {
  it("has a block of 512 bytes for each page, as the format says", () => {
    expect(FILE.length).toBe(5 * 512);
    const view = new DataView(FILE.buffer);
    for (let block = 0; block < 5; block++) {
      const words = [0, 1, 2, 3, 4, 5, 6, 7, 127].map((word) => view.getUint32(block * 512 + 4 * word, true));
      const address = ADDRESS + block * 256;
      expect(words).toEqual([...[0x0a324655, 0x9e5d5157, 0x2000, address, 256, block, 5, 0xe48bff56], 0x0ab16f30]);
    }
    expect(Buffer.from(FILE.subarray(0, 4)).toString("latin1")).toBe("UF2\n");
  });

  it("gives the image back that it was made of", () => {
    expect(decodeUf2(FILE)).toEqual({ address: ADDRESS, family: RP2040_FAMILY, image: IMAGE });
    expect(decodeUf2(Buffer.from(FILE)).image).toEqual(IMAGE);
  });

  it("is made of whole pages from the start of a sector; anything else is our own mistake", () => {
    for (const [length, address] of [
      [0, ADDRESS],
      [255, ADDRESS],
      [257, ADDRESS],
      [256, ADDRESS + 256],
    ] as const) {
      expect(() => encodeUf2(new Uint8Array(length), { address, family: 1 })).toThrow(Error);
    }
  });

  it("that is truncated is refused, wherever it ends", () => {
    expect(refused("UF2_TRUNCATED", () => decodeUf2(new Uint8Array(0))).facts).toEqual({ bytes: 0, needed: 512 });
    for (const length of [1, 511]) refused("UF2_TRUNCATED", () => decodeUf2(FILE.subarray(0, length)));
    for (const length of [513, 4 * 512 + 1, 5 * 512 - 1]) {
      const { facts } = refused("UF2_TRUNCATED", () => decodeUf2(FILE.subarray(0, length)));
      expect(facts).toEqual({ bytes: length, needed: FILE.length });
    }
    refused("UF2_TRUNCATED", () => decodeUf2(Uint8Array.of(...FILE, 0)));
  });

  it("with blocks missing, twice, out of order or of another number is refused", () => {
    expect(refused("UF2_MISSING", () => decodeUf2(blocks(0, 1, 3, 4))).facts).toEqual({ block: 2, count: 5 });
    expect(refused("UF2_DOUBLED", () => decodeUf2(blocks(0, 1, 2, 2, 3, 4))).facts).toEqual({ block: 2 });
    expect(refused("UF2_ORDER", () => decodeUf2(blocks(0, 2, 1, 3, 4))).facts).toEqual({ block: 1, found: 2 });
    for (const [block, word, value] of [
      [3, 6, 6],
      [0, 6, 4],
      [2, 5, 5],
      [1, 5, 0xffffffff],
      [0, 6, 0],
    ] as const) {
      refused("UF2_COUNT", () => decodeUf2(changed(block, word, value)));
    }
  });

  it("for another chip is refused, also when a single block is", () => {
    const other = encodeUf2(IMAGE, { address: ADDRESS, family: 0xe48bff59 });
    expect(refused("UF2_FAMILY", () => decodeUf2(other)).facts).toEqual({
      ...{ block: 0, family: 0xe48bff59, expected: RP2040_FAMILY },
    });
    expect(decodeUf2(other, 0xe48bff59).image).toEqual(IMAGE);
    refused("UF2_FAMILY", () => decodeUf2(changed(4, 7, 0xe48bff59)));
  });

  it("with other magic, flags, payload or addresses is refused, and the block is named", () => {
    for (const word of [0, 1, 127]) {
      expect(refused("UF2_MAGIC", () => decodeUf2(changed(2, word, 0))).facts).toEqual({ block: 2 });
    }
    for (const flags of [0, 1, 0x2001, 0x3000]) refused("UF2_FLAGS", () => decodeUf2(changed(3, 2, flags)));
    for (const bytes of [0, 255, 476, 512]) refused("UF2_PAYLOAD", () => decodeUf2(changed(1, 4, bytes)));
    const gap = refused("UF2_ADDRESS", () => decodeUf2(changed(3, 3, ADDRESS + 0x400)));
    expect(gap.facts).toEqual({ block: 3, address: ADDRESS + 0x400, expected: ADDRESS + 0x300 });
    refused("UF2_ADDRESS", () => decodeUf2(changed(3, 3, ADDRESS + 0x301)));
    // A whole run that begins inside a sector: the boot program would not erase all of it.
    const late = Array.from({ length: 5 }, (_, i) => i).reduce(
      (file, block) => changed(block, 3, ADDRESS + 256 + block * 256, file),
      FILE,
    );
    expect(refused("UF2_ADDRESS", () => decodeUf2(late)).facts).toMatchObject({ block: 0, expected: ADDRESS });
  });

  it("with any single bit changed outside of what a page carries is refused or says the same", () => {
    for (let bit = 0; bit < 512 * 8; bit++) {
      const at = 512 + (bit >> 3);
      if (at >= 512 + 32 && at < 512 + 32 + 256) continue;
      const file = FILE.slice();
      file[at]! ^= 1 << (bit & 7);
      try {
        expect(decodeUf2(file).image).toEqual(IMAGE);
        expect(at).toBeGreaterThanOrEqual(512 + 32 + 256);
      } catch (error) {
        expect(error).toBeInstanceOf(BootError);
      }
    }
  });
});

const MANIFEST: Manifest = {
  ...{ format: 1, board: "pico", version: "0.2.0", family: "0xe48bff56", address: "0x10000000" },
  core: digest(Uint8Array.of(1)),
  image: digest(IMAGE),
  uf2: digest(FILE),
  sizes: { core: 1024, usb: 256 },
};

describe("a manifest", () => {
  it("is read as it was written", () => {
    expect(parseManifest(JSON.stringify(MANIFEST))).toEqual(MANIFEST);
  });

  it("that is damaged, of another format, or without one of its fields is refused, and the field is named", () => {
    for (const text of ["", "{", "7", "null", "[]"]) refused("MANIFEST_UNREADABLE", () => parseManifest(text));
    for (const field of Object.keys(MANIFEST)) {
      const { [field as "core"]: _, ...rest } = MANIFEST;
      expect(refused("MANIFEST_UNREADABLE", () => parseManifest(JSON.stringify(rest))).facts).toEqual({ field });
    }
    const wrong = {
      format: 2,
      board: "",
      version: 2,
      family: "0xe48b",
      address: "10000000",
      core: "00",
      sizes: { a: "1" },
    };
    for (const [field, value] of Object.entries(wrong)) {
      const text = JSON.stringify({ ...MANIFEST, [field]: value });
      expect(refused("MANIFEST_UNREADABLE", () => parseManifest(text)).facts).toEqual({ field });
    }
  });

  it("takes the file that it speaks of, and no other", () => {
    expect(checkUf2(FILE, MANIFEST).image).toEqual(IMAGE);
    const other = changed(2, 20, 0x12345678);
    expect(refused("WRONG_DIGEST", () => checkUf2(other, MANIFEST)).facts).toMatchObject({ what: "uf2" });
    const passed = { ...MANIFEST, uf2: digest(other) };
    expect(refused("WRONG_DIGEST", () => checkUf2(other, passed)).facts).toMatchObject({ what: "image" });
    const elsewhere = { ...MANIFEST, address: "0x10001000" };
    expect(refused("WRONG_DIGEST", () => checkUf2(FILE, elsewhere)).facts).toMatchObject({ what: "address" });
    refused("UF2_TRUNCATED", () => checkUf2(FILE.subarray(0, 4 * 512), MANIFEST));
    refused("UF2_FAMILY", () => checkUf2(FILE, { ...MANIFEST, family: "0xe48bff59" }));
  });

  it("does not let an image reach into the pad of a bare board, nor lie before the flash", () => {
    const judge = (address: number, pages: number) => () => {
      const image = new Uint8Array(pages * 256).fill(7);
      const file = encodeUf2(image, { address, family: RP2040_FAMILY });
      const text = `0x${address.toString(16).padStart(8, "0")}`;
      return checkUf2(file, { ...MANIFEST, address: text, image: digest(image), uf2: digest(file) });
    };
    expect(judge(ADDRESS, 1024)().image.length).toBe(256 * 1024);
    refused("UF2_OUTSIDE", judge(ADDRESS, 1025));
    refused("UF2_OUTSIDE", judge(0x1004_0000, 1));
    refused("UF2_OUTSIDE", judge(0x2000_0000, 1));
    refused("UF2_OUTSIDE", judge(0, 1));
  });
});

const INFO = (board: string): string => `UF2 Bootloader v2.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: ${board}\r\n`;
const endings: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "tearpad-drive-"));
  endings.push(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A folder that looks like the drive of a board. */
async function drive(board = "RPI-RP2"): Promise<string> {
  const path = await folder();
  await writeFile(join(path, "INFO_UF2.TXT"), INFO(board));
  return path;
}

/** The drive at `path` fails at the sync behind so many others, and is gone then if it `leaves`. */
async function unplugged(path: string, syncs: number, { leaves }: { leaves: boolean }): Promise<void> {
  const handle = await open("/dev/null");
  const prototype = Object.getPrototypeOf(handle) as { datasync: () => Promise<void> };
  await handle.close();
  const { datasync } = prototype;
  endings.push(() => {
    prototype.datasync = datasync;
  });
  let left = syncs;
  prototype.datasync = async function (this: unknown) {
    if (left-- > 0) return datasync.call(this);
    if (leaves) await rm(join(path, "INFO_UF2.TXT"));
    throw Object.assign(new Error("the device is gone"), { code: "EIO" });
  };
}

/** What a board does: as soon as it has every block it restarts, and its drive is gone. */
function boardAt(path: string, bytes: number): void {
  let stopped = false;
  endings.push(() => {
    stopped = true;
  });
  const watch = async (): Promise<void> => {
    while (!stopped) {
      const file = await readFile(join(path, "TEARPAD.UF2")).catch(() => null);
      if (file?.length === bytes) await rm(join(path, "INFO_UF2.TXT"));
      if (file?.length === bytes) return;
      await sleep(2);
    }
  };
  void watch();
}

describe("the drive of a board in boot mode", () => {
  it("is found among others by what it says of itself", async () => {
    const [empty, path] = [await folder(), await drive()];
    expect(await findDrive([empty, "/no/such/place", "/etc/hosts", path])).toEqual({ path, board: "RPI-RP2" });
    expect(await readDrive(path)).toEqual({ path, board: "RPI-RP2" });
  });

  it("that is not there, of another board, or one of several is refused by name", async () => {
    const [empty, one, two, other] = [await folder(), await drive(), await drive(), await drive("RP2350")];
    expect(await refusal(findDrive([empty]))).toMatchObject({ code: "NO_DRIVE", facts: { places: 1 } });
    expect(await refusal(findDrive([one, two]))).toMatchObject({ code: "SEVERAL_DRIVES" });
    expect(await refusal(findDrive([empty, other]))).toMatchObject({ code: "OTHER_BOARD", facts: { board: "RP2350" } });
    expect(await findDrive([other, one])).toMatchObject({ path: one });
    expect(await refusal(readDrive(empty))).toMatchObject({ code: "NOT_A_DRIVE", facts: { path: empty } });
    expect(await refusal(readDrive(other))).toMatchObject({ code: "OTHER_BOARD" });
  });

  it("is looked for where this computer mounts drives", async () => {
    // Whoever runs this may have a board plugged in.
    const found = await findDrive().catch((error: unknown) => error);
    if (found instanceof BootError) expect(["NO_DRIVE", "OTHER_BOARD", "SEVERAL_DRIVES"]).toContain(found.code);
    else expect(found).toMatchObject({ board: "RPI-RP2" });
  });

  it("gets every byte of the file, in order, and is gone when the board has it", async () => {
    const path = await drive();
    boardAt(path, LONG.length);
    const progress: number[] = [];
    const outcome = await writeToDrive({ path, board: "RPI-RP2" }, LONG, {
      onProgress: (written) => progress.push(written),
    });
    expect(outcome).toBe("restarted");
    expect(new Uint8Array(await readFile(join(path, "TEARPAD.UF2")))).toEqual(LONG);
    expect(progress.at(-1)).toBe(LONG.length);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  });

  it("that stays although it has everything did not take it: BOARD_STAYED", async () => {
    const path = await drive();
    const error = await refusal(writeToDrive({ path, board: "RPI-RP2" }, FILE, { seconds: 0.3 }));
    expect(error).toMatchObject({ code: "BOARD_STAYED", facts: { path, seconds: 0.3 } });
  });

  it("that goes with the last of it leaves open whether the board has the image", async () => {
    const path = await drive();
    await unplugged(path, Math.floor(LONG.length / 8192), { leaves: true });
    expect(await writeToDrive({ path, board: "RPI-RP2" }, LONG)).toBe("unknown");
  });

  it("that goes before that, or fails at the last of it and stays, is DRIVE_LOST, and never taken for a restart", async () => {
    for (const [syncs, leaves] of [
      [1, true],
      [Math.floor(LONG.length / 8192), false],
    ] as const) {
      const path = await drive();
      await unplugged(path, syncs, { leaves });
      const error = await refusal(writeToDrive({ path, board: "RPI-RP2" }, LONG, { seconds: 0.3 }));
      expect(error).toMatchObject({ code: "DRIVE_LOST", facts: { written: syncs * 8192, needed: LONG.length } });
      for (const end of endings.splice(0).reverse()) await end();
    }
  });

  it("that is gone before anything is written is DRIVE_LOST", async () => {
    const path = await drive();
    await rm(path, { recursive: true });
    const error = await refusal(writeToDrive({ path, board: "RPI-RP2" }, FILE));
    expect(error).toMatchObject({ code: "DRIVE_LOST", facts: { written: 0, needed: FILE.length } });
    expect(error.advice).toMatch(/BOOTSEL/);
  });

  it.runIf(existsSync("/dev/full"))("that is full is DRIVE_FULL", async () => {
    const path = await drive();
    await symlink("/dev/full", join(path, "TEARPAD.UF2"));
    const error = await refusal(writeToDrive({ path, board: "RPI-RP2" }, FILE));
    expect(error).toMatchObject({ code: "DRIVE_FULL", facts: { path, written: 0, needed: FILE.length } });
  });
});

/** A disk of its own as a drive, for as long as the test lasts; null where this user may not mount one. */
async function mounted(options: string): Promise<string | null> {
  const path = await folder();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path], { stdio: "ignore" });
  } catch {
    return null;
  }
  endings.push(() => void execFileSync("umount", ["-l", path]));
  return path;
}

describe("a real disk as a drive", () => {
  it("that fills up in the middle is DRIVE_FULL, and how far it came is said", async (context) => {
    const path = await mounted("size=32k");
    if (path === null) return context.skip("This user may not mount a disk.");
    await writeFile(join(path, "INFO_UF2.TXT"), INFO("RPI-RP2"));
    const error = await refusal(writeToDrive({ path, board: "RPI-RP2" }, LONG));
    expect(error).toMatchObject({ code: "DRIVE_FULL", facts: { needed: LONG.length } });
    expect((error as BootError<"DRIVE_FULL">).facts.written).toBeGreaterThan(0);
    return undefined;
  });

  it("that cannot be written is DRIVE_READ_ONLY", async (context) => {
    const path = await mounted("size=64k");
    if (path === null) return context.skip("This user may not mount a disk.");
    await writeFile(join(path, "INFO_UF2.TXT"), INFO("RPI-RP2"));
    execFileSync("mount", ["-o", "remount,ro", path]);
    const error = await refusal(writeToDrive({ path, board: "RPI-RP2" }, FILE));
    expect(error).toMatchObject({ code: "DRIVE_READ_ONLY", facts: { path } });
    return undefined;
  });
});

/** File systems for an image that becomes a disk: that of the boot program where this computer has it, or else another. */
const MAKE = [
  ["mkfs.vfat", "-F", "16", "-n", "RPI-RP2"],
  ["mke2fs", "-q"],
] as const;

/** A disk image, mounted; null where that cannot be. */
async function diskImage(): Promise<string | null> {
  const [where, path] = [await folder(), await folder()];
  const image = join(where, "disk.img");
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  await writeFile(image, new Uint8Array(8 << 20));
  for (const [make, ...options] of MAKE) {
    try {
      execFileSync(make, [...options, image], { stdio: "ignore", env });
      execFileSync("mount", ["-o", "loop", image, path], { stdio: "ignore", env });
    } catch {
      continue;
    }
    endings.push(() => void execFileSync("umount", ["-l", path]));
    await writeFile(join(path, "INFO_UF2.TXT"), INFO("RPI-RP2"));
    return path;
  }
  return null;
}

describe("a disk of its own as the drive", () => {
  it("is found where it is mounted, and gets the file", async (context) => {
    const path = await diskImage();
    if (path === null) return context.skip("This user may not mount a disk image.");
    // A board of whoever runs this may be there as well: then both are named.
    const found = await findDrive().catch((error: unknown) => error as BootError<"SEVERAL_DRIVES">);
    expect(found instanceof BootError ? found.facts.paths : found.path).toContain(path);
    boardAt(path, LONG.length);
    await writeToDrive({ path, board: "RPI-RP2" }, LONG);
    expect(new Uint8Array(await readFile(join(path, "TEARPAD.UF2")))).toEqual(LONG);
    return undefined;
  });
});
