// A cut at every change that the vault makes on its disk, with the process killed or the computer without power; a full or failing
// disk at every change; another process at every change. What was said to be there is there, and what was burned is not.

import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { isVaultError, Vault } from "../../../server/vault/index.ts";
import { Random } from "../../../simulator/index.ts";
import { Cut, failure, VolatileDisk } from "./volatile-disk.ts";

const PAGE = 4096;
const DIRECTORY = "/vault";
const KEY = "/key/epoch";
const SEED = Number(process.env.SEED ?? randomBytes(4).readUInt32LE());

const contentOf = (name: string, pages: number): Buffer => {
  const bytes = Buffer.alloc(pages * PAGE);
  new Random(Number.parseInt(name.slice(8), 16)).fill(bytes);
  return bytes;
};
const codeOf = (run: () => unknown): string | null => {
  try {
    run();
    return null;
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    return String(error.code);
  }
};

function disk(): VolatileDisk {
  return new VolatileDisk(new Map(), new Set(["/", "/key"]));
}
const open = (on: VolatileDisk, create = false) => Vault.open(DIRECTORY, KEY, { create, disk: on });

/** What may be found of a pad: the pages that must be readable, those that must not, the others either; and whether it must be there. */
interface Expected {
  there: "yes" | "no" | "either";
  readonly pages: number;
  readable: Set<number>;
  burned: Set<number>;
}

/** A short life of a vault, which tells what it was promised so far. */
class Life {
  readonly pads: Map<string, Expected> = new Map();
  private readonly vault: Vault;
  private kept: [string, number[]][] = [];

  constructor(on: VolatileDisk, create: boolean) {
    this.vault = open(on, create);
  }

  run(): void {
    const { vault } = this;
    this.create("a1", 6);
    this.create("b2", 3);
    this.keep("a1", [0, 4, 5]);
    this.keep("b2", [2]);
    this.flush();
    vault.rotate();
    this.keep("a1", [0, 5]);
    this.create("c3", 1);
    vault.rotate();
    this.retire("b2");
    this.keep("a1", [5]);
    this.flush();
    this.create("b2", 2);
    vault.rotate();
  }

  create(short: string, pages: number): void {
    const name = short.padStart(16, "0");
    const all = Array.from({ length: pages }, (_, page) => page);
    const pad: Expected = { there: "either", pages, readable: new Set(all), burned: new Set() };
    this.pads.set(name, pad);
    const writer = this.vault.create(name, pages * PAGE);
    writer.write(contentOf(name, pages));
    writer.finish();
    pad.there = "yes";
  }

  keep(short: string, pages: number[]): void {
    const name = short.padStart(16, "0");
    const pad = this.pads.get(name) as Expected;
    pad.readable = new Set([...pad.readable].filter((page) => pages.includes(page)));
    this.kept.push([name, pages]);
    this.vault.keep(
      name,
      pages.map((page) => ({ start: page * PAGE, end: (page + 1) * PAGE })),
    );
  }

  flush(): void {
    this.vault.flush();
    for (const [name, pages] of this.kept) {
      const pad = this.pads.get(name) as Expected;
      for (let page = 0; page < pad.pages; page++) if (!pages.includes(page)) pad.burned.add(page);
    }
    this.kept = [];
  }

  retire(short: string): void {
    const name = short.padStart(16, "0");
    const pad = this.pads.get(name) as Expected;
    this.kept = this.kept.filter(([each]) => each !== name);
    pad.there = "either";
    this.vault.retire(name);
    pad.there = "no";
  }
}

/** Reads everything and compares it with what was promised. */
function check(vault: Vault, pads: ReadonlyMap<string, Expected>, where: string): void {
  for (const [name, pad] of pads) {
    const bytes = contentOf(name, pad.pages);
    const codes = Array.from({ length: pad.pages }, (_, page) => {
      const into = Buffer.alloc(PAGE);
      const code = codeOf(() => vault.read(name, page * PAGE, into));
      if (code === null) expect(into.equals(bytes.subarray(page * PAGE, (page + 1) * PAGE)), where).toBe(true);
      return code;
    });
    if (pad.there === "no") expect(new Set(codes), where).toEqual(new Set(["PAD_MISSING"]));
    for (const [page, code] of codes.entries()) {
      const what = `${where}, pad ${name}, page ${page}`;
      if (pad.there === "yes" && pad.readable.has(page)) expect(code, what).toBe(null);
      else if (pad.burned.has(page)) expect(code, what).not.toBe(null);
      if (pad.there === "yes") expect(["PAGE_BURNED", null], what).toContain(code);
      // What a cut left of a retirement.
      else expect(["PAD_MISSING", "PAD_CORRUPT", "KEY_WRONG", "PAGE_BURNED", null], what).toContain(code);
    }
  }
}

