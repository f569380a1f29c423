/** Vectors of kind device about control boxes that a token opens: receipts, grants, addresses, and kinds it does not take (docs/SPEC.md section 13). */
import * as box from "../box.ts";
import { u32 } from "../box.ts";
import { bytesOf, hex } from "../bytes.ts";
import { ADDRESSES, COUNTERS, callVector, END, HELLO, type Issue, MARKS, payloadOf, worldVector } from "./call.ts";
import type { Vector } from "./vector.ts";
import { fillOf, World } from "./world.ts";

export function takenVectors(): Vector[] {
  return [...receipts(), ...grants(), ...addresses(), ...gaps(), ...kinds()];
}

/** What a server lost of down. */
function gaps(): Vector[] {
  const refused = "NOT_VERIFIED";
  return [
    callVector(
      "lost",
      "The first box behind what the server lost of down brings that into the verified range.",
      "13 When an older database was put back",
      (call) => {
        call.calls();
        call.server.end.used.down = 500;
        call.isReady({ welcome: { lost: 500 } });
        const receipt = call.server.receipt(4990n, 90n);
        call.opens(receipt);
        call.releases({ ...receipt, offset: END - 300, size: 300 });
        call.releases({ ...receipt, size: receipt.size + 200 });
        call.shows(...MARKS);
      },
    ),
    callVector(
      "lost-not-behind",
      "A box that does not lie at the mark, or in a link whose welcome did not say it, brings nothing with it.",
      "13 When an older database was put back",
      (call) => {
        const gap = [{ u32: END - 300 }, { u32: 300 }];
        call.calls();
        call.server.end.used.down = 500;
        call.isReady({ welcome: { lost: 400 } });
        const receipt = call.server.receipt(4990n, 90n);
        call.opens(receipt);
        call.world.fails("token", "RELEASE", gap, refused);
        call.reboots();
        call.opens(receipt);
        call.world.fails("token", "RELEASE", gap, refused);
        call.releases(receipt);
        call.shows(...MARKS);
      },
    ),
  ];
}

