/** The vectors hold: for the second implementation, which makes them, and for every build of the project. */
import { createHmac } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { type Outcome, runVectors } from "../cli/vectors/index.ts";
import { vectors } from "../cli/vectors.ts";
import { poly1305 } from "./second/box.ts";
import { cobs, crc32, uncobs } from "./second/frame.ts";
import { FOLDER, vectorFiles } from "./second/generate.ts";
import { receiptMac } from "./second/link.ts";

const NAMES = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));
const VECTORS = NAMES.map(
  (name) => JSON.parse(readFileSync(FOLDER + name, "utf8")) as { name: string; kind: string; shows: string },
);
const KINDS = ["box", "run", "device", "frame", "bundle", "journal", "pad", "control", "mac"];

describe("the second implementation", () => {
  it("computes Poly1305 as in RFC 8439 section 2.5.2", () => {
    const key = fromHex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b");
    const message = Buffer.from("Cryptographic Forum Research Group");
    expect(toHex(poly1305(key, message))).toBe("a8061dc1305136c6c22b8baf0c0127a9");
  });

  it("computes the CRC-32 of IEEE 802.3", () => {
    expect(crc32(Buffer.from("123456789"))).toBe(0xcbf43926);
  });

  it("computes HMAC-SHA-256 over the fields of a receipt in their order", () => {
    const key = Buffer.alloc(32, 7);
    const [padId, asset] = [Buffer.alloc(16, 1), Buffer.from("EUR\0\0\0\0\0")];
    const fields = "0200000003000000040000000000000005000000";
    const message = Buffer.concat([Buffer.from("tearpad receipt 1"), padId, asset, fromHex(fields)]);
    const mac = receiptMac(key, padId, asset, { sequence: 2, call: 3, balance: 4n, up: 5 });
    expect(toHex(mac)).toBe(createHmac("sha256", key).update(message).digest("hex").slice(0, 32));
  });

  it.each([
    ["00", "0101"],
    ["0000", "010101"],
    ["11220033", "0311220233"],
    ["11000000", "0211010101"],
    [count(1, 254), `ff${count(1, 254)}`],
    [count(0, 254), `01ff${count(1, 254)}`],
    [count(1, 255), `ff${count(1, 254)}02ff`],
    [`${count(2, 255)}00`, `ff${count(2, 255)}0101`],
    [`${count(3, 255)}0001`, `fe${count(3, 255)}0201`],
  ])("stuffs and unstuffs the published examples of COBS (%#)", (plain, stuffed) => {
    expect(toHex(cobs(fromHex(plain)))).toBe(stuffed);
    expect(toHex(uncobs(fromHex(stuffed)).bytes)).toBe(plain);
  });

  it("makes the committed vectors, all of them and no others", () => {
    const made = vectorFiles();
    expect(NAMES.toSorted()).toEqual([...made.keys()].toSorted());
    for (const [name, content] of made) expect(readFileSync(FOLDER + name, "utf8"), name).toBe(content);
  });
});

describe.each(KINDS)("the builds agree with the vectors of kind %s", (kind) => {
  for (const { name, shows } of VECTORS.filter((vector) => vector.kind === kind)) {
    it(`${name}: ${shows}`, async () => {
      const outcome = await outcomeOf(`${FOLDER}${name}.json`);
      expect(outcome?.why).toBeUndefined();
      expect(outcome?.ok).toBe(true);
    });
  }
});

