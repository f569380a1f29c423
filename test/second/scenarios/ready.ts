/** Vectors of kind device about READY: who is older, what a welcome may say, and presence (docs/SPEC.md section 13). */
import * as box from "../box.ts";
import { u32 } from "../box.ts";
import { type Bytes, bytesOf, hex } from "../bytes.ts";
import { type Call, COUNTERS, callVector, END, HELLO, MARKS, MOST } from "./call.ts";
import type { Vector } from "./vector.ts";

export function readyVectors(): Vector[] {
  return [...older(), ...welcomes(), ...presence()];
}

function older(): Vector[] {
  /** After a link in which 37 bytes went up and a receipt of 80 down was released. */
  const later = (call: Call): void => {
    call.calls();
    call.isReady();
    const receipt = call.server.receipt(4990n, 90n);
    call.opens(receipt);
    call.seals(box.LAST, HELLO);
    call.releases(receipt);
    call.calls();
  };
  const refused = (number: number, shows: string, welcome: Record<string, number>, name = `${number}`): Vector => {
    return callVector(`older-${name}`, shows, "13 READY", (call) => {
      later(call);
      call.refusesReady("OLDER", { welcome });
      call.showsValue();
      call.shows(...COUNTERS);
      call.isReady();
    });
  };
  return [
    refused(1, "The server has opened more than the device has sealed: the device is the older one.", { up: 38 }),
    refused(2, "The server knows of more released than the device: the device is the older one.", {
      released: 81,
      down: 100,
    }),
    refused(3, "A call of a later slot became a link: the device is the older one.", { lastCall: 2 }),
    refused(4, "The device has released more than the server sealed: the server is the older one.", {
      down: 79,
      released: 0,
    }),
    refused(5, "The device has a higher split: the server is the older one.", { split: 1383 }),
    refused(6, "The device has a newer receipt: the server is the older one.", { receiptSequence: 1 }),
    refused(
      1,
      "When several do not hold the first is answered: 1 before all.",
      { up: 99, released: 99, down: 0, lastCall: 9, split: 0, receiptSequence: 0 },
      "order",
    ),
    refused(
      3,
      "When several do not hold the first is answered: 3 before 4.",
      { lastCall: 9, down: 0, released: 0, split: 0, receiptSequence: 0 },
      "order-3",
    ),
    refused(
      5,
      "When several do not hold the first is answered: 5 before 6.",
      { split: 1000, receiptSequence: 0 },
      "order-5",
    ),
    callVector("older-none", "Everything at its edge holds.", "13 READY", (call) => {
      later(call);
      call.isReady({ welcome: { up: 37, down: 80, released: 80, split: 1384, lastCall: 1, receiptSequence: 2 } });
    }),
    callVector(
      "older-apart",
      "A server that has gone further down, and knows of less, is not older; nor is one with a newer receipt.",
      "13 READY",
      (call) => {
        later(call);
        call.isReady({
          again: 37,
          welcome: { up: 0, down: 500, released: 0, split: 1500, lastCall: 0, receiptSequence: 9 },
        });
        call.shows(...MARKS);
      },
    ),
  ];
}

