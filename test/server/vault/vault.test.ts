// The vault on a real disk: pads come back as they went in, burned pages do not, and what is wrong has a name.

import { createDecipheriv, createHmac, hash, randomBytes } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Vault } from "../../../server/vault/index.ts";
import { Random } from "../../../simulator/index.ts";

const PAGE = 4096;
const A = "0123456789abcdef";
const B = "fedcba9876543210";

let root: string;
let vault: Vault;
const directory = () => join(root, "vault");
const keyPath = () => join(root, "epoch");
const files = () =>
  readdirSync(directory(), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith("burner"))
    .map(({ name }) => name)
    .sort();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tearpad-vault-"));
  vault = Vault.open(directory(), keyPath(), { create: true });
});
afterEach(() => {
  vault.close();
  rmSync(root, { recursive: true });
});

function fill(name: string, pages: number): Buffer {
  const bytes = randomBytes(pages * PAGE);
  const writer = vault.create(name, bytes.length);
  for (let at = 0; at < bytes.length; at += 1000) writer.write(bytes.subarray(at, at + 1000));
  writer.finish();
  return bytes;
}

function read(name: string, offset: number, length: number): Buffer {
  const into = Buffer.alloc(length);
  vault.read(name, offset, into);
  return into;
}

function reopen(): void {
  vault.close();
  vault = Vault.open(directory(), keyPath());
}

const keep = (name: string, ...pages: [number, number][]) =>
  vault.keep(
    name,
    pages.map(([start, end]) => ({ start: start * PAGE, end: end * PAGE })),
  );
const codeOf = (run: () => unknown) => {
  try {
    run();
    return null;
  } catch (error) {
    return (error as { code?: string }).code ?? error;
  }
};

describe("a pad in the vault", () => {
  it("comes back byte for byte, at any offset, in this process and the next", () => {
    const bytes = fill(A, 9);
    for (const [offset, length] of [
      [0, 1],
      [4095, 2],
      [300, 9000],
      [8 * PAGE, PAGE],
      [0, 9 * PAGE],
    ] as const) {
      expect(read(A, offset, length).equals(bytes.subarray(offset, offset + length))).toBe(true);
    }
    reopen();
    expect(read(A, 0, bytes.length).equals(bytes)).toBe(true);
    expect(() => read(A, 9 * PAGE - 1, 2)).toThrow("no bytes");
  });

  it("lies on the disk in no form that its bytes could be read from without the epoch key", () => {
    const bytes = fill(A, 3);
    const contents = files().map((file) => readFileSync(join(directory(), file)));
    for (let at = 0; at < bytes.length; at += 64) {
      for (const file of contents) expect(file.includes(bytes.subarray(at, at + 8))).toBe(false);
    }
  });

  it("is there only once it is finished, takes no second of its name, and one that is discarded leaves nothing", () => {
    const writer = vault.create(A, PAGE);
    writer.write(new Uint8Array(100));
    expect(codeOf(() => read(A, 0, 1))).toBe("PAD_MISSING");
    expect(codeOf(() => vault.create(A, PAGE))).toBe("PAD_EXISTS");
    expect(() => writer.finish()).toThrow("missing");
    writer.discard();
    expect(files()).toEqual([]);
    const late = vault.create(A, PAGE);
    late.write(new Uint8Array(PAGE));
    reopen();
    expect(() => late.finish()).toThrow("closed");
    expect(files()).toEqual([]);
    fill(A, 1);
    expect(codeOf(() => vault.create(A, PAGE))).toBe("PAD_EXISTS");
    expect(files()).toEqual([`${A}.keys`, `${A}.pad`]);
  });
});