function receipts(): Vector[] {
  return [
    callVector(
      "receipt-higher",
      "A receipt with a higher sequence is taken, also when it skips some.",
      "13 OPEN",
      (call) => {
        call.links();
        call.opens(call.server.receipt(4321n, 21n, { sequence: 40 }));
        call.showsValue();
        call.reboots();
        call.showsValue();
      },
    ),
    callVector(
      "receipt-lower",
      "A receipt with a lower sequence is refused; opening it consumes nothing.",
      "13 OPEN",
      (call) => {
        call.links();
        call.opens(call.server.receipt(4321n, 21n, { sequence: 9 }));
        call.opens(call.server.receipt(9999n, 99n, { sequence: 8 }));
        call.showsValue();
        call.shows(...COUNTERS);
      },
    ),
    callVector("receipt-equal", "A receipt with an equal sequence is refused.", "13 OPEN", (call) => {
      call.links();
      call.opens(call.server.receipt(9999n, 99n, { sequence: 2 }));
      call.showsValue();
    }),
    callVector(
      "receipt-again",
      "The same receipt opened again is refused, and the link goes on.",
      "13 OPEN",
      (call) => {
        call.calls();
        call.isReady();
        const receipt = call.server.receipt(4990n, 90n);
        call.opens(receipt);
        call.opens(receipt);
        call.seals(box.LAST, HELLO);
        call.showsValue();
      },
    ),
    callVector(
      "receipt-not-taken-links",
      "A receipt of this call links also when its sequence is not higher.",
      "13 OPEN",
      (call) => {
        call.calls();
        call.isReady();
        call.opens(call.server.receipt(4990n, 90n, { sequence: 1 }));
        call.showsValue();
        call.seals(box.LAST, HELLO);
      },
    ),
    callVector(
      "receipt-of-earlier-call",
      "A receipt of an earlier call is taken, but the link waits for its own and open caps stay.",
      "13 OPEN",
      (call) => {
        call.calls();
        call.isReady({ cap: 100n });
        call.reboots();
        call.calls();
        call.isReady({ cap: 30n });
        call.opens(call.server.receipt(4950n, 7n, { call: 1 }));
        call.showsValue();
        call.refusesSeal("CALL_FIRST");
        call.opens(call.server.receipt(4940n, 30n));
        call.showsValue();
        call.seals(box.LAST, HELLO);
      },
    ),
    callVector(
      "receipt-of-later-call",
      "A receipt of a call that this device did not make does not link.",
      "13 OPEN",
      (call) => {
        call.calls();
        call.isReady({ cap: 100n });
        call.opens(call.server.receipt(4950n, 7n, { call: 2 }));
        call.showsValue();
        call.refusesSeal("CALL_FIRST");
      },
    ),
    callVector(
      "receipt-without-link",
      "A receipt that is opened without a call is taken and links nothing.",
      "13 OPEN",
      (call) => {
        call.opens(call.server.receipt(4000n, 0n, { call: 0 }));
        call.showsValue();
        call.refusesSeal("CALL_FIRST");
      },
    ),
    callVector(
      "receipt-first",
      "The first receipt of a token that was filled without.",
      "13 OPEN",
      (call) => {
        call.showsValue();
        call.links({ cap: 1n }, 12345678901234n);
        call.showsValue();
      },
      { sequence: 0, balance: 0n },
    ),
    callVector(
      "receipt-flags",
      "Flags of a receipt are for the host: it gets the text as it is.",
      "13 OPEN",
      (call) => {
        call.links();
        call.opens(call.server.receipt(10n, 0n, { flags: 1 }));
        call.opens(call.server.receipt(0n, 0n, { flags: 3 }));
        call.showsValue();
        call.seals(box.LAST, HELLO);
      },
    ),
    callVector("receipt-large", "A balance and open caps of 64 bits.", "14", (call) => {
      call.links();
      call.opens(call.server.receipt(2n ** 64n - 1n, 2n ** 63n + 5n, { sequence: 0xffffffff, up: 0xfffffffe }));
      call.showsValue();
      call.reboots();
      call.showsValue();
    }),
    callVector(
      "receipt-released",
      "Receipts lie in the stream of down and are released with its boxes.",
      "13",
      (call) => {
        call.calls();
        call.isReady();
        const receipt = call.server.receipt(4990n, 90n);
        const answer = call.server.seal(box.LAST, bytesOf({ seed: "answer", length: 10 }));
        call.opens(receipt);
        call.opens(answer);
        call.releases({ ...answer, size: receipt.size + answer.size });
        call.refusesOpen("BOX_USED", payloadOf(receipt));
        call.shows(...MARKS);
        call.showsValue();
      },
    ),
    callVector(
      "receipt-refused-released",
      "A receipt that was refused is verified, and released, all the same.",
      "13 OPEN",
      (call) => {
        call.links();
        const old = call.server.receipt(1n, 1n, { sequence: 1 });
        call.opens(old);
        call.releases(old);
        call.shows(...MARKS);
      },
    ),
    callVector("receipt-forged", "A receipt that is not authentic changes nothing.", "8 OPEN", (call) => {
      call.calls();
      call.isReady();
      const receipt = call.server.receipt(4990n, 90n);
      const item = receipt.item.slice();
      item[12] = (item[12] as number) ^ 1;
      call.refusesOpen("AUTH_FAILED", payloadOf({ ...receipt, item }));
      call.refusesOpen("AUTH_FAILED", payloadOf({ ...receipt, offset: receipt.offset - 1 }));
      call.refusesSeal("CALL_FIRST");
      call.shows("failedTags", ...COUNTERS);
      call.opens(receipt);
    }),
  ];
}

