// The services that answer within the debit: what each of them promises, through the desk, with a real store and ledger.

import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findOrder, handOver, registeredPad, SERVICE_CLASSES, ShelfError } from "../../../server/service/index.ts";
import { Random } from "../../../simulator/random.ts";
import { Desk, type Token } from "./desk.ts";

const SEED = Number(process.env.SEED ?? 20_261_120);
const PART = 262_144;

let desk: Desk;
let token: Token;

beforeEach(() => {
  desk = new Desk();
  token = desk.token(1, 1000n);
});
afterEach(() => desk.close());

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());

function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.u32());
}

describe("T-26 the catalogue", () => {
  test("T-26 has a working sample of each class, paid by its tariff and sealed into the answer", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tearpad-software-"));
    writeFileSync(join(folder, "tool-1.0.tar"), text("a tool"));
    const fees = { catalogue: 1n, echo: 2n, software: 3n, goods: 4n, store: 5n };
    const shop = new Desk({ fees, software: folder, goods: [{ item: "coffee", asset: "TPD", price: 250n }] });
    const buyer = shop.token(1, 1000n);
    const paid = async (service: string, body: unknown): Promise<[bigint, unknown]> => {
      const before = shop.value(buyer);
      const answer = await shop.ask(buyer, service, body);
      return [before - shop.value(buyer), answer];
    };

    const [fee, listed] = await paid("catalogue", {});
    const { services } = listed as { services: { name: string; class: string; fee: bigint }[] };
    expect(fee).toBe(1n);
    expect(new Set(services.map((service) => service.class))).toEqual(new Set(SERVICE_CLASSES));
    expect(services.find(({ name }) => name === "goods")).toEqual({ name: "goods", class: "goods", fee: 4n });

    expect(await paid("echo", text("information"))).toEqual([2n, text("information")]);
    const download = { action: "get", name: "tool-1.0.tar", offset: 0, length: PART };
    expect(await paid("software", download)).toEqual([
      3n,
      { bytes: text("a tool"), size: 6, sha256: sha256(text("a tool")) },
    ]);
    const [price, order] = await paid("goods", { action: "order", item: "coffee", count: 2 });
    expect(price).toBe(504n);
    expect(order).toMatchObject({
      item: "coffee",
      count: 2,
      price: 500n,
      code: expect.stringMatching(/^[0-9A-Z]{16}$/),
    });
    expect(shop.has("provider", "goods")).toBe(504n);
    expect((await paid("store", { action: "list" }))[0]).toBe(5n);
    const calculation = { action: "run", program: "sum", input: text("1..100"), mostFee: 5 };
    expect(await paid("compute", calculation)).toMatchObject([2n, { output: text("5050") }]);
    expect(shop.balanced()).toBe(true);
    await shop.close();
  });

  test("T-26 an order that cannot be paid leaves no order", async () => {
    const shop = new Desk({
      goods: [
        { item: "coffee", asset: "TPD", price: 250n },
        { item: "tea", asset: "EUR", price: 1n },
      ],
    });
    const poor = shop.token(1, 249n);
    expect(await shop.refusal(poor, "goods", { action: "order", item: "coffee", count: 1 })).toBe("INSUFFICIENT");
    expect(await shop.refusal(poor, "goods", { action: "order", item: "tea", count: 1 })).toBe("REFUSED");
    expect(await shop.refusal(poor, "goods", { action: "order", item: "milk", count: 1 })).toBe("NOT_FOUND");
    expect(await shop.refusal(poor, "goods", { action: "order", item: "coffee", count: -1 })).toBe("BAD_BODY");
    expect(shop.store.db.prepare("SELECT count(*) FROM goods_order").pluck().get()).toBe(0);
    expect(shop.value(poor)).toBe(249n);
    expect(shop.balanced()).toBe(true);
    await shop.close();
  });

  test("T-26 the code of a confirmation is good for the goods, once", async () => {
    const shop = new Desk({ goods: [{ item: "coffee", asset: "TPD", price: 2n }] });
    const { code } = (await shop.ask(shop.token(1, 10n), "goods", { action: "order", item: "coffee", count: 3 })) as {
      code: string;
    };
    const { store } = shop;
    for (const wrong of ["0000000000000000", "", code.slice(1), `${code}0`]) {
      expect(() => handOver(store, wrong)).toThrow(expect.objectContaining({ code: "ORDER_UNKNOWN", facts: {} }));
    }
    expect(findOrder(store, code)).toEqual({ item: "coffee", count: 3, handedOver: false });
    // As somebody may write it down.
    const read = code.toLowerCase().replaceAll("0", "o").replaceAll("1", "l").replace(/^.{8}/, "$& - ");
    expect(handOver(store, read)).toEqual({ item: "coffee", count: 3, handedOver: true });
    expect(() => handOver(store, code)).toThrow(expect.objectContaining({ code: "HANDED_OVER" }));
    expect(findOrder(store, code)).toMatchObject({ handedOver: true });
    expect(shop.disk().includes(code)).toBe(false);
    await shop.close();
  });
});