describe("a page that is not kept", () => {
  it("T-02 is refused at once, counted until the flush, and gone after it for every process", () => {
    const bytes = fill(A, 16);
    keep(A, [0, 2], [5, 16]);
    expect(vault.pending()).toBe(3);
    for (const page of [2, 3, 4]) expect(codeOf(() => read(A, page * PAGE, 1))).toBe("PAGE_BURNED");
    vault.flush();
    expect(vault.pending()).toBe(0);
    reopen();
    for (const page of [2, 3, 4]) expect(codeOf(() => read(A, page * PAGE + 7, 1))).toBe("PAGE_BURNED");
    expect(read(A, 0, 2 * PAGE).equals(bytes.subarray(0, 2 * PAGE))).toBe(true);
    expect(read(A, 5 * PAGE, 11 * PAGE).equals(bytes.subarray(5 * PAGE))).toBe(true);
    expect(codeOf(() => read(A, 2 * PAGE - 1, 2))).toBe("PAGE_BURNED");
  });

  it("stays as long as one byte of it is kept, and never comes back", () => {
    fill(A, 8);
    vault.keep(A, [
      { start: 5 * PAGE + 4095, end: 7 * PAGE },
      { start: 10, end: 11 },
      { start: 100, end: 100 },
    ]);
    expect(vault.pending()).toBe(5);
    expect(read(A, 0, 1)).toHaveLength(1);
    keep(A, [0, 8]);
    expect(vault.pending()).toBe(5);
    vault.flush();
    keep(A, [0, 8]);
    expect(vault.pending()).toBe(0);
    expect(codeOf(() => read(A, 3 * PAGE, 1))).toBe("PAGE_BURNED");
    keep(A);
    vault.flush();
    for (let page = 0; page < 8; page++) expect(codeOf(() => read(A, page * PAGE, 1))).toBe("PAGE_BURNED");
  });

  it("T-02 cannot be decrypted from all files that remain, with the current epoch key", () => {
    const bytes = fill(A, 13);
    keep(A, [0, 1], [3, 6], [12, 13]);
    vault.flush();
    const found = decryptAll();
    for (let page = 0; page < 13; page++) {
      const alive = page < 1 || (page >= 3 && page < 6) || page === 12;
      expect(found.get(page)?.equals(bytes.subarray(page * PAGE, (page + 1) * PAGE)) ?? false).toBe(alive);
    }
  });

  it("T-02 cannot be decrypted even with an older file of keys once the epoch has ended", () => {
    fill(A, 4);
    const older = join(root, "older");
    copyFileSync(join(directory(), `${A}.keys`), older);
    keep(A, [2, 4]);
    vault.flush();
    expect([...decryptAll(older).keys()]).toEqual([0, 1, 2, 3]);
    vault.rotate();
    expect(existsSync(`${keyPath()}.next`)).toBe(false);
    expect([...decryptAll(older).keys()]).toEqual([]);
    expect([...decryptAll().keys()]).toEqual([2, 3]);
    copyFileSync(older, join(directory(), `${A}.keys`));
    reopen();
    expect(codeOf(() => read(A, 0, 1))).toBe("KEY_WRONG");
  });

  it("goes in any order of keeping, flushing and rotating, in random histories", () => {
    const seed = Number(process.env.SEED ?? randomBytes(4).readUInt32LE());
    const random = new Random(seed);
    const pages = 1 + random.below(40);
    const bytes = fill(A, pages);
    let alive = Array.from({ length: pages }, () => true);
    for (let step = 0; step < 60; step++) {
      const ranges = Array.from({ length: 1 + random.below(3) }, () => {
        const start = random.below(pages * PAGE);
        return { start, end: Math.min(pages * PAGE, start + random.below(pages * PAGE * 2)) };
      });
      ranges.push({ start: random.below(pages) * PAGE, end: pages * PAGE });
      if (random.below(3) === 0) {
        vault.keep(A, ranges);
        alive = alive.map(
          (was, p) => was && ranges.some((r) => r.start < r.end && r.start < (p + 1) * PAGE && r.end > p * PAGE),
        );
      }
      if (random.below(3) === 0) vault.flush();
      if (random.below(10) === 0) vault.rotate();
      if (random.below(5) === 0) {
        vault.flush();
        reopen();
      }
      const page = random.below(pages);
      const expected = alive[page] ? null : "PAGE_BURNED";
      expect(
        codeOf(() => read(A, page * PAGE, 50)),
        `seed ${seed}, step ${step}`,
      ).toBe(expected);
      if (alive[page])
        expect(read(A, page * PAGE, 50).equals(bytes.subarray(page * PAGE, page * PAGE + 50))).toBe(true);
    }
    vault.flush();
    expect([...decryptAll().keys()], `seed ${seed}`).toEqual(alive.flatMap((is, page) => (is ? [page] : [])));
  });

  it("waits its turn: one flush burns of at most 64 pads, those that wait longest", () => {
    const names = Array.from({ length: 70 }, (_, i) => i.toString(16).padStart(16, "0"));
    for (const name of names) {
      fill(name, 2);
      keep(name, [1, 2]);
    }
    expect(vault.pending()).toBe(70);
    vault.flush();
    expect(vault.pending()).toBe(6);
    vault.flush();
    expect(vault.pending()).toBe(0);
  });
});

