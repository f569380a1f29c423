import { createHash } from "node:crypto";
import { copyFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Desk } from "./shell.ts";

const FIXTURES = fileURLToPath(new URL("../fixtures/", import.meta.url));
const DOWN_SHA256 = "9fe726c4e7c42aec32818ad5ff25da42cbd3bed0d5b45abfd43a4ed27e1f71a5";

describe.each(readdirSync(FIXTURES))("images of %s", (version) => {
  const desk = new Desk();
  for (const name of readdirSync(`${FIXTURES}${version}`))
    copyFileSync(`${FIXTURES}${version}/${name}`, desk.path(name));

  it("stand at the marks at which they were left", async () => {
    const low = JSON.parse((await desk.run(["device", "info", "pair.low.tearpad", "--json"])).stdout.toString());
    const high = JSON.parse((await desk.run(["device", "info", "pair.high.tearpad", "--json"])).stdout.toString());
    expect([low.up.used, low.down.used, low.nextSlot, low.split]).toEqual([137, 9096, 2, 22528]);
    expect([high.up.used, high.down.used, high.nextSlot, high.split]).toEqual([67, 14160, 2, 22528]);
  });

  it("open the bundles that were sealed for them", async () => {
    const up = await desk.run(["open", "up.bundle", "--device", "pair.high.tearpad"]);
    expect(up.stdout.toString()).toBe("a note that waits for a later version\n");
    const down = await desk.run(["open", "down.bundle", "--device", "pair.low.tearpad"]);
    expect(createHash("sha256").update(down.stdout).digest("hex")).toBe(DOWN_SHA256);
  });

  it("go on from there", async () => {
    const sealed = await desk.run(["seal", "--device", "pair.low.tearpad", "--out", "new.bundle"], { input: "onward" });
    expect(sealed.status).toBe(0);
    expect((await desk.run(["open", "new.bundle", "--device", "pair.high.tearpad"])).stdout.toString()).toBe("onward");
  });
});
