// The same sources make the same image, bit for bit, wherever they lie and whenever they are compiled: whoever doubts
// an image builds it.

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { showsBoards } from "./firmware-board.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const NEEDED = ["package.json", "build/device.wasm", "host/boot", "host/protocol"];
const HARDWARE = ["firmware.ts", "toolchain", "usb", "core", "common", "boards"];
/** Both boards are built by the same steps from almost the same files: one of them shows it. */
const BOARD = "pico-bare";
const FILES = [...["elf", "bin", "uf2"].map((kind) => `tearpad-${BOARD}.${kind}`), "manifest.json"];
const BUILD_MS = 120_000;

/** A checkout as far as a build needs it. */
function checkout(path: string): string {
  for (const name of [...NEEDED, ...HARDWARE.map((name) => join("hardware", name))]) {
    mkdirSync(join(path, name, ".."), { recursive: true });
    cpSync(join(ROOT, name), join(path, name), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(path, "node_modules"));
  return path;
}

async function build(place: string, env: Record<string, string>): Promise<void> {
  const command = [join("hardware", "firmware.ts"), BOARD];
  await promisify(execFile)(process.execPath, command, { cwd: place, env: { PATH: process.env.PATH, ...env } });
}

describe.skipIf(!showsBoards("firmware"))("an image", () => {
  const base = mkdtempSync(join(tmpdir(), "tearpad-"));
  const places = ["a", join("a longer name", "with a space")].map((path) => join(base, path));

  beforeAll(async () => {
    const circumstances = [
      { TZ: "UTC", LC_ALL: "C", HOME: base },
      { TZ: "Asia/Tokyo", LC_ALL: "de_DE.UTF-8", HOME: "/", SOURCE_DATE_EPOCH: "1" },
    ];
    await Promise.all(places.map((place, i) => build(checkout(place), circumstances[i]!)));
  }, BUILD_MS);

  afterAll(() => rmSync(base, { recursive: true }));

  it.each(FILES)("%s has the same bytes from two checkouts at different paths", (file) => {
    const [one, other] = places.map((place) => readFileSync(join(place, "build", "firmware", BOARD, file)));
    expect(Buffer.compare(one!, other!)).toBe(0);
    expect(one!.includes(base)).toBe(false);
  });
});