describe("a pad that is retired", () => {
  it("T-01 is gone with its keys, whether it was finished or not, and its name is free", () => {
    fill(A, 2);
    fill(B, 2);
    const unfinished = vault.create("00000000000000cc", PAGE);
    keep(A, [1, 2]);
    for (const name of [A, "00000000000000cc", A]) vault.retire(name);
    expect(vault.pending()).toBe(0);
    expect(codeOf(() => read(A, PAGE, 1))).toBe("PAD_MISSING");
    expect(codeOf(() => keep(A, [0, 1]))).toBe("PAD_MISSING");
    unfinished.discard();
    expect(files()).toEqual([`${B}.keys`, `${B}.pad`]);
    fill(A, 1);
  });
});

describe("the epoch key", () => {
  it("is made for an empty vault only: where there are pads a missing key is a loss", () => {
    fill(A, 1);
    vault.close();
    rmSync(keyPath());
    for (const create of [true, false]) {
      expect(codeOf(() => Vault.open(directory(), keyPath(), { create }))).toBe("KEY_MISSING");
    }
    const other = join(root, "other");
    Vault.open(join(root, "vault2"), other, { create: true }).close();
    vault = Vault.open(directory(), other);
    expect(codeOf(() => read(A, 0, 1))).toBe("KEY_WRONG");
  });

  it("is not taken when it is damaged", () => {
    const key = readFileSync(keyPath());
    for (const bad of [
      key.subarray(0, 51),
      Buffer.alloc(52),
      Buffer.alloc(0),
      Buffer.from(key).fill(key[20]! ^ 1, 20, 21),
    ]) {
      writeFileSync(keyPath(), bad);
      expect(codeOf(() => Vault.open(directory(), keyPath()))).toBe("KEY_WRONG");
    }
    writeFileSync(keyPath(), key);
  });

  it("changes while other processes have the vault open, and they go on", () => {
    const bytes = fill(A, 2);
    const other = Vault.open(directory(), keyPath());
    expect(vault.rotate()).toBe(true);
    const into = Buffer.alloc(10);
    other.read(A, 0, into);
    expect(into.equals(bytes.subarray(0, 10))).toBe(true);
    const writer = other.create(B, PAGE);
    writer.write(bytes.subarray(0, PAGE));
    vault.rotate();
    writer.finish();
    other.close();
    expect(read(B, 0, PAGE).equals(bytes.subarray(0, PAGE))).toBe(true);
    reopen();
    expect(read(B, 0, PAGE).equals(bytes.subarray(0, PAGE))).toBe(true);
  });

  it("changes in steps of 64 pads, between which pads are read, burned, made and retired", () => {
    const names = Array.from({ length: 150 }, (_, i) => i.toString(16).padStart(16, "0"));
    for (const name of names) fill(name, 2);
    expect(vault.rotate()).toBe(false);
    expect(vault.rotating).toBe(true);
    for (const name of names.slice(0, 20)) keep(name, [1, 2]);
    vault.flush();
    vault.retire(names[149]!);
    const made = fill("00000000000000dd", 1);
    expect(vault.rotate()).toBe(false);
    vault.retire(names[30]!);
    expect(vault.rotate()).toBe(true);
    expect(vault.rotating).toBe(false);
    reopen();
    expect(read("00000000000000dd", 0, PAGE).equals(made)).toBe(true);
    for (const name of names.slice(0, 20)) expect(codeOf(() => read(name, 0, 1))).toBe("PAGE_BURNED");
    for (const name of names.slice(31, 149)) expect(read(name, 0, 1)).toHaveLength(1);
  });

  it("tells when its epoch began, which the end of it moves on", () => {
    utimesSync(keyPath(), 1000, 1000);
    expect(vault.epochBegan).toBe(1_000_000);
    vault.rotate();
    expect(vault.epochBegan).toBeGreaterThan(1_700_000_000_000);
  });

  it("stays, the old one too, while a pad's keys are damaged; without that pad it changes", () => {
    fill(A, 1);
    fill(B, 1);
    const path = join(directory(), `${A}.keys`);
    writeFileSync(path, readFileSync(path).fill(0, 60, 70));
    expect(codeOf(() => vault.rotate())).toBe("PAD_CORRUPT");
    expect(vault.rotating).toBe(true);
    reopen();
    expect(vault.rotating).toBe(true);
    expect(read(B, 0, 1)).toHaveLength(1);
    vault.retire(A);
    vault.rotate();
    expect(vault.rotating).toBe(false);
    expect(read(B, 0, 1)).toHaveLength(1);
  });
});