describe("T-38 what tokens send is bytes, and nothing else", () => {
  const marker = join(tmpdir(), `tearpad-executed-${process.pid}`);
  const payloads: [name: string, bytes: Uint8Array][] = [
    ["a shell script", text(`#!/bin/sh\ntouch ${marker}\n`)],
    ["a program of Windows", text(`MZ\u0000\u0003 ${marker} This program cannot be run in DOS mode.`)],
    ["an ELF program", Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0)],
    ["a page with a script", text(`<script>require("fs").writeFileSync("${marker}", "")</script>`)],
    ["a statement", text(`'); DROP TABLE file; --${marker}`)],
    ["a command", text(`$(touch ${marker})`)],
  ];

  test.each(payloads)("T-38 %s comes back as it was, and was not executed", async (name, bytes) => {
    expect(await desk.ask(token, "echo", bytes)).toEqual(bytes);
    await desk.ask(token, "store", { action: "put", name, offset: 0, bytes, end: true });
    expect(await desk.ask(token, "store", { action: "get", name, offset: 0, length: PART })).toMatchObject({
      size: bytes.length,
    });
    expect(existsSync(marker)).toBe(false);
    expect(desk.disk().includes(marker)).toBe(false);
  });

  test("T-38 a name can be words of any kind, and never a path", async () => {
    const name = "../../../$(touch x)'; --";
    await desk.ask(token, "store", { action: "put", name, offset: 0, bytes: text("inert"), end: true });
    expect(await desk.ask(token, "store", { action: "list" })).toMatchObject({ files: [{ name, size: 5 }] });
    expect(desk.disk().includes("touch x")).toBe(false);
  });
});

describe("T-42 fields that would say who somebody is", () => {
  test("T-42 are refused by the schema of every service, and stored nowhere", async () => {
    const email = "erika.mustermann@example.org";
    const bodies: [service: string, body: object][] = [
      ["catalogue", {}],
      ["register", { number: "123456" }],
      ["store", { action: "list" }],
      ["store", { action: "put", name: "n", offset: 0, bytes: text("x"), end: true }],
      ["goods", { action: "order", item: "coffee", count: 1 }],
      ["software", { action: "list" }],
      ["market", { action: "list", after: "" }],
      ["market", { action: "offer", name: "o", price: 1, digest: sha256(text("x")), bytes: text("x"), into: "value" }],
      ["compute", { action: "list" }],
      ["compute", { action: "run", program: "sum", input: text("1..2"), mostFee: 1 }],
    ];
    for (const [service, body] of bodies) {
      for (const more of [
        { email },
        { name_of_owner: "Erika Mustermann" },
        { ip: "192.0.2.17" },
        { card: "4111111111111111" },
      ]) {
        expect(await desk.refusal(token, service, { ...body, ...more }), service).toBe("BAD_BODY");
      }
    }
    expect(await desk.refusal(token, "register", { number: email })).toBe("BAD_BODY");
    const offer = {
      action: "offer",
      name: email,
      price: 1,
      digest: sha256(text("x")),
      bytes: text("x"),
      into: "value",
    };
    expect(await desk.refusal(token, "market", offer)).toBe("BAD_BODY");
    for (const word of [email, "Mustermann", "192.0.2.17", "4111111111111111"])
      expect(desk.disk().includes(word)).toBe(false);
    expect(desk.value(token)).toBe(1000n);
  });

  test("T-42 are not repeated by the error either", async () => {
    const body = { action: "put", name: "secret", offset: "secret", bytes: "secret", end: "secret", secret: "secret" };
    const error = await desk.ask(token, "store", body).catch((caught: unknown) => caught);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('secret"');
    expect((error as Error).message).toBe(
      'The service "store" does not take this body: missing or of another kind at offset.',
    );
  });

  test("bodies of every other shape are refused by name", async () => {
    const shapes = [
      null,
      undefined,
      0,
      "",
      [],
      true,
      new Map(),
      new Uint8Array(PART + 1),
      { action: "__proto__" },
      2n ** 70n,
    ];
    for (const service of desk.services) {
      for (const shape of shapes) {
        if (service.name === "catalogue" && shape instanceof Map) continue; // an empty map is what it takes
        expect(await desk.refusal(token, service.name, shape), service.name).toBe("BAD_BODY");
      }
    }
  });
});

