// The vault and the limits with real processes on a real disk: killed at any moment, in each other's way, without room or permission.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Limits, Vault } from "../../../server/vault/index.ts";
import { limitFileSize } from "../../host/file-limit.ts";

const PAGE = 4096;
const PAD = "00000000000000aa";
const PAGES = 2000;
let root: string;
const paths = () => [join(root, "vault"), join(root, "epoch"), join(root, "limits")] as const;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tearpad-vault-"));
  const [directory, key, log] = paths();
  const vault = Vault.open(directory, key, { create: true });
  const writer = vault.create(PAD, PAGES * PAGE);
  for (let page = 0; page < PAGES; page++) writer.write(pageOf(page));
  writer.finish();
  vault.close();
  Limits.open(log, { create: true }).close();
});
afterEach(() => rmSync(root, { recursive: true }));

const pageOf = (page: number) => new Uint8Array(PAGE).fill(page).fill(page >> 8, 100);
const codeOf = (run: () => unknown) => {
  try {
    run();
    return null;
  } catch (error) {
    return (error as { code?: string }).code ?? error;
  }
};

async function burner(first: number) {
  const child = spawn(process.execPath, [join(import.meta.dirname, "burner.ts"), ...paths(), PAD, String(first)]);
  const lines: string[] = [];
  let rest = "";
  child.stdout.on("data", (data) => {
    const pieces = (rest + String(data)).split("\n");
    rest = pieces.pop() as string;
    lines.push(...pieces);
  });
  let errors = "";
  child.stderr.on("data", (data) => {
    errors += String(data);
  });
  const closed = once(child, "close");
  while (lines.length < 2 && child.exitCode === null) await new Promise((done) => setTimeout(done, 5));
  return { child, lines, closed, errors: () => errors };
}

it("a process that is killed at any moment loses no page and brings none back, and its lock goes with it", async () => {
  let burned = 0;
  for (let kill = 0; kill < 8; kill++) {
    const { child, lines, closed, errors } = await burner(burned + 1);
    expect(errors()).toBe("");
    const [directory, key, log] = paths();
    const reader = Vault.open(directory, key);
    expect(codeOf(() => reader.keep(PAD, []))).toBe("VAULT_BUSY");
    reader.close();
    await new Promise((done) => setTimeout(done, Math.random() * 40));
    child.kill("SIGKILL");
    await closed;

    const last = (word: string) =>
      Number(lines.findLast((line) => line.startsWith(word))?.slice(word.length) ?? burned);
    const limits = Limits.open(log);
    const heard = limits.latest().get(PAD)?.heard ?? 0;
    limits.close();
    expect(heard).toBeGreaterThanOrEqual(last("limit "));
    const vault = Vault.open(directory, key);
    const into = Buffer.alloc(PAGE);
    const start = last("burned ");
    for (let page = Math.max(0, start - 5); page < start; page++) {
      expect(codeOf(() => vault.read(PAD, page * PAGE, into))).toBe("PAGE_BURNED");
    }
    // One more may be burned than was said.
    for (let page = start + 1; page < start + 20; page++) {
      vault.read(PAD, page * PAGE, into);
      expect(into.equals(pageOf(page))).toBe(true);
    }
    // The lock of the dead process is nobody's.
    vault.flush();
    vault.close();
    burned = start;
  }
  expect(burned).toBeGreaterThan(0);
});