function welcomes(): Vector[] {
  return [
    callVector(
      "ready-forged",
      "A welcome that is not authentic is counted and changes nothing.",
      "13 READY",
      (call) => {
        call.calls();
        const right = hex(bytesOf(call.payload()));
        const flipped = (at: number): string => {
          const bytes = bytesOf(right);
          bytes[at] = (bytes[at] as number) ^ 1;
          return hex(bytes);
        };
        for (const at of [4, 20, 51, 52, 67]) call.world.fails("token", "READY", flipped(at), "AUTH_FAILED");
        call.shows("failedTags", ...COUNTERS);
        call.showsValue();
        call.isReady();
      },
    ),
    callVector("ready-header", "Another header than that of a WELCOME.", "13 READY", (call) => {
      call.calls();
      const rest = hex(bytesOf(call.payload())).slice(8);
      for (const header of ["30000500", "2f000400", "30000401", "00000000"]) {
        call.world.fails("token", "READY", header + rest, "BAD_ARGUMENT");
      }
      call.world.fails("token", "READY", `30000400${rest.slice(2)}`, "BAD_ARGUMENT");
      call.world.fails("token", "READY", `30000400${rest}00`, "BAD_ARGUMENT");
      call.world.fails("token", "READY", "", "BAD_ARGUMENT");
      call.shows("failedTags", ...COUNTERS);
    }),
    callVector("ready-random", "What leaves a server that does not know the tag is no welcome.", "13", (call) => {
      call.world.does("token", "CALL", { u32: 0 });
      const nothing: Bytes = ["30000400", { seed: "random", length: 64 }, { zeros: 16 }];
      call.world.fails("token", "READY", nothing, "AUTH_FAILED");
      call.shows("failedTags", ...COUNTERS);
      call.calls();
      call.isReady();
    }),
    callVector(
      "ready-twice",
      "A welcome is answered once: its slot is burned, and the next one has another key.",
      "13 READY",
      (call) => {
        call.calls();
        const payload = call.payload();
        call.isReady();
        call.world.fails("token", "READY", payload, "AUTH_FAILED");
        call.showsValue();
      },
    ),
    callVector(
      "ready-reserved",
      "Reserved bytes and notes of a welcome change nothing in the answer.",
      "13",
      (call) => {
        call.calls();
        const { end } = call.server;
        const text = box.concat(
          Uint8Array.of(7, 1, 2, 3),
          u32(0, 0, 0, 1384, 0, 1, 3, 0),
          new Uint8Array(12).fill(0xaa),
        );
        const item = end.sealAt(16, end.slice(16, 80), "down", box.WELCOME, text);
        call.world.does("token", "READY", [hex(item), { u32: 0 }, { u32: 0 }, { u64: "100" }]);
      },
    ),
    callVector("ready-split", "The welcome's split is taken with READY.", "13 READY", (call) => {
      call.server.end.split = 4000;
      call.calls();
      call.isReady();
      call.shows(...MARKS);
      call.reboots();
      call.shows(...MARKS);
    }),
    callVector("ready-split-refused", "A split that low could not take.", "13 READY", (call) => {
      call.calls();
      call.refusesReady("BAD_ARGUMENT", { welcome: { split: END - 1023 } });
      call.refusesReady("BAD_ARGUMENT", { welcome: { split: 0xffffffff } });
      call.shows(...COUNTERS);
      call.isReady({ welcome: { split: END - 1024 } });
    }),
    callVector(
      "ready-split-released",
      "A split within what was released of down cannot be taken.",
      "13 READY",
      (call) => {
        call.links();
        const boxes = [call.server.seal(box.LAST, bytesOf({ seed: "answer", length: 2000 }))];
        for (const sealed of boxes) {
          call.opens(sealed);
          call.releases(sealed);
        }
        call.calls();
        call.refusesReady("BAD_ARGUMENT", { welcome: { split: END - 80 - 2032 + 1 } });
        call.isReady({ welcome: { split: END - 80 - 2032 } });
      },
    ),
    callVector(
      "ready-split-opened",
      "A split within what was opened of down, and may be released yet, cannot be taken.",
      "13 READY",
      (call) => {
        const sealed = call.server.seal(box.LAST, bytesOf({ seed: "answer", length: 2000 }));
        call.opens(sealed);
        call.calls();
        call.refusesReady("BAD_ARGUMENT", { welcome: { split: sealed.offset + 1 } });
        call.shows(...COUNTERS);
        call.isReady({ welcome: { split: sealed.offset } });
        call.releases(sealed);
        call.reboots();
        call.shows(...MARKS);
      },
    ),
    callVector(
      "ready-split-forgotten",
      "What was opened before a boot may not be released any more, and does not count.",
      "13 READY",
      (call) => {
        const sealed = call.server.seal(box.LAST, bytesOf({ seed: "answer", length: 2000 }));
        call.opens(sealed);
        call.reboots();
        call.calls();
        call.isReady({ welcome: { split: sealed.offset + 1 } });
        call.shows(...MARKS);
      },
    ),
    callVector(
      "ready-split-unaligned",
      "A split, and an again, that are no multiple of the burn unit.",
      "13 READY",
      (call) => {
        call.links();
        call.seals(box.LAST, HELLO);
        call.calls();
        call.refusesReady("BAD_ARGUMENT", { welcome: { split: 1385 } });
        call.refusesReady("BAD_ARGUMENT", { welcome: { up: 0 }, again: 38 });
        call.isReady({ welcome: { up: 0, split: 1388 }, again: 36 });
      },
      { burnUnit: 4, chip: { sectors: 10, burnUnit: 4 } },
    ),
    callVector(
      "ready-again-refused",
      "Again lies between the welcome's up mark and what was used.",
      "13 READY",
      (call) => {
        call.links();
        call.seals(box.LAST, HELLO);
        call.calls();
        call.refusesReady("BAD_ARGUMENT", { again: 36 });
        call.refusesReady("BAD_ARGUMENT", { again: 38 });
        call.refusesReady("BAD_ARGUMENT", { again: 0xffffffff });
        call.refusesReady("BAD_ARGUMENT", { again: 38, welcome: { up: 0 } });
        call.isReady({ again: 37 });
      },
    ),
    callVector(
      "ready-presence-last",
      "What is wrong with a READY is said before the button is looked at.",
      "13 READY",
      (call) => {
        call.calls();
        call.refusesReady("BAD_ARGUMENT", { again: 1, cap: 2000n });
        call.refusesReady("OLDER", { cap: 2000n, welcome: { up: 1 } });
        call.refusesReady("PRESENCE", { cap: 2000n });
      },
    ),
    callVector(
      "ready-number",
      "The number of the next box, and notes for the host, pass through as they are.",
      "13",
      (call) => {
        call.calls();
        call.isReady({ number: 0xfffffffe, welcome: { notes: 7, unfinished: 12 } });
      },
    ),
    callVector(
      "ready-notes",
      "VALUE shows the notes of the welcome of this link and what of down is lost, and nothing of either without a link.",
      "14",
      (call) => {
        call.calls();
        call.refusesReady("BAD_ARGUMENT", { again: 1, welcome: { notes: 6 } });
        call.showsValue();
        call.isReady({ welcome: { notes: 1, lost: 70_000 } });
        call.showsValue();
        call.opens(call.server.receipt(4990n, 90n));
        call.showsValue();
        call.calls();
        call.refusesReady("OLDER", { welcome: { notes: 2, up: 1 } });
        call.showsValue();
        call.isReady({ welcome: { notes: 0xfe } });
        call.showsValue();
        call.reboots();
        call.showsValue();
      },
    ),
    callVector("ready-caps", "Caps of calls whose receipts did not come add up.", "14", (call) => {
      call.calls();
      call.isReady({ cap: 300n });
      call.showsValue();
      call.reboots();
      call.calls();
      call.isReady({ cap: 45n });
      call.showsValue();
    }),
    callVector(
      "ready-caps-highest",
      "Open caps stay at the highest number there is: what the device shows as sure is never more than it is.",
      "14",
      (call) => {
        call.calls();
        call.isReady({ cap: MOST });
        call.reboots();
        call.calls();
        call.isReady({ cap: 5n });
        call.showsValue();
      },
      { limit: MOST },
    ),
    callVector("ready-other-slot", "The welcome of another slot.", "13 READY", (call) => {
      call.calls();
      const { end } = call.server;
      const at = end.slotAt("low", 1) + 16;
      const text = box.concat(u32(0, 0, 0, 0, 1384, 0, 1, 0), new Uint8Array(16));
      const item = end.sealAt(at, end.slice(at, 80), "down", box.WELCOME, text);
      call.world.fails("token", "READY", [hex(item), { zeros: 16 }], "AUTH_FAILED");
    }),
    callVector("ready-reflected", "A welcome that is sealed in the other direction.", "2", (call) => {
      call.calls();
      const { end } = call.server;
      const text = box.concat(u32(0, 0, 0, 0, 1384, 0, 1, 0), new Uint8Array(16));
      const item = end.sealAt(16, end.slice(16, 80), "up", box.WELCOME, text);
      call.world.fails("token", "READY", [hex(item), { zeros: 16 }], "AUTH_FAILED");
    }),
  ];
}