describe("T-46 the number that the owner chooses", () => {
  test("T-46 finds the token's account from then on", async () => {
    expect(await desk.ask(token, "register", { number: "20260017" })).toEqual({ number: "20260017" });
    expect(registeredPad(desk.store, "20260017")).toBe(token.pad);
    expect(registeredPad(desk.store, "20260018")).toBe(null);
    // A request that comes again under another id is not a second choice.
    expect(await desk.refusal(token, "register", { number: "20260017" })).toBe(null);
  });

  test("T-46 is refused when it is taken, and another one can be chosen", async () => {
    const other = desk.token(2, 10n);
    await desk.ask(token, "register", { number: "20260017" });
    const error = await desk.ask(other, "register", { number: "20260017" }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "TAKEN", message: expect.stringContaining("choose another one") });
    await desk.ask(other, "register", { number: "20260018" });
    expect(registeredPad(desk.store, "20260018")).toBe(other.pad);
    expect(registeredPad(desk.store, "20260017")).toBe(token.pad);
  });

  test("T-46 is chosen once", async () => {
    await desk.ask(token, "register", { number: "20260017" });
    expect(await desk.refusal(token, "register", { number: "20260018" })).toBe("REFUSED");
    expect(registeredPad(desk.store, "20260018")).toBe(null);
    for (const number of ["12345", "1".repeat(21), "12345a", "", " 123456"]) {
      expect(await desk.refusal(token, "register", { number })).toBe("BAD_BODY");
    }
  });
});

describe("the store", () => {
  const put = (name: string, offset: number, bytes: Uint8Array, end: boolean, who: Token = token) =>
    desk.ask(who, "store", { action: "put", name, offset, bytes, end });
  const refusedPut = (name: string, offset: number, bytes: Uint8Array, end: boolean) =>
    desk.refusal(token, "store", { action: "put", name, offset, bytes, end });
  const get = async (name: string, offset: number, length: number, who: Token = token) =>
    (await desk.ask(who, "store", { action: "get", name, offset, length })) as {
      bytes: Uint8Array;
      size: number;
      version: Uint8Array;
    };

  test("gives back any part of a file that came in parts", async () => {
    const random = new Random(SEED);
    const content = randomBytes(random, 400_000);
    for (let at = 0; at < content.length; ) {
      const end = Math.min(content.length, at + 4096 + (random.u32() % 100_000));
      await put("file", at, content.subarray(at, end), end === content.length);
      at = end;
    }
    for (let round = 0; round < 50; round += 1) {
      const offset = random.u32() % (content.length + 1000);
      const length = 1 + (random.u32() % PART);
      const { bytes, size } = await get("file", offset, length);
      expect(size).toBe(content.length);
      expect(Buffer.compare(bytes, content.subarray(offset, offset + length)), `seed ${SEED}, round ${round}`).toBe(0);
    }
  });

  test("shows nothing of a file before its end, and replaces the one before at once", async () => {
    await put("file", 0, text("the first"), true);
    const { version } = await get("file", 0, 100);
    await put("file", 0, new Uint8Array(5000).fill(1), false);
    expect((await get("file", 0, 100)).bytes).toEqual(text("the first"));
    expect(await desk.ask(token, "store", { action: "list" })).toEqual({
      files: [{ name: "file", size: 9 }],
      begun: [{ name: "file", size: 5000 }],
      used: 5009,
      quota: 1_000_000,
    });
    expect(await refusedPut("other", 5000, text("x"), true)).toBe("OUT_OF_ORDER");
    await put("file", 5000, text("end"), true);
    const second = await get("file", 4999, 100);
    expect(second.bytes).toEqual(Uint8Array.of(1, ...text("end")));
    expect(second.version).not.toEqual(version);
    expect(await desk.ask(token, "store", { action: "list" })).toMatchObject({ used: 5003 });
    expect(desk.store.db.prepare("SELECT count(*) FROM file_part").pluck().get()).toBe(2);
  });

  test("takes parts in their order only, and begins again at 0", async () => {
    await put("file", 0, new Uint8Array(4096), false);
    expect(await refusedPut("file", 4095, text("x"), true)).toBe("OUT_OF_ORDER");
    expect(await refusedPut("file", 8192, text("x"), true)).toBe("OUT_OF_ORDER");
    await put("file", 0, text("short"), true);
    expect((await get("file", 0, 100)).bytes).toEqual(text("short"));
    expect(await refusedPut("file", 4096, text("x"), true)).toBe("OUT_OF_ORDER");
    expect(await refusedPut("file", 0, new Uint8Array(100), false)).toBe("BAD_BODY");
  });

  test("gives back what was begun when it begins again", async () => {
    for (let part = 0; part < 4; part += 1) await put("file", part * 250_000, new Uint8Array(250_000), false);
    expect(await refusedPut("file", 1_000_000, text("x"), true)).toBe("LIMIT");
    await put("file", 0, new Uint8Array(250_000), false);
    expect(await desk.ask(token, "store", { action: "list" })).toMatchObject({ files: [], used: 250_000 });
  });

  test("tells how much of a file was begun and what it was, so that whoever has the same goes on there", async () => {
    const look = (name: string) => desk.ask(token, "store", { action: "look", name });
    const chained = (...parts: Uint8Array[]) =>
      parts.reduce<Uint8Array>(
        (digest, part) => new Uint8Array(createHash("sha256").update(digest).update(part).digest()),
        new Uint8Array(0),
      );
    expect(await look("file")).toEqual({ size: 0, whole: false, parts: [], digest: new Uint8Array(0) });
    const parts = [5000, 4096, 3].map((length, index) => new Uint8Array(length).fill(index + 1));
    await put("file", 0, parts[0]!, false);
    await put("file", 5000, parts[1]!, false);
    const begun = { size: 9096, whole: false, parts: [5000, 4096], digest: chained(parts[0]!, parts[1]!) };
    expect(await look("file")).toEqual(begun);
    await put("file", 9096, parts[2]!, true);
    const whole = { size: 9099, whole: true, parts: [5000, 4096, 3], digest: chained(...parts) };
    expect(await look("file")).toEqual(whole);
    await put("file", 0, parts[0]!, false);
    expect(await look("file")).toMatchObject({ size: 5000, whole: false });
    expect(desk.disk().includes(Buffer.from(whole.digest))).toBe(false);
  });

  test("keeps what one token stores from every other", async () => {
    const other = desk.token(2, 10n);
    await put("file", 0, text("mine"), true);
    await put("file", 0, text("yours"), true, other);
    expect((await get("file", 0, 100)).bytes).toEqual(text("mine"));
    await desk.ask(other, "store", { action: "drop", name: "file" });
    expect(await desk.refusal(other, "store", { action: "get", name: "file", offset: 0, length: 1 })).toBe("NOT_FOUND");
    expect(await desk.refusal(other, "store", { action: "drop", name: "file" })).toBe("NOT_FOUND");
    expect((await get("file", 0, 100)).bytes).toEqual(text("mine"));
  });

  test("has a bound for the bytes and for the files of a token, and gives both back", async () => {
    const quarter = new Uint8Array(250_000);
    for (const name of ["a", "b", "c", "d"]) await put(name, 0, quarter, true);
    expect(await refusedPut("e", 0, text("x"), true)).toBe("LIMIT");
    // To replace one takes room for both, until it is whole.
    expect(await refusedPut("a", 0, text("x"), true)).toBe("LIMIT");
    await desk.ask(token, "store", { action: "drop", name: "d" });
    for (let count = 4; count <= 100; count += 1) await put(`file ${count}`, 0, text("x"), true);
    expect(await refusedPut("one more", 0, text("x"), true)).toBe("LIMIT");
  });

  test("has nothing on the disk in clear", async () => {
    await put("the name of the file", 0, text("the content of the file"), true);
    expect(desk.disk().includes("name of the file")).toBe(false);
    expect(desk.disk().includes("content of the file")).toBe(false);
  });
});

