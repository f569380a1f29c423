/**
 * The firmware's USB part against a strict controller and a host that checks every toggle.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { showsBoards } from "./firmware-board.ts";
import { CLAIMS } from "./usb-claims.ts";
import { findUsbDefect, USB_DEFECTS } from "./usb-defects.ts";
import { buildEcho, EchoBoard } from "./usb-echo.ts";

describe.skipIf(!showsBoards("firmware"))("the firmware on USB", () => {
  let image: Uint8Array;
  beforeAll(() => {
    image = buildEcho();
  });

  for (const [claim, holds] of Object.entries(CLAIMS)) test(claim, () => holds(new EchoBoard(image)));

  // Before B2 nothing may be aborted (erratum RP2040-E2).
  for (const [claim, holds] of Object.entries(CLAIMS))
    test(`B0 and B1: ${claim}`, () => holds(new EchoBoard(image, 1)));

  // All of them are planted by the torture.
  test.each(["AVAILABLE comes with the rest", "half a frame stays"])("the planted defect is found: %s", (name) => {
    expect(findUsbDefect(USB_DEFECTS[name]!)).not.toBeNull();
  });
});