function grants(): Vector[] {
  const refused = (name: string, shows: string, split: number, issue: Issue = {}): Vector => {
    return callVector(
      `grant-${name}`,
      shows,
      "13 OPEN",
      (call) => {
        call.links();
        const grant = call.server.grant(split);
        call.opens(grant);
        call.shows(...COUNTERS);
      },
      issue,
    );
  };
  return [
    callVector(
      "grant-box",
      "A GRANT raises the split, also over a power cycle, and without a link.",
      "13 OPEN",
      (call) => {
        call.opens(call.server.grant(2000));
        call.shows(...COUNTERS);
        call.reboots();
        call.shows(...MARKS);
        call.links();
        call.opens(call.server.grant(5001));
        call.shows(...MARKS);
      },
    ),
    refused("lower", "A GRANT of less than the split held lowers nothing.", 1000),
    refused("same", "A GRANT of the split held changes nothing.", 1384),
    refused("zero", "A GRANT of 0.", 0),
    refused("furthest", "A GRANT to 1,024 below the end is the furthest.", END - 1024),
    refused("too-far", "A GRANT beyond 1,024 below the end is refused.", END - 1023),
    refused("much-too-far", "A GRANT of the highest number there is.", 0xffffffff),
    refused("unaligned", "A GRANT that is no multiple of the burn unit is refused.", 2001, {
      burnUnit: 4,
      chip: { sectors: 10, burnUnit: 4 },
    }),
    callVector(
      "grant-opened",
      "A GRANT into what was opened of down, and not released, is refused.",
      "13 OPEN",
      (call) => {
        call.links();
        call.reboots();
        const answer = call.server.seal(box.LAST, bytesOf({ seed: "answer", length: 3000 }));
        call.opens(answer);
        const far = answer.offset - 36;
        call.opens(call.server.seal(box.GRANT, u32(far + 1)));
        call.shows(...COUNTERS);
        call.opens(call.server.seal(box.GRANT, u32(far - 36)));
        call.shows(...COUNTERS);
        call.releases({ ...answer, offset: far - 36, size: answer.size + 72 });
        call.reboots();
        call.shows(...MARKS);
      },
    ),
    callVector("grant-into-itself", "A GRANT may not reach into its own box.", "13 OPEN", (call) => {
      for (let i = 0; i < 3; i++) call.server.seal(box.LAST, bytesOf({ seed: "unopened", length: 400 }));
      const at = END - 3 * 432 - 36;
      const grant = call.server.seal(box.GRANT, u32(at + 1));
      call.opens(grant);
      call.shows(...COUNTERS);
      const next = call.server.seal(box.GRANT, u32(at - 36));
      call.opens(next);
      call.shows(...COUNTERS);
      call.releases({ ...next, size: 72 });
    }),
    callVector("grant-released", "A GRANT into what was released of down is refused.", "13 OPEN", (call) => {
      call.links();
      const answer = call.server.seal(box.LAST, bytesOf({ seed: "answer", length: 3000 }));
      call.opens(answer);
      call.releases(answer);
      const far = END - 80 - 3032;
      call.opens(call.server.seal(box.GRANT, u32(far + 1)));
      call.shows(...COUNTERS);
      call.opens(call.server.seal(box.GRANT, u32(far - 200)));
      call.shows(...COUNTERS);
    }),
  ];
}

