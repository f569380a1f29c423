/** Vectors of kind device about calls and links: CALL, what a link lets pass, SEAL and STATE (docs/SPEC.md sections 8 and 13). */
import * as box from "../box.ts";
import { bytesOf } from "../bytes.ts";
import { type Call, COUNTERS, callVector, END, HELLO, LARGE, MARKS, worldVector } from "./call.ts";
import type { Vector } from "./vector.ts";
import { fillOf, World } from "./world.ts";

export function linkVectors(): Vector[] {
  return [...calling(), ...linking(), ...sealing(), ...states()];
}

function calling(): Vector[] {
  return [
    callVector(
      "call",
      "CALL answers the tag of the next slot, the same as often as it is asked, and uses nothing.",
      "13 CALL",
      (call) => {
        call.calls();
        call.world.does("token", "CALL", { u32: 0 });
        call.shows(...COUNTERS);
        call.reboots();
        call.world.does("token", "CALL", { u32: 0 });
      },
    ),
    callVector("call-skip", "A slot that is given up is burned, and the next one called with.", "13 CALL", (call) => {
      call.calls();
      call.calls(1);
      call.shows(...COUNTERS);
      call.world.does("token", "CALL", { u32: 0 });
      call.shows(...COUNTERS);
      call.showsValue();
      call.isReady();
    }),
    callVector("call-skip-reboot", "A slot that was given up stays given up.", "13 CALL", (call) => {
      call.calls(1);
      call.reboots();
      call.world.does("token", "CALL", { u32: 0 });
      call.shows(...COUNTERS);
    }),
    callVector(
      "call-skip-welcome",
      "A welcome to a slot that was given up cannot be opened any more.",
      "13 READY",
      (call) => {
        call.calls();
        const answer = call.payload();
        call.calls(1);
        call.world.fails("token", "READY", answer, "AUTH_FAILED");
        call.isReady();
      },
    ),
    callVector(
      "call-kept-last",
      "A slot that is kept is said to be, also where it is the last.",
      "13 CALL",
      (call) => {
        call.calls();
        call.isReady();
        for (let i = 0; i < 12; i++) call.world.does("token", "CALL", { u32: 1 });
        call.refusesCall("SLOT_KEPT", 1);
        call.shows(...COUNTERS);
      },
      LARGE,
    ),
    callVector("call-last-slot", "The last slot is not given up: there is none behind it.", "13 CALL", (call) => {
      call.calls(1);
      call.refusesCall("SLOTS_EXHAUSTED", 1);
      call.shows(...COUNTERS);
      call.world.does("token", "CALL", { u32: 0 });
    }),
    callVector("call-exhausted", "When every slot was answered there is no call and no READY.", "13 CALL", (call) => {
      call.links();
      call.links();
      call.refusesCall("SLOTS_EXHAUSTED");
      call.refusesCall("SLOTS_EXHAUSTED", 1);
      call.refusesReady("SLOTS_EXHAUSTED");
      call.seals(box.LAST, HELLO);
      call.shows(...COUNTERS);
    }),
    callVector(
      "call-kept",
      "Twelve slots are given up without an answer, and no more; the thirteenth goes on calling.",
      "13 CALL",
      (call) => {
        for (let i = 0; i < 12; i++) call.world.does("token", "CALL", { u32: 1 });
        call.refusesCall("SLOT_KEPT", 1);
        call.reboots();
        call.refusesCall("SLOT_KEPT", 1);
        call.shows(...COUNTERS);
        call.calls();
        call.isReady();
        call.world.does("token", "CALL", { u32: 0 });
        call.showsValue();
      },
      LARGE,
    ),
    callVector(
      "call-kept-later",
      "The twelve are counted from the last call that was answered.",
      "13 CALL",
      (call) => {
        call.links();
        for (let i = 0; i < 12; i++) call.world.does("token", "CALL", { u32: 1 });
        call.refusesCall("SLOT_KEPT", 1);
      },
      LARGE,
    ),
    callVector("call-arguments", "Skip is 0 or 1.", "13 CALL", (call) => {
      call.refusesCall("BAD_ARGUMENT", 2);
      call.refusesCall("BAD_ARGUMENT", 256);
      call.world.fails("token", "CALL", "", "BAD_ARGUMENT");
      call.world.fails("token", "CALL", { zeros: 8 }, "BAD_ARGUMENT");
      call.shows(...COUNTERS);
    }),
    notTokens(),
    withoutSlots(),
    callVector("token-refuses", "A token makes no bundles and raises nothing.", "8", (call) => {
      call.world.fails("token", "BEGIN", [{ u32: 0xffffffff }, { u32: 0 }], "CALL_FIRST");
      call.world.fails("token", "RAISE", { u32: 2000 }, "WRONG_SIDE");
      call.links();
      call.world.fails("token", "BEGIN", [{ u32: 0xffffffff }, { u32: 0 }], "CALL_FIRST");
      call.world.fails("token", "RAISE", { u32: 2000 }, "WRONG_SIDE");
      call.world.fails("token", "FIND", [{ zeros: 16 }, "10000300", { zeros: 32 }], "SLOT_UNKNOWN");
      call.world.fails("token", "RELEASE_SLOT", { u32: 0 }, "NOT_VERIFIED");
      call.shows(...COUNTERS);
    }),
  ];
}