/** The vault goes on after whatever happened: pads can be retired, made anew, burned, and the epoch ended. */
function goOn(on: VolatileDisk, life: Life | null, where: string): void {
  const vault = open(on, true);
  const pads = life?.pads ?? new Map<string, Expected>();
  check(vault, pads, where);
  for (const [name, pad] of pads) {
    if (pad.there === "yes") continue;
    vault.retire(name);
    pad.there = "no";
  }
  vault.rotate();
  expect(vault.rotating, where).toBe(false);
  check(vault, pads, `${where}, rotated`);
  const writer = vault.create("00000000000000dd", PAGE);
  writer.write(contentOf("00000000000000dd", 1));
  writer.finish();
  for (const [name, pad] of pads) {
    if (pad.there !== "yes") continue;
    vault.keep(name, []);
    pad.readable = new Set();
    for (let page = 0; page < pad.pages; page++) pad.burned.add(page);
  }
  vault.flush();
  vault.close();
  const again = open(on.afterKill());
  check(again, pads, `${where}, all burned`);
  again.read("00000000000000dd", 0, Buffer.alloc(1));
  again.close();
}

function changesOfALife(): number {
  const on = disk();
  new Life(on, true).run();
  return on.changes;
}

describe("after a cut at any change", () => {
  for (const power of [false, true]) {
    it(`by ${power ? "a loss of power" : "a kill"} every pad is old or new, none is lost, and no burned page is back`, () => {
      const random = new Random(SEED);
      const changes = changesOfALife();
      expect(changes).toBeGreaterThan(100);
      for (let cutAt = 0; cutAt < changes; cutAt++) {
        for (let round = 0; round < (power ? 2 : 1); round++) {
          const on = disk();
          on.cutAt = cutAt;
          let life: Life | null = null;
          try {
            life = new Life(on, true);
            life.run();
          } catch (error) {
            if (!(error instanceof Cut)) throw error;
          }
          const where = `seed ${SEED}, cut at ${cutAt}, round ${round}`;
          goOn(power ? on.afterPowerCut(random) : on.afterKill(), life, where);
        }
      }
    });
  }
});

describe("a disk that fails at any change", () => {
  for (const code of ["ENOSPC", "EIO"]) {
    it(`with ${code} is a named error, after which everything is old or new and the next try succeeds`, () => {
      const changes = changesOfALife();
      for (let failAt = 0; failAt < changes; failAt++) {
        const on = disk();
        let life: Life | null = null;
        on.before = () => {
          if (on.changes - 1 === failAt) throw failure(code);
        };
        const found = codeOf(() => {
          life = new Life(on, true);
          life.run();
        });
        expect(found, `fault at ${failAt}`).toBe(code === "ENOSPC" ? "VAULT_FULL" : "VAULT_FAILED");
        on.before = null;
        goOn(on.afterKill(), life, `${code} at ${failAt}`);
      }
    });
  }

  it("because it is full takes no part of a pad, and burns once there is room", () => {
    const on = disk();
    const life = new Life(on, true);
    life.create("a1", 4);
    for (let room = 0; room < 3 * 4112 + 300; room += 257) {
      on.room = room;
      const vault = open(on);
      expect(
        codeOf(() => {
          const writer = vault.create("00000000000000ee", 3 * PAGE);
          writer.write(contentOf("00000000000000ee", 3));
          writer.finish();
        }),
        `room ${room}`,
      ).toBe(room < 3 * 4112 + 108 ? "VAULT_FULL" : null);
      if (room < 3 * 4112 + 108)
        expect(on.list(DIRECTORY).sort()).toEqual(["00000000000000a1.keys", "00000000000000a1.pad"]);
      vault.close();
    }
    const vault = open(on);
    vault.keep("00000000000000a1", [{ start: 0, end: 1 }]);
    on.room = 50;
    expect(codeOf(() => vault.flush())).toBe("VAULT_FULL");
    expect(vault.pending()).toBe(3);
    on.room = 1000;
    vault.flush();
    expect(vault.pending()).toBe(0);
    expect(codeOf(() => vault.read("00000000000000a1", 0, Buffer.alloc(PAGE)))).toBe(null);
    expect(codeOf(() => vault.read("00000000000000a1", PAGE, Buffer.alloc(1)))).toBe("PAGE_BURNED");
  });
});