describe("software", () => {
  test("comes in parts that have the digest of the whole", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tearpad-software-"));
    const content = randomBytes(new Random(SEED), 300_000);
    writeFileSync(join(folder, "tool"), content);
    symlinkSync("/etc/passwd", join(folder, "passwd"));
    const shop = new Desk({ software: folder });
    const buyer = shop.token(1, 10n);
    expect(await shop.ask(buyer, "software", { action: "list" })).toEqual({
      files: [{ name: "tool", size: 300_000, sha256: sha256(content) }],
    });
    const part = (offset: number, length: number) =>
      shop.ask(buyer, "software", { action: "get", name: "tool", offset, length });
    const parts = [await part(0, PART), await part(PART, PART), await part(300_000, 1)] as { bytes: Uint8Array }[];
    expect(sha256(Buffer.concat(parts.map(({ bytes }) => bytes)))).toEqual(sha256(content));
    for (const name of ["passwd", "nothing"]) {
      expect(await shop.refusal(buyer, "software", { action: "get", name, offset: 0, length: 1 })).toBe("NOT_FOUND");
    }
    for (const name of ["../passwd", "/etc/passwd", ".", "tool\u0000"]) {
      expect(await shop.refusal(buyer, "software", { action: "get", name, offset: 0, length: 1 })).toBe("BAD_BODY");
    }
    utimesSync(join(folder, "tool"), 1, 1);
    expect(await shop.refusal(buyer, "software", { action: "get", name: "tool", offset: 0, length: 1 })).toBe(
      "REFUSED",
    );
    await shop.close();
    writeFileSync(join(folder, "No Name"), "");
    expect(() => new Desk({ software: folder })).toThrow(ShelfError);
    expect(() => new Desk({ software: join(folder, "nowhere") })).toThrow(ShelfError);
  });
});
