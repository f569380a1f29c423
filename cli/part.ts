// How much of a file goes into one request. A server keeps half of what a pad has left for answers, so a small pad takes small parts;
// and a file that the pad cannot carry at all is refused before its first part, which would be paid for and useless.

import { type ActiveInfo, type Device, mustBeActive } from "../host/driver/index.ts";
import { LinkFailure } from "../host/link/index.ts";
import { roomOf, runCost, TEXT_MAX_BYTES } from "../host/protocol/index.ts";

const PART_BYTES = 131_072;
/** The service takes no shorter part but the last. */
const PART_BYTES_LEAST = 4096;
/** For what is in a request or an answer beside the part, and for what the link says meanwhile, in pad bytes. */
const AROUND_BYTES = 1024;

/** The next part up, in bytes: as much as there is room for, or as a server grants when it is asked, which is half of what is left. */
export async function partUp(device: Device): Promise<number> {
  const info = await active(device);
  const { now, afterGrant } = roomOf(info);
  // The server may have used more of down than the device knows.
  return Math.max(PART_BYTES_LEAST, textIn(Math.max(now, afterGrant / 4), info));
}

/** The next part down, in bytes, of `left`. @throws LinkFailure PAD_EXHAUSTED when the pad has no room for all that is left */
export async function partDown(device: Device, left: number): Promise<number> {
  const info = await active(device);
  const room = roomDown(info);
  mustFit(left, room, info);
  return Math.max(1, textIn(room, info));
}

/** @throws LinkFailure PAD_EXHAUSTED when the pad has no room for so many bytes up, whatever is granted */
export async function mustFitUp(device: Device, bytes: number): Promise<void> {
  const info = await active(device);
  mustFit(bytes, roomOf(info).afterGrant, info);
}

async function active(device: Device): Promise<ActiveInfo> {
  return mustBeActive(await device.info());
}

function mustFit(bytes: number, room: number, { burnUnit }: ActiveInfo): void {
  const needed = runCost(bytes, burnUnit).padBytes;
  if (needed > room) throw new LinkFailure("PAD_EXHAUSTED", { needed, room });
}

/** What the other end can still seal: its room is that of its side. */
function roomDown(info: ActiveInfo): number {
  return roomOf({ ...info, side: "high" }).now;
}

/** How much text goes into so much pad, at most one part. */
function textIn(room: number, { burnUnit }: ActiveInfo): number {
  const box = runCost(TEXT_MAX_BYTES, burnUnit).padBytes;
  return Math.min(PART_BYTES, Math.floor((room - AROUND_BYTES) / box) * TEXT_MAX_BYTES);
}