function notTokens(): Vector {
  const high = fillOf("high", { slots: 1, split: 1384 });
  const world = new World({ low: fillOf("low"), high: fillOf("high"), server: high });
  for (const on of ["low", "high", "server"]) {
    world.fails(on, "CALL", { u32: 0 }, "WRONG_SIDE");
    world.fails(on, "READY", ["30000400", { zeros: 80 }], "WRONG_SIDE");
    world.fails(on, "STATE", { zeros: 12 }, "WRONG_SIDE");
  }
  return worldVector("call-wrong-side", "Only a token calls.", "8", world);
}

function withoutSlots(): Vector {
  const world = new World({ low: fillOf("low", { slots: 0, split: 2000 }) });
  world.fails("low", "CALL", { u32: 0 }, "WRONG_SIDE");
  world.fails("low", "BEGIN", [{ u32: 0xffffffff }, { u32: 0 }], "SLOTS_EXHAUSTED");
  world.fails("low", "RAISE", { u32: 3000 }, "WRONG_SIDE");
  world.does("low", "SEAL", [{ u32: box.LAST }, HELLO]);
  return worldVector(
    "call-no-slots",
    "A pad without slots on either side is no token: it seals without a call.",
    "8",
    world,
  );
}

function linking(): Vector[] {
  return [
    ...[1, 4, 16, 64].map((burnUnit) => {
      const shows = `A whole link at burn unit ${burnUnit}: call, welcome, ready, receipt, boxes up and down, state, and all of down released.`;
      const issue = { burnUnit, chip: { sectors: 10, burnUnit } };
      return callVector(`link-burn-unit-${burnUnit}`, shows, "13", wholeLink, issue);
    }),
    callVector(
      "link-again",
      "After a power cut the next call says which boxes are sent again, and from where it goes on.",
      "13",
      (call) => {
        call.links();
        call.seals(box.DATA, { seed: "text", length: 100 });
        call.world.does("token", "SEAL", [{ u32: box.DATA }, { seed: "text", length: 60, from: 100 }]);
        call.world.does("token", "SEAL", [{ u32: box.DATA }, { seed: "text", length: 30, from: 160 }]);
        call.reboots();
        call.calls();
        call.isReady({ again: 132 + 92, number: 2, welcome: { unfinished: 1 } });
        call.opens(call.server.receipt(4900n, 100n));
        call.shows(...MARKS);
        call.world.does("token", "SEAL", [{ u32: box.LAST }, { seed: "text", length: 40, from: 160 }]);
      },
    ),
    callVector(
      "link-second",
      "A second call in one power session: its READY ends the first link.",
      "13 READY",
      (call) => {
        call.links();
        call.seals(box.LAST, HELLO);
        call.calls();
        call.seals(box.LAST, HELLO);
        call.isReady();
        call.refusesSeal("CALL_FIRST");
        call.refusesState("CALL_FIRST");
        call.opens(call.server.receipt(4000n, 10n));
        call.seals(box.LAST, HELLO);
        call.showsValue();
      },
    ),
    callVector("link-refused", "A READY that is refused does not end the link.", "13 READY", (call) => {
      call.links();
      call.calls();
      call.refusesReady("OLDER", { welcome: { lastCall: 9 } });
      call.refusesReady("BAD_ARGUMENT", { again: 3 });
      call.seals(box.LAST, HELLO);
      call.showsValue();
    }),
    callVector(
      "link-call",
      "CALL, with skip or without, does not end the link.",
      "13 CALL",
      (call) => {
        call.links();
        call.calls();
        call.seals(box.LAST, HELLO);
        call.world.does("token", "CALL", { u32: 1 });
        call.seals(box.LAST, HELLO);
      },
      LARGE,
    ),
    callVector(
      "link-reboot-ready",
      "A power cut between READY and receipt ends the link, and what was allowed stays in the books.",
      "13 READY",
      (call) => {
        call.calls();
        call.isReady({ cap: 70n });
        call.reboots();
        call.showsValue();
        const late = call.server.receipt(4970n, 40n);
        call.opens(late);
        call.refusesSeal("CALL_FIRST");
        call.showsValue();
      },
    ),
    callVector(
      "link-records",
      "READY, STATE and a receipt that is taken write one record each; what is refused writes none.",
      "8",
      (call) => {
        call.shows("journalSequence");
        call.calls();
        call.refusesReady("OLDER", { welcome: { up: 1 } });
        call.shows("journalSequence");
        call.isReady();
        call.shows("journalSequence");
        const receipt = call.server.receipt(4990n, 90n);
        call.opens(receipt);
        call.shows("journalSequence");
        call.opens(receipt);
        call.shows("journalSequence");
        call.states();
        call.shows("journalSequence");
        const grant = call.server.grant(2000);
        call.opens(grant);
        call.shows("journalSequence");
        call.opens(call.server.addresses({ number: 2, addresses: ["tcp://new.example:1"] }));
        call.shows("journalSequence");
        call.opens(call.server.addresses({ number: 2, addresses: ["tcp://new.example:1"] }));
        call.shows("journalSequence");
        call.opens(call.server.seal(box.LAST, bytesOf(HELLO)));
        call.shows("journalSequence");
      },
    ),
  ];
}

