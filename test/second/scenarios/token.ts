import { u32 } from "../box.ts";
import { type Bytes, bytesOf, hex } from "../bytes.ts";
import { addressBytes } from "../link.ts";
import { callVector, MARKS, MOST, tokenFill, worldVector } from "./call.ts";
import type { Vector } from "./vector.ts";
import { type Fill, fillOf, fillPayload, World } from "./world.ts";

export function tokenVectors(): Vector[] {
  return [...filling(), ...values()];
}

function filling(): Vector[] {
  const fill = tokenFill({ padLength: 8192 });
  const whole = hex(bytesOf(fillPayload(fill)));
  const changed = (at: number, bytes: string): string =>
    whole.slice(0, 2 * at) + bytes + whole.slice(2 * at + bytes.length);
  /** Another list behind it: its number of addresses, and its bytes as they are. */
  const listed = (count: number, bytes: string): string => changed(160, hex(u32(count))).slice(0, 336) + bytes;
  const blank = (name: string, shows: string, play: (world: World) => void): Vector => {
    const world = new World({ device: null });
    play(world);
    return worldVector(`fill-token${name}`, shows, "10", world);
  };
  const fills = (world: World, of: Fill, payload: Bytes = fillPayload(of)): void => {
    world.does("device", "FILL", payload);
    for (let from = 0; from < of.padLength; from += 4096) {
      world.does("device", "WRITE", [{ u32: from }, { ...of.pad, from, length: 4096 }]);
    }
    world.does("device", "COMMIT", [of.key, of.tag]);
  };
  const refuses = (world: World, ...payloads: string[]): void => {
    for (const payload of payloads) world.fails("device", "FILL", payload, "BAD_ARGUMENT");
  };
  const address = (length: number, byte = "61"): string => hex(u32(length)).slice(0, 2) + byte.repeat(length);
  const page0: [number, number][] = [
    [32, 40],
    [252, 256],
  ];
  return [
    blank(
      "",
      "A token is filled with asset, limit, first receipt and addresses: VALUE and PAGE show them.",
      (world) => {
        fills(world, fill);
        world.does("device", "VALUE", "");
        world.does("device", "PAGE", { u32: 0 }, ...page0);
        world.does("device", "PAGE", { u32: 1 });
        world.does("device", "PAGE", { u32: 2 });
        world.shows("device", "state", "side", "slotsLow", "slotsHigh", "journalSequence", ...MARKS);
      },
    ),
    blank("-reboot", "The first receipt stands in the journal, and the rest in the identity.", (world) => {
      fills(world, fill);
      world.reboots("device");
      world.does("device", "VALUE", "");
      world.does("device", "PAGE", { u32: 1 });
    }),
    blank("-short", "A token may be filled without value: everything of it is zero.", (world) => {
      fills(world, fillOf("low", { slots: 1, padLength: 8192, split: 692 }));
      world.does("device", "VALUE", "");
      world.does("device", "PAGE", { u32: 0 }, ...page0);
      world.does("device", "PAGE", { u32: 1 });
    }),
    blank("-again", "A second FILL, without value, leaves nothing of the first one's.", (world) => {
      world.does("device", "FILL", fillPayload(fill));
      fills(world, fillOf("low", { slots: 1, padLength: 8192, split: 692 }));
      world.does("device", "VALUE", "");
      world.does("device", "PAGE", { u32: 0 }, ...page0);
      world.does("device", "PAGE", { u32: 1 });
    }),
    blank("-no-receipt", "Receipt sequence 0 is no receipt yet; an asset may have eight letters.", (world) => {
      const none = { padLength: 8192, sequence: 0, balance: 0n, asset: "POINTS24", limit: MOST };
      fills(world, tokenFill({ ...none, addresses: [], list: 0 }));
      world.does("device", "VALUE", "");
      world.does("device", "PAGE", { u32: 1 });
    }),
    blank("-no-receipt-ignored", "With receipt sequence 0 balance and MAC are 0, whatever stands there.", (world) => {
      fills(world, fill, changed(128, "00000000"));
      world.reboots("device");
      world.does("device", "VALUE", "");
    }),
    blank("-reserved", "The reserved word at 132 is ignored.", (world) => {
      world.does("device", "FILL", changed(132, "01020304"));
    }),
    blank("-length", "The longer form has 168 to 388 bytes.", (world) => {
      const long = whole + "00".repeat(389 - whole.length / 2);
      refuses(world, whole.slice(0, 226), whole.slice(0, 334), long, whole.slice(0, 222));
      world.shows("device", "state", "journalSequence");
    }),
    blank("-slots", "The longer form is for slots on the low side alone, and for that side.", (world) => {
      refuses(world, changed(2, "00"), changed(2, "02"), changed(2, "03"), changed(2, "04"));
      refuses(world, changed(0, "01"));
    }),
    blank("-fields", "The fields before 112 are checked as in the shorter form, and in its order.", (world) => {
      refuses(world, changed(0, "02"), changed(3, "00"), changed(4, "00100000"), changed(14, "0300"));
      refuses(world, changed(8, "bf000000"), changed(8, "011c0000"), changed(8, "ffffffff"));
      world.fails("device", "FILL", changed(1, "02"), "SUITE_UNKNOWN");
      world.does("device", "FILL", changed(8, "001c0000"));
    }),
    blank("-addresses-wrong", "Addresses that are not right are found last, at 160.", (world) => {
      refuses(world, listed(17, address(1).repeat(17)));
      refuses(world, listed(0xffffffff, address(1)));
      refuses(world, listed(1, ""), listed(0, address(1)));
      refuses(world, listed(1, address(1) + address(1)), listed(2, address(1)));
      refuses(world, listed(1, "00"), listed(2, `${address(3)}00`), listed(1, "0561626364"));
      refuses(world, listed(1, address(201)));
      refuses(world, listed(1, address(3, "20")), listed(1, address(3, "7f")), listed(1, address(3, "00")));
      refuses(world, listed(1, address(3, "c3")));
      refuses(world, changed(8, "bf000000").slice(0, 336));
      world.shows("device", "state", "generation", "journalSequence");
    }),
    blank("-addresses-longest", "One address of 200 bytes, from 21 and from 7E.", (world) => {
      world.does("device", "FILL", listed(1, address(200, "21")));
      world.does("device", "FILL", listed(1, address(200, "7e")));
    }),
    blank("-addresses-full", "Sixteen addresses of 220 bytes in all fill the page.", (world) => {
      const names = Array.from({ length: 15 }, (_, i) => `tcp://h${i + 10}:1`);
      const list = [...names, "y".repeat(220 - 1 - addressBytes(names).length)];
      fills(world, tokenFill({ padLength: 8192, addresses: list, list: 77 }));
      world.does("device", "PAGE", { u32: 1 });
    }),
  ];
}

