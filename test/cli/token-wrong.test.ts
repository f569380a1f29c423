// What goes wrong with tokens and servers on the command line: each has its name and its exit code, and changes nothing.

import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Desk } from "./shell.ts";
import { type Balance, Shop, type Sold, type Token } from "./shop.ts";

const desk = new Desk();
let shop: Shop;
let token: Sold;
let before: { server: Token; device: Balance; entries: number };

beforeAll(async () => {
  shop = await Shop.open(desk, "srv");
  token = await shop.sell("t.tearpad", 500, "--limit", "100");
  before = await standing();
});

/** Where both ends and the books stand. */
async function standing(): Promise<typeof before> {
  const [server, device, { entries }] = await Promise.all([
    shop.show(token),
    shop.balance(token),
    shop.statement(token),
  ]);
  return { server, device, entries: entries.length };
}

/** Nothing of all that changed anything. */
afterAll(async () => {
  expect(await standing()).toEqual(before);
  await shop.audit();
  await shop.stop();
});

describe("a token's owner", () => {
  const to = (...more: string[]): string[] => ["--device", token.image, ...more];

  test("forgets a part of the command, or writes it in a way that it is not", async () => {
    writeFileSync(desk.path("text"), "text");
    const commands = [
      ["send", ...to()],
      ["run", "sum", "1..100", ...to()],
      ["request", "echo", "{not json", ...to()],
      ["request", "echo", '"hex:zz"', ...to()],
      ["request", "echo", '{"bytes":"hex:123"}', ...to()],
      ["call", ...to("--cap", "-1")],
      ["call", ...to("--server", "http://127.0.0.1:80")],
    ];
    await Promise.all(commands.map((command) => desk.fails(2, "USAGE", command)));
    await desk.fails(2, "NO_FILE", ["send", "nothing", ...to()]);
    await desk.fails(2, "NO_FILE", ["run", "./sum", "1..2", "--fee", "9", ...to()]);
  });

  test("wants the output where it cannot be: that is known before the device is asked", async () => {
    await desk.fails(16, "OUTPUT_EXISTS", ["fetch", "file", ...to("--out", "text")]);
    await desk.fails(13, "DISK_FAILED", ["fetch", "file", ...to("--out", "no/where")]);
    await desk.fails(13, "DISK_FAILED", ["run", "sum", "1..2", "--fee", "9", ...to("--out", "no/where")]);
    expect(readdirSync(desk.directory).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  test("takes a pair's device for a token, or one that is blank", async () => {
    await desk.ok(["pair", "pair", "--size", "64K"]);
    const marks = await desk.info("pair.low.tearpad");
    const { pad } = await desk.fails(10, "NOT_A_TOKEN", ["call", "--device", "pair.low.tearpad"]);
    expect(pad).toBe("No pad bytes were used and no money was moved.");
    await desk.fails(10, "NOT_A_TOKEN", ["call", "--device", shop.blank("blank.tearpad", 65_536)]);
    expect((await desk.info("pair.low.tearpad")).up).toEqual(marks.up);
    expect(String(await desk.ok(["balance", "pair.low.tearpad"]))).toMatch(/^value +none/);
  });

  test("calls somebody who is no server of tokens, or who says nothing", async () => {
    const chatter = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(0, "127.0.0.1");
    await once(chatter, "listening");
    const { port } = chatter.address() as { port: number };
    const servers = [`tcp://127.0.0.1:${port}`, "tcp://127.0.0.1:1"];
    const { facts, message } = await desk.fails(18, "NO_ADDRESS_ANSWERED", [
      "call",
      ...to(...servers.flatMap((server) => ["--server", server])),
    ]);
    expect((facts.tried as unknown as { address: string }[]).map(({ address }) => address)).toEqual(servers);
    for (const server of servers) expect(message).toContain(server);
    chatter.close();
  });
});

describe("a server's operator", () => {
  test("names a directory, a token or a tariff that is not there", async () => {
    await desk.fails(24, "SERVER_MISSING", ["audit", "nowhere"]);
    await desk.fails(24, "SERVER_MISSING", ["serve", "nowhere"]);
    await desk.fails(25, "TOKEN_UNKNOWN", ["token", "show", "srv", "0123456789abcdef"]);
    await desk.fails(25, "TOKEN_UNKNOWN", ["token", "cancel", "srv", "nobody", "--yes"]);
    await desk.fails(2, "USAGE", ["token", "credit", "srv", token.name, "--price", "5"]);
    await desk.fails(2, "USAGE", ["token", "credit", "srv", token.name, "--price", "5", "--key", ""]);
    await desk.fails(25, "BAD_PRICE", [
      "issue",
      "srv",
      shop.blank("dear"),
      "--price",
      "9".repeat(18),
      "--tariff",
      "dear",
    ]);
    await desk.fails(25, "BAD_PRICE", ["token", "credit", "srv", token.name, "--price", "0", "--key", "k"]);
    expect(desk.exists("nowhere")).toBe(false);
  });

  test("sells into a device that holds a pad already: it and the books stay as they are", async () => {
    const { tokens } = await shop.json<{ tokens: Token[] }>(["token", "list", "srv"]);
    const vault = readdirSync(desk.path("srv", "vault"));
    for (const image of [token.image, "pair.low.tearpad"]) {
      await desk.fails(10, "NOT_BLANK", ["issue", "srv", image, "--price", "5"]);
    }
    expect((await shop.json<{ tokens: Token[] }>(["token", "list", "srv"])).tokens).toEqual(tokens);
    expect(readdirSync(desk.path("srv", "vault"))).toEqual(vault);
  });

  test("starts a second process, takes a port that is taken, or a directory that has a server", async () => {
    await desk.fails(23, "SERVER_BUSY", ["serve", "srv"]);
    await desk.fails(16, "SERVER_EXISTS", ["serve", "srv", "--create"]);
    await desk.fails(23, "ADDRESS_IN_USE", ["serve", "second", "--create", "--listen", shop.address]);
    await desk.fails(2, "USAGE", ["serve", "third", "--create", "--listen", "127.0.0.1"]);
    expect(desk.exists("third")).toBe(false);
  });

  test("makes a server where none can be: nothing is left of it, and it ends", async () => {
    writeFileSync(desk.path("a-file"), "");
    await desk.fails(24, "SERVER_NOT_MADE", ["serve", "a-file/srv", "--create"]);
    await desk.fails(24, "SERVER_NOT_MADE", ["serve", "a-file", "--create"]);
    expect(readFileSync(desk.path("a-file"), "utf8")).toBe("");
    if (process.platform !== "linux") return;
    await desk.fails(24, "SERVER_NOT_MADE", ["serve", "/proc/nope/srv", "--create"]);
    await desk.fails(13, "DISK_FAILED", ["call", "--device", token.image], { env: { TEARPAD_HOME: "/proc/nope" } });
    // A disk that is full in the middle: no file gets larger than 8 KiB.
    const { status } = await desk.run(["serve", "small", "--create"], { shell: "trap '' XFSZ; ulimit -f 8" });
    expect([status, desk.exists("small")]).toEqual([13, false]);
  });

  test("serves the books of one server from a second directory, by links", async () => {
    mkdirSync(desk.path("double"));
    for (const name of ["config.json", "tearpad.db", "vault", "limits.log", "keys"]) {
      symlinkSync(desk.path("srv", name), desk.path("double", name));
    }
    await desk.fails(23, "SERVER_BUSY", ["serve", "double", "--listen", "tcp://127.0.0.1:0"]);
  });

  test("writes a configuration that is wrong, or loses a key: the server does not start, and says where", async () => {
    mkdirSync(desk.path("spoilt", "keys"), { recursive: true });
    const config = readFileSync(desk.path("srv", "config.json"), "utf8");
    const place = desk.path("spoilt", "config.json");
    writeFileSync(place, config.replace('"answerAfterMs"', '"answerAfter"'));
    const unknown = await desk.fails(24, "CONFIG_UNKNOWN_KEY", ["serve", "spoilt"]);
    expect(unknown.facts).toEqual({ path: expect.stringMatching(/config\.json$/), key: "answerAfter" });
    writeFileSync(place, `${config}}`);
    await desk.fails(24, "CONFIG_UNREADABLE", ["audit", "spoilt"]);
    writeFileSync(place, config.replace('"tcp:', '"udp:'));
    await desk.fails(24, "CONFIG_INVALID", ["serve", "spoilt"]);
    writeFileSync(place, config);
    await desk.fails(24, "SECRET_MISSING", ["serve", "spoilt"]);
  });
});

describe("a database that is not what it was", () => {
  const database = (): string => desk.path("broken", "tearpad.db");

  beforeAll(async () => {
    await shop.stop();
    cpSync(desk.path("srv"), desk.path("broken"), { recursive: true });
    await shop.serve();
  });

  test("missing, of something else, or newer than this program: neither served nor touched", async () => {
    renameSync(database(), `${database()}.away`);
    await desk.fails(24, "STORE_MISSING", ["serve", "broken"]);
    await desk.fails(24, "STORE_MISSING", ["token", "list", "broken"]);

    const foreign = new Database(database());
    foreign.exec("CREATE TABLE recipe (name TEXT)");
    foreign.close();
    await desk.fails(24, "STORE_FOREIGN", ["audit", "broken"]);
    writeFileSync(database(), "no database at all, but a text of some length ".repeat(99));
    await desk.fails(24, "STORE_FOREIGN", ["serve", "broken"]);

    copyFileSync(`${database()}.away`, database());
    const newer = new Database(database());
    newer.pragma("user_version = 999");
    newer.close();
    const digest = readFileSync(database());
    await desk.fails(24, "STORE_NEWER", ["serve", "broken"]);
    expect(readFileSync(database()).equals(digest)).toBe(true);
    renameSync(`${database()}.away`, database());
    await desk.ok(["audit", "broken"]);
  });

  test.skipIf(process.platform === "win32")("read-only: it is named, and nothing is written beside it", async () => {
    const writable: string[] = [];
    const freeze = (path: string): void => {
      if (statSync(path).isDirectory()) {
        for (const name of readdirSync(path)) freeze(`${path}/${name}`);
        chmodSync(path, 0o555);
        writable.push(path);
      } else chmodSync(path, 0o444);
    };
    freeze(desk.path("broken"));
    chmodSync(desk.directory, 0o755);
    // Root may write everything, unless it gives that up (setpriv comes with every Linux that has a root shell).
    const preload = `
      import { spawnSync } from "node:child_process";
      if (process.getuid?.() === 0 && !process.env.PLAIN) {
        const words = ["--bounding-set", "-dac_override,-dac_read_search", process.execPath, ...process.argv.slice(1)];
        const env = { ...process.env, PLAIN: "1" };
        process.exit(spawnSync("setpriv", words, { stdio: "inherit", env }).status ?? 99);
      }`;
    await desk.fails(24, "STORE_READ_ONLY", ["token", "list", "broken"], { preload });
    for (const path of writable) chmodSync(path, 0o755);
  });

  test("a vault that is gone is named before anything is served", async () => {
    rmSync(desk.path("broken", "vault"), { recursive: true });
    await desk.fails(24, "VAULT_MISSING", ["serve", "broken"]);
  });
});