describe("bad files", () => {
  it("have names, and change nothing else", () => {
    expect(codeOf(() => Vault.open(join(root, "nowhere"), keyPath()))).toBe("VAULT_MISSING");
    fill(A, 3);
    fill(B, 3);
    const [keysA, padA] = [join(directory(), `${A}.keys`), join(directory(), `${A}.pad`)];
    const [keys, pad] = [readFileSync(keysA), readFileSync(padA)];
    const spoil = (path: string, bytes: Buffer, code: string, offset = 0) => {
      writeFileSync(path, bytes);
      reopen();
      expect(codeOf(() => read(A, offset, 1))).toBe(code);
      expect(read(B, 0, 1)).toHaveLength(1);
      writeFileSync(keysA, keys);
      writeFileSync(padA, pad);
    };
    spoil(keysA, readFileSync(join(directory(), `${B}.keys`)), "PAD_CORRUPT");
    for (const length of [0, 1, 55, 56, 71, keys.length - 1]) spoil(keysA, keys.subarray(0, length), "PAD_CORRUPT");
    for (const at of [0, 9, 17, 21, 25, 41, 57, keys.length - 1]) {
      const bad = Buffer.from(keys);
      bad[at] = (bad[at] as number) ^ 1;
      spoil(keysA, bad, "PAD_CORRUPT");
    }
    spoil(padA, readFileSync(join(directory(), `${B}.pad`)), "PAD_CORRUPT");
    spoil(padA, pad.subarray(0, 2 * 4112 + 5), "PAD_CORRUPT", 2 * PAGE);
    spoil(padA, Buffer.concat([pad.subarray(4112), pad.subarray(0, 4112)]), "PAD_CORRUPT");
    rmSync(padA);
    reopen();
    expect(codeOf(() => read(A, 0, 1))).toBe("PAD_MISSING");
  });
});

/** What whoever has the files and the epoch key can read of pad A, from the description of the files alone. */
function decryptAll(keysPath: string = join(directory(), `${A}.keys`)): Map<number, Buffer> {
  const pages = new Map<number, Buffer>();
  const file = readFileSync(keysPath);
  const pad = readFileSync(join(directory(), `${A}.pad`));
  const header = file.subarray(0, 56);
  const key = createHmac("sha256", readFileSync(keyPath()).subarray(12, 44)).update(header).digest();
  const nodes = decrypt(key, file.subarray(56), header);
  if (nodes === null) return pages;
  const depth = Math.ceil(Math.log2(header.readUInt32LE(16) / PAGE));
  const walk = (node: number, nodeKey: Buffer) => {
    const page = node - 2 ** depth;
    if (page >= 0) {
      const bytes = decrypt(nodeKey, pad.subarray(page * 4112, (page + 1) * 4112));
      if (bytes !== null) pages.set(page, bytes);
      return;
    }
    const children = hash("sha512", nodeKey, "buffer");
    walk(2 * node, children.subarray(0, 32));
    walk(2 * node + 1, children.subarray(32));
  };
  for (let at = 0; at < nodes.length; at += 36) walk(nodes.readUInt32LE(at), nodes.subarray(at + 4, at + 36));
  return new Map([...pages].sort(([a], [b]) => a - b));
}

function decrypt(key: Uint8Array, bytes: Buffer, associated: Uint8Array = new Uint8Array(0)): Buffer | null {
  if (bytes.length < 16) return null;
  const cipher = createDecipheriv("aes-256-gcm", key, Buffer.alloc(12)).setAAD(associated);
  cipher.setAuthTag(bytes.subarray(-16));
  const text = cipher.update(bytes.subarray(0, -16));
  try {
    return Buffer.concat([text, cipher.final()]);
  } catch {
    return null;
  }
}