it("what a process leaves that is killed while it makes a pad is cleared when the next one is made, and what others are at stays", async () => {
  const [directory, key] = paths();
  const index = JSON.stringify(new URL("../../../server/vault/index.ts", import.meta.url));
  const program = `
    import { Vault } from ${index};
    const writer = Vault.open(${JSON.stringify(directory)}, ${JSON.stringify(key)}).create(process.argv[1], ${4 * PAGE});
    writer.write(new Uint8Array(${3 * PAGE}));
    process.stdout.write("made");
    setInterval(() => {}, 1000);
  `;
  const begin = async (name: string) => {
    const maker = spawn(process.execPath, ["--input-type=module-typescript", "-e", program, name]);
    await once(maker.stdout, "data");
    return maker;
  };
  const [killed, alive] = [await begin("00000000000000bb"), await begin("00000000000000cc")];
  const unfinished = () => readdirSync(directory).filter((file) => file.endsWith(".new"));
  expect(unfinished().sort()).toEqual(["00000000000000bb.pad.new", "00000000000000cc.pad.new"]);
  killed.kill("SIGKILL");
  await once(killed, "close");
  // Another one got as far as to its pages' name.
  writeFileSync(join(directory, `making/00000000000000dd.${killed.pid}`), "");
  for (const ending of ["pad", "keys.new"]) writeFileSync(join(directory, `00000000000000dd.${ending}`), "left");
  // And one was finished, and did not come to say so.
  writeFileSync(join(directory, `making/${PAD}.${killed.pid}`), "");

  const vault = Vault.open(directory, key);
  const writer = vault.create("00000000000000ee", PAGE);
  expect(unfinished().sort()).toEqual(["00000000000000cc.pad.new", "00000000000000ee.pad.new"]);
  expect(readdirSync(join(directory, "making")).sort()).toEqual([
    `00000000000000cc.${alive.pid}`,
    `00000000000000ee.${process.pid}`,
  ]);
  writer.discard();
  const into = Buffer.alloc(PAGE);
  vault.read(PAD, PAGE, into);
  expect(into.equals(pageOf(1))).toBe(true);
  alive.kill("SIGKILL");
  await once(alive, "close");
  vault.clearUnfinished();
  expect(readdirSync(join(directory, "making"))).toEqual([]);
  expect(readdirSync(directory).sort()).toEqual([`${PAD}.keys`, `${PAD}.pad`, "making"]);
  vault.close();
});

it("a disk without room is VAULT_FULL: no pad, no burned page, no entry, and all three once there is room", () => {
  const [directory, key, log] = paths();
  const vault = Vault.open(directory, key);
  const limits = Limits.open(log);
  vault.flush();
  limits.note({ pad: PAD, heard: 1, up: 1, down: 1, split: 1, receipt: 1 });
  limits.sync();
  vault.keep(PAD, [{ start: PAGE, end: PAGES * PAGE }]);
  const files = readdirSync(directory).sort();
  const release = limitFileSize(60);
  try {
    expect(codeOf(() => vault.create("00000000000000bb", PAGE).write(new Uint8Array(PAGE)))).toBe("VAULT_FULL");
    expect(codeOf(() => vault.flush())).toBe("VAULT_FULL");
    limits.note({ pad: PAD, heard: 2, up: 2, down: 2, split: 2, receipt: 2 });
    expect(codeOf(() => limits.sync())).toBe("VAULT_FULL");
  } finally {
    release();
  }
  expect(readdirSync(directory).sort()).toEqual(files);
  expect(vault.pending()).toBe(1);
  expect(limits.latest().get(PAD)?.heard).toBe(1);
  vault.flush();
  limits.note({ pad: PAD, heard: 3, up: 3, down: 3, split: 3, receipt: 3 });
  limits.sync();
  vault.close();
  limits.close();
  const again = Vault.open(directory, key);
  expect(codeOf(() => again.read(PAD, 0, Buffer.alloc(1)))).toBe("PAGE_BURNED");
  expect(codeOf(() => again.read(PAD, PAGE, Buffer.alloc(1)))).toBe(null);
  again.close();
  const reread = Limits.open(log);
  expect(reread.latest().get(PAD)?.heard).toBe(3);
  reread.close();
});

it.skipIf(process.platform === "win32")("files that may not be written have a name", () => {
  const [directory, key, log] = paths();
  chmodSync(root, 0o755);
  chmodSync(directory, 0o555);
  chmodSync(log, 0o444);
  chmodSync(key, 0o644);
  for (const file of readdirSync(directory)) chmodSync(join(directory, file), 0o444);
  const user = process.getuid?.() as number;
  // Root may write everything.
  if (user === 0) process.seteuid?.(65534);
  try {
    expect(codeOf(() => Limits.open(log))).toBe("VAULT_READ_ONLY");
    const vault = Vault.open(directory, key);
    vault.read(PAD, 0, Buffer.alloc(1));
    expect(codeOf(() => vault.create("00000000000000bb", PAGE))).toBe("VAULT_READ_ONLY");
    expect(codeOf(() => vault.flush())).toBeOneOf(["VAULT_READ_ONLY", "VAULT_FAILED"]);
    vault.close();
  } finally {
    process.seteuid?.(user);
    chmodSync(directory, 0o755);
  }
});