function presence(): Vector[] {
  return [
    callVector(
      "presence-waiting",
      "Above the owner's limit the device waits for the button; nothing has changed until then.",
      "13 READY",
      (call) => {
        call.calls();
        call.refusesReady("PRESENCE", { cap: 1001n });
        call.refusesReady("PRESENCE", { cap: 1001n });
        call.shows(...COUNTERS);
        call.showsValue();
        call.button("pressed");
        call.isReady({ cap: 1001n });
        call.showsValue();
      },
    ),
    callVector("presence-refused", "Refused at the button, and asked again.", "13 READY", (call) => {
      call.calls();
      call.refusesReady("PRESENCE", { cap: 5000n });
      call.button("refused");
      call.refusesReady("PRESENCE", { cap: 5000n });
      call.shows(...COUNTERS);
      call.showsValue();
      call.refusesReady("PRESENCE", { cap: 5000n });
      call.button("pressed");
      call.isReady({ cap: 5000n });
    }),
    callVector("presence-limit", "Up to the limit nobody is asked.", "13 READY", (call) => {
      call.calls();
      call.isReady({ cap: 1000n });
      call.showsValue();
    }),
    callVector(
      "presence-zero",
      "Without a limit every cap but 0 is above it.",
      "13 READY",
      (call) => {
        call.calls();
        call.refusesReady("PRESENCE", { cap: 1n });
        call.isReady({ cap: 0n });
        call.showsValue();
      },
      { limit: 0n },
    ),
    callVector(
      "presence-large",
      "Caps and limits have 64 bits.",
      "13 READY",
      (call) => {
        call.calls();
        call.refusesReady("PRESENCE", { cap: 0x1_0000_0001n });
        call.isReady({ cap: 0x1_0000_0000n });
        call.showsValue();
      },
      { limit: 0x1_0000_0000n },
    ),
    callVector(
      "presence-highest",
      "The highest limit there is.",
      "13 READY",
      (call) => {
        call.calls();
        call.isReady({ cap: MOST });
        call.showsValue();
      },
      { limit: MOST },
    ),
    callVector(
      "presence-state",
      "STATE asks when all caps of the link together are above the limit.",
      "13 STATE",
      (call) => {
        call.links({ cap: 900n });
        call.states(100n);
        call.refusesState("PRESENCE", 1n);
        call.button("refused");
        call.refusesState("PRESENCE", 1n);
        call.shows(...COUNTERS);
        call.showsValue();
        call.refusesState("PRESENCE", 1n);
        call.button("pressed");
        call.states(1n);
        call.showsValue();
      },
    ),
    callVector("presence-state-again", "One press is for one cap.", "13 STATE", (call) => {
      call.links({ cap: 900n });
      call.refusesState("PRESENCE", 200n);
      call.button("pressed");
      call.states(200n);
      call.refusesState("PRESENCE", 1n);
      call.showsValue();
    }),
    callVector("presence-of-each-link", "Another link begins at its own cap.", "13 STATE", (call) => {
      call.links({ cap: 900n });
      call.links({ cap: 900n });
      call.states(100n);
      call.refusesState("PRESENCE", 1n);
    }),
    callVector("presence-stale", "What was pressed before the device asked does not count.", "13 Presence", (call) => {
      call.calls();
      call.button("pressed");
      call.refusesReady("PRESENCE", { cap: 2000n });
      call.refusesReady("PRESENCE", { cap: 2000n });
      call.shows(...COUNTERS);
      call.button("pressed");
      call.isReady({ cap: 2000n });
      call.opens(call.server.receipt(5000n, 2000n));
      call.button("pressed");
      call.refusesState("PRESENCE", 1n);
      call.button("pressed");
      call.states(1n);
    }),
    callVector("presence-stale-refused", "Nor does what was refused before.", "13 Presence", (call) => {
      call.calls();
      call.button("refused");
      call.refusesReady("PRESENCE", { cap: 2000n });
      call.button("refused");
      call.refusesReady("PRESENCE", { cap: 2000n });
      call.button("pressed");
      call.refusesReady("PRESENCE", { cap: 2000n });
      call.button("pressed");
      call.isReady({ cap: 2000n });
    }),
    callVector("presence-reboot", "A question ends with the power: it is asked again.", "13 Presence", (call) => {
      call.calls();
      call.refusesReady("PRESENCE", { cap: 2000n });
      call.reboots();
      call.button("pressed");
      call.refusesReady("PRESENCE", { cap: 2000n });
      call.button("pressed");
      call.isReady({ cap: 2000n });
    }),
    callVector(
      "presence-next",
      "An answer is for the next command that needs one, and one that needs none leaves it.",
      "13 Presence",
      (call) => {
        call.links({ cap: 900n });
        call.refusesState("PRESENCE", 500n);
        call.button("pressed");
        call.states(100n);
        call.calls();
        call.isReady({ cap: 1001n });
        call.opens(call.server.receipt(5000n, 1001n));
        call.refusesState("PRESENCE", 1n);
      },
    ),
    callVector("presence-state-nothing", "A STATE that allows nothing more asks nobody.", "13 STATE", (call) => {
      call.calls();
      call.refusesReady("PRESENCE", { cap: 3000n });
      call.button("pressed");
      call.isReady({ cap: 3000n });
      call.opens(call.server.receipt(5000n, 3000n));
      call.states(0n, 1);
    }),
  ];
}