function wholeLink(call: Call): void {
  const { server } = call;
  call.calls();
  call.isReady({ cap: 640n, welcome: { notes: 0 } });
  call.shows(...MARKS);
  const receipt = server.receipt(5000n, 640n);
  call.opens(receipt);
  call.showsValue();
  call.seals(box.DATA, { seed: "text", length: 70 });
  call.seals(box.LAST, HELLO);
  const answer = server.seal(box.LAST, bytesOf({ seed: "answer", length: 77 }));
  call.opens(answer);
  const second = server.receipt(4870n, 510n);
  call.opens(second);
  const all = receipt.size + answer.size + second.size;
  call.releases({ ...second, size: all });
  call.states(0n, 1);
  call.opens(server.receipt(4870n, 0n, { flags: 1 }));
  call.showsValue();
  call.shows(...COUNTERS);
}

function sealing(): Vector[] {
  return [
    callVector("seal-before-link", "Nothing is sealed before the receipt of this call.", "13 READY", (call) => {
      call.refusesSeal("CALL_FIRST");
      call.refusesState("CALL_FIRST");
      call.calls();
      call.refusesSeal("CALL_FIRST");
      call.isReady();
      call.refusesSeal("CALL_FIRST");
      call.refusesState("CALL_FIRST");
      call.shows(...COUNTERS);
      call.opens(call.server.receipt(5000n, 100n));
      call.seals(box.LAST, HELLO);
      call.states();
      call.reboots();
      call.refusesSeal("CALL_FIRST");
      call.refusesState("CALL_FIRST");
    }),
    callVector("seal-grant", "A link that needs a grant gets one, in the stream of down.", "13 OPEN", (call) => {
      call.links();
      call.refusesSeal("NEED_GRANT", { seed: "text", length: 1000 });
      call.opens(call.server.grant(3000));
      call.seals(box.LAST, { seed: "text", length: 1000 });
      call.shows(...MARKS);
    }),
    callVector("seal-kinds", "A host cannot make boxes that are the core's own.", "2", (call) => {
      call.links();
      for (const kind of [3, 4, 5, 6, 7, 8, 9, 10]) {
        call.world.fails("token", "SEAL", [{ u32: kind }, { zeros: 20 }], "BAD_ARGUMENT");
      }
      call.shows(...COUNTERS);
    }),
    callVector("open-before-call", "Boxes down open without a call, and the link stays as it is.", "8 OPEN", (call) => {
      const sealed = call.server.seal(box.LAST, bytesOf(HELLO));
      call.opens(sealed);
      call.releases(sealed);
      call.refusesSeal("CALL_FIRST");
      call.shows(...MARKS);
    }),
  ];
}