function values(): Vector[] {
  const two = { low: fillOf("low"), high: fillOf("high") };
  const worlds = (name: string, shows: string, world: World, play: (world: World) => void): Vector => {
    play(world);
    return worldVector(`value-${name}`, shows, "14", world);
  };
  return [
    worlds("blank", "Without a pad VALUE is zeros.", new World({ device: null }), (world) => {
      world.does("device", "VALUE", "");
      world.fails("device", "VALUE", "00", "BAD_ARGUMENT");
    }),
    worlds("filling", "While it is filled a device has no value yet.", new World({ device: null }), (world) => {
      world.does("device", "FILL", fillPayload(tokenFill()));
      world.does("device", "VALUE", "");
      world.reboots("device");
      world.does("device", "VALUE", "");
    }),
    worlds("pair", "A pad of two people has no value.", new World(two), (world) => {
      world.does("low", "VALUE", "");
      world.does("high", "VALUE", "");
    }),
    worlds(
      "high",
      "Nor has the high side of a token.",
      new World({ high: fillOf("high", { slots: 1, split: 1384 }) }),
      (world) => {
        world.does("high", "VALUE", "");
      },
    ),
    callVector("value-link", "VALUE says how far a link has come.", "14", (call) => {
      call.showsValue();
      call.calls();
      call.showsValue();
      call.isReady();
      call.showsValue();
      call.opens(call.server.receipt(4990n, 90n));
      call.showsValue();
      call.reboots();
      call.showsValue();
    }),
  ];
}