describe("another process at any change", () => {
  const issue = (vault: Vault, name: string) => {
    const writer = vault.create(name, 2 * PAGE);
    writer.write(contentOf(name, 2));
    writer.finish();
  };
  const readable = (on: VolatileDisk, names: readonly string[], where: string) => {
    const vault = open(on.afterKill());
    for (const name of names) {
      const into = Buffer.alloc(2 * PAGE);
      expect(
        codeOf(() => vault.read(name, 0, into)),
        where,
      ).toBe(null);
      expect(into.equals(contentOf(name, 2)), where).toBe(true);
    }
    vault.close();
  };

  it("may issue a pad while the server rotates, once or twice, and the pad is not lost", () => {
    for (let at = 0; ; at++) {
      const on = disk();
      const server = open(on, true);
      issue(server, "00000000000000a1");
      const issuer = open(on);
      const start = on.changes;
      let done = false;
      on.before = () => {
        if (done || on.changes - start !== at + 1) return;
        done = true;
        issue(issuer, "00000000000000b2");
      };
      server.rotate();
      on.before = null;
      if (!done) break;
      readable(on, ["00000000000000a1", "00000000000000b2"], `issued at change ${at} of the rotation`);
      server.rotate();
      readable(on, ["00000000000000a1", "00000000000000b2"], `rotated again after change ${at}`);
    }
  });

  it("may rotate twice while a pad is issued, and the pad is not lost", () => {
    for (let at = 0; ; at++) {
      const on = disk();
      const server = open(on, true);
      issue(server, "00000000000000a1");
      const issuer = open(on);
      const start = on.changes;
      let done = false;
      on.before = () => {
        if (done || on.changes - start !== at + 1) return;
        done = true;
        server.rotate();
        server.rotate();
      };
      issue(issuer, "00000000000000b2");
      on.before = null;
      if (!done) break;
      readable(on, ["00000000000000a1", "00000000000000b2"], `rotated at change ${at} of the issue`);
    }
  });

  it("may not burn, rotate or retire while this one does, and may when it has closed", () => {
    const on = disk();
    const server = open(on, true);
    issue(server, "00000000000000a1");
    server.flush();
    const other = open(on);
    const burns = [
      () => other.keep("00000000000000a1", []),
      () => other.flush(),
      () => other.rotate(),
      () => other.retire("00000000000000a1"),
    ];
    for (const burn of burns) expect(codeOf(burn)).toBe("VAULT_BUSY");
    expect(other.pending()).toBe(0);
    other.read("00000000000000a1", 0, Buffer.alloc(1));
    server.keep("00000000000000a1", [{ start: PAGE, end: 2 * PAGE }]);
    server.flush();
    server.rotate();
    server.close();
    other.keep("00000000000000a1", [{ start: 0, end: 2 * PAGE }]);
    expect(codeOf(() => other.read("00000000000000a1", 0, Buffer.alloc(1)))).toBe("PAGE_BURNED");
  });
});

describe("more pads than are kept open", () => {
  it("are all read and burned, and a damaged one does not keep the others from it", () => {
    const on = disk();
    const vault = open(on, true);
    const names = Array.from({ length: 1100 }, (_, i) => i.toString(16).padStart(16, "0"));
    for (const name of names) {
      const writer = vault.create(name, 2 * PAGE);
      writer.write(new Uint8Array(2 * PAGE).fill(7));
      writer.finish();
      vault.keep(name, [{ start: PAGE, end: 2 * PAGE }]);
    }
    on.unlink(`${DIRECTORY}/${names[3]}.pad`);
    const codes = Array.from({ length: 18 }, () => codeOf(() => vault.flush()));
    expect(codes).toEqual(["PAD_MISSING", ...Array.from({ length: 17 }, () => null)]);
    expect(vault.pending()).toBe(0);
    for (const name of names) {
      expect(codeOf(() => vault.read(name, PAGE, Buffer.alloc(9)))).toBe(name === names[3] ? "PAD_MISSING" : null);
      expect(codeOf(() => vault.read(name, 0, Buffer.alloc(9)))).toBe(
        name === names[3] ? "PAD_MISSING" : "PAGE_BURNED",
      );
    }
  });
});

it("an error is told from others by its code", () => {
  let error: unknown;
  try {
    open(disk());
  } catch (caught) {
    error = caught;
  }
  expect(isVaultError(error, "VAULT_MISSING") && error.facts.path).toBe(DIRECTORY);
  expect(isVaultError(error, "VAULT_FULL")).toBe(false);
});