function addresses(): Vector[] {
  const MOVED = ["tcp://moved.example:7300"];
  const malformed = (count: number, bytes: string, number = 2): Uint8Array =>
    bytesOf([{ u32: number }, { u32: count }, bytes]);
  return [
    callVector(
      "addresses",
      "A newer list of addresses is a new identity; it stays over a power cycle.",
      "4",
      (call) => {
        call.showsPage(1);
        call.opens(call.server.addresses({ number: 2, addresses: MOVED }));
        call.showsPage(0);
        call.showsPage(1);
        call.showsPage(2);
        call.reboots();
        call.showsPage(0);
        call.showsPage(1);
        call.showsValue();
        call.links();
      },
    ),
    callVector("addresses-often", "Lists one after the other take the two copies in turn.", "4", (call) => {
      for (const number of [2, 3, 10]) {
        call.opens(call.server.addresses({ number, addresses: [`tcp://host${number}:1`] }));
        call.showsPage(1);
      }
      call.reboots();
      call.showsPage(1);
      call.opens(call.server.addresses({ number: 11, addresses: MOVED }));
      call.showsPage(1);
      call.shows("journalSequence");
    }),
    callVector("addresses-old", "A list that is not newer than the one held is refused.", "13 OPEN", (call) => {
      call.opens(call.server.addresses({ number: 1, addresses: MOVED }));
      call.opens(call.server.addresses({ number: 0, addresses: MOVED }));
      call.showsPage(1);
      call.shows(...COUNTERS);
    }),
    callVector(
      "addresses-malformed",
      "A list that is not right is refused, and the one held stays.",
      "13 OPEN",
      (call) => {
        const wrong = [
          ...[malformed(2, "0161"), malformed(1, "01610162"), malformed(1, "0061"), malformed(0, "0161")],
          ...[malformed(1, "0120"), malformed(1, "017f"), malformed(1, "0361ff61"), malformed(1, "0561626364")],
          ...[malformed(17, "0161".repeat(17)), malformed(1, `c9${"61".repeat(201)}`), malformed(0xffffffff, "0161")],
        ];
        for (const text of wrong) call.opens(call.server.seal(box.ADDRESSES, text));
        call.showsPage(1);
        call.shows(...COUNTERS);
        call.opens(call.server.addresses({ number: 2, addresses: MOVED }));
        call.showsPage(1);
      },
    ),
    callVector(
      "addresses-length",
      "A list of no addresses, or of more than the page holds, is no box of this kind.",
      "8 OPEN",
      (call) => {
        const at = { u32: END - 80 };
        call.refusesOpen("BAD_ARGUMENT", [at, "08000800", { zeros: 24 }]);
        call.refusesOpen("BAD_ARGUMENT", [at, "09000800", { zeros: 25 }]);
        call.refusesOpen("BAD_ARGUMENT", [at, "e5000800", { zeros: 245 }]);
        call.refusesOpen("AUTH_FAILED", [{ u32: END - 260 }, "e4000800", { zeros: 244 }]);
      },
    ),
    callVector("addresses-full", "A list that fills the page, in a box of 228 bytes.", "4", (call) => {
      const list = ["a".repeat(200), "b".repeat(18)];
      call.opens(call.server.addresses({ number: 0xffffffff, addresses: list }));
      call.showsPage(1);
      call.opens(call.server.addresses({ number: 1, addresses: ADDRESSES }));
      call.showsPage(1);
    }),
    callVector("addresses-shortest", "One address of one byte.", "2", (call) => {
      call.opens(call.server.addresses({ number: 2, addresses: ["~"] }));
      call.showsPage(1);
    }),
    callVector(
      "addresses-first",
      "The first list of a token that was filled without.",
      "13 OPEN",
      (call) => {
        call.opens(call.server.addresses({ number: 1, addresses: MOVED }));
        call.showsPage(1);
      },
      { addresses: [], list: 0 },
    ),
  ];
}

function kinds(): Vector[] {
  const every: [number, number][] = [
    [box.SLOT, 16],
    [box.OPENING, 16],
    [box.WELCOME, 48],
    [box.READY, 64],
    [box.STATE, 20],
    [10, 20],
  ];
  const header = (kind: number, length: number): string => hex(u32(length + kind * 65536));
  const pair = new World({ low: fillOf("low"), high: fillOf("high") });
  for (const on of ["low", "high"]) {
    for (const [kind, length] of [...every, [box.RECEIPT, 48], [box.GRANT, 4], [box.ADDRESSES, 20]] as const) {
      const at = { u32: on === "low" ? 12000 : 4000 };
      pair.fails(on, "OPEN", [at, header(kind, length), { zeros: length + 16 }], "BAD_ARGUMENT");
    }
  }
  return [
    callVector(
      "kind-wrong",
      "A token opens no kinds but DATA, LAST, RECEIPT, GRANT and ADDRESSES.",
      "8 OPEN",
      (call) => {
        for (const [kind, length] of every) {
          call.refusesOpen("BAD_ARGUMENT", [{ u32: 12000 }, header(kind, length), { zeros: length + 16 }]);
        }
      },
    ),
    worldVector("kind-wrong-pair", "Two people have no boxes but DATA and LAST.", "8 OPEN", pair),
    callVector("kind-length", "Boxes of a link have the length of their kind.", "8 OPEN", (call) => {
      for (const [kind, length] of [
        [box.RECEIPT, 47],
        [box.RECEIPT, 49],
        [box.GRANT, 3],
        [box.GRANT, 8],
      ] as const) {
        call.refusesOpen("BAD_ARGUMENT", [{ u32: 12000 }, header(kind, length), { zeros: length + 16 }]);
      }
    }),
    callVector("kind-other", "The kind of a box is in its tag: a GRANT is no DATA.", "2", (call) => {
      const grant = call.server.grant(2000);
      const item = grant.item.slice();
      item[2] = box.DATA;
      call.refusesOpen("AUTH_FAILED", payloadOf({ ...grant, item }));
      call.opens(grant);
    }),
  ];
}