function states(): Vector[] {
  return [
    callVector(
      "state",
      "STATE says what is released, which receipt is held and what was allowed in all.",
      "13 STATE",
      (call) => {
        call.calls();
        call.isReady({ cap: 100n });
        const receipt = call.server.receipt(5000n, 100n);
        call.opens(receipt);
        call.states();
        call.releases(receipt);
        call.states();
        call.states(0n, 2);
        call.states(0n, 1);
        call.states(0n, 3);
        call.shows(...COUNTERS);
        call.showsValue();
      },
    ),
    callVector("state-cap", "A cap comes on top, in the box and in the open caps.", "13 STATE", (call) => {
      call.links({ cap: 100n });
      call.states(250n);
      call.showsValue();
      call.states(50n);
      call.showsValue();
      call.reboots();
      call.showsValue();
    }),
    callVector(
      "state-receipt-before",
      "A receipt from before a STATE that allowed more leaves open caps; one from behind it says what is open.",
      "13 OPEN",
      (call) => {
        call.links({ cap: 100n });
        const before = call.server.receipt(4950n, 50n);
        call.states(200n);
        call.opens(before);
        call.showsValue();
        call.states(0n);
        call.opens(call.server.receipt(4940n, 240n, { up: 52 }));
        call.showsValue();
        call.states(10n);
        call.opens(call.server.receipt(4930n, 0n, { up: 155 }));
        call.showsValue();
        call.opens(call.server.receipt(4930n, 230n, { up: 156 }));
        call.showsValue();
      },
    ),
    callVector(
      "state-receipt-reboot",
      "After a boot a receipt must know of all that was sealed before it.",
      "13 OPEN",
      (call) => {
        call.links({ cap: 100n });
        call.states(200n);
        call.seals(box.LAST, HELLO);
        call.reboots();
        call.opens(call.server.receipt(4900n, 200n, { up: 88 }));
        call.showsValue();
        call.opens(call.server.receipt(4900n, 190n, { up: 89 }));
        call.showsValue();
      },
    ),
    callVector(
      "state-receipt-next-call",
      "The next READY takes any receipt of its call for what is open.",
      "13 OPEN",
      (call) => {
        call.links({ cap: 100n });
        call.states(200n);
        call.reboots();
        call.calls();
        call.isReady({ cap: 10n });
        call.opens(call.server.receipt(4900n, 10n, { up: 0 }));
        call.showsValue();
      },
    ),
    callVector("state-receipt", "The receipt says what is open then.", "13 OPEN", (call) => {
      call.links({ cap: 100n });
      call.states(200n);
      call.opens(call.server.receipt(4750n, 50n));
      call.showsValue();
      call.states(0n);
    }),
    callVector("state-flags", "Only the bits 0 and 1 of the flags are known.", "13 STATE", (call) => {
      call.links();
      for (const flags of [4, 5, 0x80000000]) call.refusesState("BAD_ARGUMENT", 0n, flags);
      call.world.fails("token", "STATE", { zeros: 11 }, "BAD_ARGUMENT");
      call.world.fails("token", "STATE", { zeros: 13 }, "BAD_ARGUMENT");
      call.shows(...COUNTERS);
    }),
    callVector(
      "state-room",
      "STATE needs room as any box; a grant gives it.",
      "13 STATE",
      (call) => {
        call.links();
        call.refusesState("NEED_GRANT");
        call.shows(...COUNTERS);
        call.opens(call.server.grant(384 + 52));
        call.states();
        call.shows(...COUNTERS);
      },
      { split: 384 + 51 },
    ),
    callVector(
      "state-exhausted",
      "At the furthest split there is no more room for a STATE.",
      "13 STATE",
      (call) => {
        call.links();
        for (let i = 0; i < 3; i++) call.seals(box.DATA, { seed: "text", length: 4096 });
        call.seals(box.DATA, { seed: "text", length: END - 1024 - 384 - 3 * 4128 - 32 - 51 });
        call.refusesState("EXHAUSTED");
        call.shows(...COUNTERS);
        call.refusesSeal("EXHAUSTED", { seed: "text", length: 20 });
        call.seals(box.LAST, { seed: "text", length: 19 });
      },
      { split: END - 1024 },
    ),
  ];
}