describe("a vector that does not hold is found", () => {
  it.each([
    ["box-length-16", (text: string) => text.replace(/"item": "10000200../, '"item": "10000200ab')],
    ["box-refused-tag-first", (text: string) => text.replace("AUTH_FAILED", "BAD_ARGUMENT")],
    ["run-up-65537", (text: string) => text.replace(/"sha256": "./, '"sha256": "x')],
    ["device-seal-up", (text: string) => text.replace(/"upUsed": 216/, '"upUsed": 217')],
    ["device-need-grant", (text: string) => text.replace('"detail": 0', '"detail": 1')],
    ["frame-info", (text: string) => text.replace(/00"\n/, '02"\n')],
    ["bundle-cut-before-last", (text: string) => text.replace("TRUNCATED", "AUTH_FAILED")],
    ["bundle-length-1", (text: string) => text.replace(/"text": "../, '"text": "')],
    ["journal-burn-half", (text: string) => text.replace(/\b534\b/, "533")],
    ["device-presence-waiting", (text: string) => text.replace('"command": "BUTTON",', '"command": "REBOOT",')],
    ["device-call-kept", (text: string) => text.replace(/"SLOT_KEPT"/, '"SLOTS_EXHAUSTED"')],
    ["device-older-order", (text: string) => text.replace('"detail": 0', '"detail": 1')],
    ["device-receipt-lower", (text: string) => text.replace(/("reply": "06)01/, "$100")],
    ["device-addresses", (text: string) => text.replace("tcp", "udp").replace("746370", "756470")],
    ["journal-value-highest", (text: string) => text.replace(/("command": "VALUE",[^}]*"reply": ")../, "$107")],
    ["pad-token-16384-64", (text: string) => text.replace("1344", "1384")],
    ["control-receipt-plain", (text: string) => text.replace('"balance": "4990"', '"balance": "4991"')],
    ["control-addresses-cut", (text: string) => text.replace("05616263", "04616263")],
    ["mac-plain", (text: string) => text.replace('"call": 1', '"call": 2')],
    ["journal-identity-missing", (text: string) => text.replace('"section": 3', '"section": 4')],
  ])("%s with another outcome", async (name, change) => {
    const original = readFileSync(`${FOLDER}${name}.json`, "utf8");
    const changed = change(original);
    expect(changed).not.toBe(original);
    const outcome = await outcomeOf(fileWith(changed));
    expect(outcome).toMatchObject({ name, ok: false, why: expect.stringContaining("expected") });
  });
});

describe("tearpad vectors", () => {
  it("prints a line for each vector and a count, and exits 0 when all hold", async () => {
    const { code, out } = await run([`${FOLDER}box-length-0.json`, `${FOLDER}box-opening.json`]);
    expect(out.split("\n")).toEqual([
      expect.stringMatching(/^ok {5}box-length-0 \(.*device.*\)$/),
      expect.stringMatching(/^ok {5}box-opening/),
      "2 vectors, all ok",
      "",
    ]);
    expect(code).toBe(0);
  });

  it("goes on after a failure and exits 1", async () => {
    const { code, out } = await run([fileWith("no JSON"), "/nowhere.json", fileWith("{}"), `${FOLDER}frame-info.json`]);
    expect(out).toMatch(/FAILS .*\nFAILS .*\nFAILS .*\nok .*\n4 vectors, 3 failed\n$/);
    expect(code).toBe(1);
  });

  it("says the same as JSON", async () => {
    const { code, out } = await run(["--json", `${FOLDER}frame-info.json`]);
    expect(JSON.parse(out)).toEqual({
      vectors: 1,
      failed: 0,
      outcomes: [{ name: "frame-info", ok: true, builds: ["device"] }],
    });
    expect(code).toBe(0);
  });

  it("refuses to be told nothing, or something unknown", async () => {
    await expect(run([])).rejects.toMatchObject({ code: "USAGE" });
    await expect(run(["--fast", "x.json"])).rejects.toMatchObject({ code: "USAGE" });
  });
});

async function outcomeOf(file: string): Promise<Outcome | undefined> {
  for await (const outcome of runVectors([file])) return outcome;
  return undefined;
}

function fileWith(content: string): string {
  const file = join(mkdtempSync(join(tmpdir(), "vector-")), "vector.json");
  writeFileSync(file, content);
  return file;
}

async function run(args: string[]): Promise<{ code: number; out: string }> {
  const stdout = new PassThrough();
  const code = await vectors(args, { ...process, stdout: stdout as unknown as typeof process.stdout });
  stdout.end();
  return { code, out: await text(stdout) };
}

/** The bytes from `first` to `last` in hexadecimal. */
function count(first: number, last: number): string {
  return toHex(Uint8Array.from({ length: last - first + 1 }, (_, i) => first + i));
}

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
