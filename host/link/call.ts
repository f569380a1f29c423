// A call: the addresses in turn, until a server knows the tag (SPEC section 13). Nothing of the pad is used before a
// welcome has come and the device has verified it; then one slot goes, and what the device answered is on the disk before
// it leaves. As long as the server opened no box of that link, the same tag and the same answer serve again.
//
// The host cannot read a welcome, but it says where the boxes end that are sent again. The device refuses an end that lies
// below what the server has opened, and a refusal changes nothing: so the lowest end is offered first, and the one that is
// taken is the right one. What the server has opened shows in its first receipt.

import { type ActiveInfo, type Clock, type Device, mustBeActive, sleep, type Transport } from "../driver/index.ts";
import { type DeviceError, isDeviceError, type LinkItem, unpackAddresses } from "../protocol/index.ts";
import { type DeadAddress, LinkFailure } from "./errors.ts";
import type { Line } from "./line.ts";
import type { LinkLog, LoggedCall } from "./log.ts";
import { Wire, within } from "./wire.ts";

const CONNECT_MS = 10_000;
const WELCOME_MS = 10_000;
/** How long the button is waited for, and how often the device is asked. */
const PRESENCE_MS = 30_000;
const PRESENCE_ASK_MS = 250;
/** So many refusals of one slot, and twice as many of each further one, give it up. */
const REFUSALS_FIRST = 16;
/** Where in READY the host says what is sent again. */
const AGAIN_ARGUMENT = 68;

const CONNECTION_PAGE = 1;
const ADDRESS_COUNT_AT = 24;
const ADDRESSES_AT = 32;

/** What a call may tell. */
export type CallEvent =
  | { readonly kind: "trying"; readonly address: string }
  | { readonly kind: "dead"; readonly address: string; readonly reason: string }
  | { readonly kind: "refused"; readonly address: string; readonly refusals: number }
  | { readonly kind: "skipped"; readonly slot: number };

/** Who calls. */
export interface Caller {
  readonly device: Device;
  readonly log: LinkLog;
  readonly clock: Clock;
  readonly connect: (address: string) => Promise<Transport>;
  readonly onPresence: () => void;
  readonly onEvent: (event: CallEvent) => void;
}

/** A server that the device has answered, by a READY that has left. */
export interface Called {
  readonly wire: Wire;
  readonly call: LoggedCall;
  /** It is the last call once more. */
  readonly repeated: boolean;
}

/** The addresses on the device's connection page, in their order. */
export async function addressesOf(device: Device): Promise<string[]> {
  const page = await device.page(CONNECTION_PAGE);
  const count = new DataView(page.buffer, page.byteOffset, page.length).getUint32(ADDRESS_COUNT_AT, true);
  let end = ADDRESSES_AT;
  for (let i = 0; i < count; i++) end += 1 + (page[end] ?? 0);
  return unpackAddresses(page.subarray(ADDRESSES_AT, end), count) ?? [];
}

/**
 * Calls at one address after the other, and answers the first that welcomes the device. With `mayRepeat` the last call is
 * tried once more, when nothing has happened since: that saves a slot.
 * @throws LinkFailure NO_ADDRESS, NO_ADDRESS_ANSWERED, CALL_REFUSED, DEVICE_OLDER, SERVER_OLDER, PRESENCE_REFUSED; what
 *   the device or the disk fails with
 */
export async function placeCall(
  caller: Caller,
  info: ActiveInfo,
  addresses: readonly string[],
  cap: bigint,
  mayRepeat: boolean,
): Promise<Called> {
  if (addresses.length === 0) throw new LinkFailure("NO_ADDRESS", {});
  let kept = mayRepeat ? await keptCall(caller, info) : null;
  const dead: DeadAddress[] = [];
  for (const address of addresses) {
    let called = kept === null ? null : await callAt(caller, info, address, kept, cap);
    if (called === "refused") {
      // Its link has begun, or this is not its server: only a new call can tell.
      kept = null;
      called = null;
    }
    called ??= await callAt(caller, info, address, null, cap);
    if (called === "refused") {
      const refusals = await countRefusal(caller.log);
      caller.onEvent({ kind: "refused", address, refusals });
    } else if ("reason" in called) {
      dead.push({ address, reason: called.reason });
      caller.onEvent({ kind: "dead", address, reason: called.reason });
    } else {
      return called;
    }
  }
  if (dead.length === addresses.length) throw new LinkFailure("NO_ADDRESS_ANSWERED", { tried: dead });
  throw new LinkFailure("CALL_REFUSED", { refusals: caller.log.refusals.count, linked: false });
}

/** Does what the device wants the button for, asking again until it is pressed. @throws LinkFailure PRESENCE_REFUSED */
export async function withPresence<Result>(
  { clock, onPresence }: Pick<Caller, "clock" | "onPresence">,
  action: () => Promise<Result>,
): Promise<Result> {
  for (let waited = 0; ; waited += PRESENCE_ASK_MS) {
    try {
      return await action();
    } catch (error) {
      if (!isDeviceError(error, "PRESENCE")) throw error;
      const { refused } = error.facts;
      if (refused || waited >= PRESENCE_MS) throw new LinkFailure("PRESENCE_REFUSED", { refused }, error);
      if (waited === 0) onPresence();
      await sleep(clock, PRESENCE_ASK_MS);
    }
  }
}

