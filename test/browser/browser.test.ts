// One binary everywhere: the very bytes that run in the simulator run in Node with nothing around them, and in a browser, and say the same.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtCore, Flash, Machine } from "../../simulator/index.ts";
import { type Body, bareBody, type ChipShape, concat, fillWithNumbers } from "./body.ts";
import { serveCheckout } from "./checkout-server.ts";
import { type Proof, prove } from "./proof.ts";
import { KINDS, type Vector } from "./vectors.ts";

const FLAGS =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const browser = (process.env.PATH ?? "")
  .split(delimiter)
  .flatMap((directory) => NAMES.map((name) => join(directory, name)))
  .find((path) => existsSync(path));

const BUILD = new URL("../../build/", import.meta.url);
const VECTORS = new URL("../vectors/", import.meta.url);
const device = new Uint8Array(readFileSync(new URL("device.wasm", BUILD)));
const engine = new Uint8Array(readFileSync(new URL("engine.wasm", BUILD)));
const vectors = readdirSync(VECTORS)
  .filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(readFileSync(new URL(name, VECTORS), "utf8")) as Vector)
  .filter(({ kind }) => KINDS.includes(kind));

/** The simulator, as a body. */
function simulatorBody({ sectors, burnUnit, overprogram = true }: ChipShape): Body {
  const flash = new Flash({ sectors, burnUnit, overprogram });
  const machine = new Machine({ core: builtCore(), flash, entropy: fillWithNumbers, presence: "ask" });
  const sent: Uint8Array[] = [];
  machine.onTransmit = (bytes) => sent.push(bytes);
  return {
    boot: (traps = 0) => {
      machine.restore({ ...machine.snapshot(), traps, state: "held" });
      machine.reset();
    },
    feed: (bytes, wait = true) => {
      sent.length = 0;
      machine.feed(bytes);
      if (wait) machine.runUntilIdle();
      return concat(...sent);
    },
    button: (found) => machine.press(found === "pressed" ? "accept" : "reject"),
    put: (address, bytes) => flash.put(address, bytes),
    chip: () => flash.content(0, flash.size),
  };
}

describe("T-18 one binary", () => {
  let inSimulator: Proof;
  let inNode: Proof;

  beforeAll(async () => {
    const module = await WebAssembly.compile(device);
    inSimulator = await prove(device, engine, vectors, simulatorBody);
    inNode = await prove(device, engine, vectors, (chip) => bareBody(module, chip));
  });

  it("passes the vectors in the simulator and in Node with nothing around it, and tells the same story", () => {
    expect(Object.entries(inSimulator.vectors).filter(([, outcome]) => outcome !== "ok")).toEqual([]);
    expect(Object.keys(inSimulator.vectors).length).toBeGreaterThan(200);
    expect(inSimulator.deviceSha256).toBe(builtCore().sha256);
    expect(inSimulator.story.opened).toBe(10);
    expect(inNode).toEqual(inSimulator);
  });

  const absent = browser === undefined && !process.env.CI;
  if (absent) console.log(`skipped: there is no browser to try the builds in (${NAMES.join(", ")})`);

  describe.skipIf(absent)("in a browser", () => {
    const endings: (() => unknown)[] = [];
    afterAll(async () => {
      for (const end of endings.reverse()) await end();
    });

    it("has the same SHA-256, passes the same vectors and tells the same story", async () => {
      const server = await serveCheckout({ "/vectors": vectors });
      endings.push(server.close);
      const chrome = await chromium.launch({
        executablePath: browser ?? "chromium",
        args: FLAGS.split(" "),
        timeout: 0,
      });
      endings.push(() => chrome.close());
      const page = await chrome.newPage();
      const wrong: string[] = [];
      page.on("pageerror", (error) => wrong.push(String(error)));
      await page.goto(`${server.origin}/test/browser/page.html`, { timeout: 0 });
      await page.waitForFunction("globalThis.proof", null, { timeout: 0 }).catch(() => {});
      expect(wrong).toEqual([]);
      const inBrowser = await page.evaluate<Proof>("globalThis.proof");
      expect(inBrowser).toEqual(inSimulator);
      console.log(
        `device.wasm ${inBrowser.deviceSha256} and engine.wasm ${inBrowser.engineSha256}: ${vectors.length} vectors in Chromium ${chrome.version()}`,
      );
    });
  });
});