/** Calls at one address: with the tag of the last call, when that is given, or else with that of the next slot. */
async function callAt(
  caller: Caller,
  info: ActiveInfo,
  address: string,
  kept: LoggedCall | null,
  cap: bigint,
): Promise<Called | "refused" | { readonly reason: string }> {
  const slotItem = kept?.slotItem ?? (await nextSlot(caller, info));
  const rung = await ring(caller, info, address, slotItem);
  if ("reason" in rung) return rung;
  const { wire, welcome } = rung;
  try {
    const same = kept !== null && sameBytes(kept.welcome, welcome.bytes) ? kept : null;
    const call = kept === null ? await answer(caller, slotItem, welcome, cap) : same;
    if (call !== null) {
      await wire.send(call.ready);
      return { wire, call, repeated: kept !== null };
    }
  } catch (error) {
    await wire.close();
    throw error;
  }
  await wire.close();
  return "refused";
}

/** The last call, when its tag may be welcomed once more: the device stands exactly where it stood then. */
async function keptCall({ device, log }: Caller, info: ActiveInfo): Promise<LoggedCall | null> {
  const { call } = log;
  if (call === null || call.slot !== info.nextSlot - 1) return null;
  if (call.next !== info.up.used || call.down !== info.down.used) return null;
  return (await device.value()).link === "none" ? null : call;
}

/** The item of the next call. A slot that was refused too often is given up, and the one behind it taken. */
async function nextSlot({ device, log, onEvent }: Caller, info: ActiveInfo): Promise<Uint8Array> {
  const { slot, count, skips } = log.refusals;
  if (slot === info.nextSlot && count >= REFUSALS_FIRST * 2 ** skips) {
    try {
      const skipped = await device.call(true);
      await log.refused({ slot: skipped.slot, count: 0, skips: skips + 1 });
      onEvent({ kind: "skipped", slot });
      return skipped.slotItem;
    } catch (error) {
      // The one that it has may still be good.
      if (!isDeviceError(error, "SLOT_KEPT") && !isDeviceError(error, "SLOTS_EXHAUSTED")) throw error;
    }
  }
  const next = await device.call(false).catch((error: unknown) => {
    if (!isDeviceError(error, "SLOTS_EXHAUSTED")) throw error;
    throw new LinkFailure("SLOTS_EXHAUSTED", error.facts, error);
  });
  if (log.refusals.slot !== next.slot) await log.refused({ slot: next.slot, count: 0, skips: 0 });
  return next.slotItem;
}

async function countRefusal(log: LinkLog): Promise<number> {
  const { slot, count, skips } = log.refusals;
  await log.refused({ slot, count: count + 1, skips });
  return count + 1;
}

/** A line to an address, and what the server there said to the tag; or why there is none. */
async function ring(
  { clock, connect, onEvent }: Caller,
  info: ActiveInfo,
  address: string,
  slotItem: Uint8Array,
): Promise<{ readonly wire: Wire; readonly welcome: LinkItem } | { readonly reason: string }> {
  onEvent({ kind: "trying", address });
  let line: Line;
  const connecting = connect(address);
  try {
    line = await within(clock, CONNECT_MS, connecting, () => new Error(`no connection in ${CONNECT_MS / 1000} s`));
  } catch (error) {
    connecting.then((late) => late.close()).catch(() => {}); // It may still come, and nobody waits for it.
    return { reason: (error as NodeJS.ErrnoException).code ?? (error as Error).message };
  }
  const wire = new Wire(line, address, clock, info.padLength);
  try {
    await wire.send(slotItem);
    const welcome = await wire.next(WELCOME_MS);
    if (welcome.kind === "welcome") return { wire, welcome };
    await wire.close();
    return { reason: "it is no server of tokens" };
  } catch (error) {
    await wire.close();
    if (!(error instanceof LinkFailure)) throw error;
    return { reason: (error as LinkFailure<"LINK_LOST">).facts.reason };
  }
}

/** Lets the device answer a welcome; null when it is none for this device. The answer is on the disk, and has not left. */
async function answer(
  caller: Caller,
  slotItem: Uint8Array,
  { bytes: welcome }: LinkItem,
  cap: bigint,
): Promise<LoggedCall | null> {
  const { device, log } = caller;
  const info = mustBeActive(await device.info());
  const { used } = info.up;
  const own = log.ends().filter((end) => end <= used);
  for (const again of new Set([...own, used])) {
    // The server has opened boxes that this disk does not know: another program sealed them.
    if (!own.includes(again)) await log.anew(info.down.used);
    const number = log.unfinished(again)?.number ?? 0;
    try {
      const ready = await withPresence(caller, () => device.ready({ welcomeItem: welcome, again, number, cap }));
      const call = { slot: info.nextSlot, slotItem, welcome, ready, again, next: used, down: info.down.used };
      await log.called(call, number);
      return call;
    } catch (error) {
      if (isDeviceError(error, "AUTH_FAILED")) return null;
      if (isDeviceError(error, "OLDER")) throw older(error);
      const tooLow = isDeviceError(error, "BAD_ARGUMENT") && error.facts.argumentOffset === AGAIN_ARGUMENT;
      if (!tooLow || again === used) throw error;
    }
  }
  throw new Error("the last end is the device's own");
}

function older(error: DeviceError<"OLDER">): LinkFailure {
  const { number: what, device, server } = error.facts;
  return error.facts.older === "device"
    ? new LinkFailure("DEVICE_OLDER", { what, device, known: server }, error)
    : new LinkFailure("SERVER_OLDER", { what, device, server }, error);
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}
