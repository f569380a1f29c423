// Boot: from whatever the last power cut left to a device that may serve (SPEC section 6). Nothing is answered before all of it is done.

import { prepareCrc } from "./crc32";
import { Code, faulty, Section } from "./failure";
import { erasedFrom, forgetBuffers, SECTOR_SIZE, zeroUnlessZero } from "./flash";
import { norGeometry } from "./hal";
import { adoptPad, loadInForce } from "./identity";
import { commit, foldHigh, join } from "./journal";
import { chip, EPOCH_SIZE, EPOCHS_MAX, Epoch, epochs, health, link, pad, State, state } from "./layout";
import { BURN_UNIT_MAX, HIGH, heedWitness, NO_SIDE, settle, slots } from "./pad";

const TRAPS_MAX: u32 = 3;
/** From this size on a chip is divided like the reference chip. */
const LARGE: u32 = 1 << 20;

/** Brings the device up. `traps` counts the traps since power-on, `reason` is that of the last. */
export function start(traps: u32, reason: u32): void {
  recover(traps, reason);
  forgetBuffers();
}

function recover(traps: u32, reason: u32): void {
  prepareCrc();
  pad.side = NO_SIDE;
  health.traps = traps;
  health.reason = reason;
  if (traps >= TRAPS_MAX) return faulty(Section.CORE);
  if (!divideChip()) return faulty(Section.CHIP);
  if (!join()) {
    // Without a record only a chip that was never filled may be taken as new.
    if (!erasedFrom(chip.identityBase)) return faulty(Section.JOURNAL);
  }
  if (health.fault) return;
  if (state.state > State.FILLING) {
    const corrupt = loadInForce();
    if (corrupt) return faulty(corrupt);
    if (!adoptPad()) return faulty(Section.IDENTITY);
    if (pad.side === HIGH) foldHigh();
    if (!marksFit()) return faulty(Section.JOURNAL);
    heedWitness();
    // What was allowed in a link that this boot ended no receipt need know of.
    link.raisedAt = state.upUsed;
  }
  takeNewestPending();
  state.epoch++;
  let code = commit();
  if (code) return faulty(code === Code.SUPPLY_LOW ? Section.SUPPLY : Section.JOURNAL);
  if (state.state > State.FILLING) code = burnAgain();
  if (code) faulty(code === Code.SUPPLY_LOW ? Section.SUPPLY : Section.PAD);
}

function divideChip(): bool {
  const sectors = norGeometry(0);
  const large = sectors >= LARGE / SECTOR_SIZE;
  chip.size = sectors * SECTOR_SIZE;
  chip.burnUnit = norGeometry(2);
  chip.largeErase = norGeometry(3);
  chip.journalSectors = large ? 16 : 4;
  chip.copySize = large ? 8 * SECTOR_SIZE : SECTOR_SIZE;
  chip.identityBase = chip.journalSectors * SECTOR_SIZE;
  chip.padBase = chip.identityBase + 2 * chip.copySize;
  const unit = chip.burnUnit;
  return norGeometry(1) === 1 && unit > 0 && unit <= BURN_UNIT_MAX && sectors <= 0xfffff && chip.size > chip.padBase;
}

/** Whether what the journal says can be true of this pad. */
function marksFit(): bool {
  return (
    state.split >= pad.upBase &&
    state.split <= pad.downEnd &&
    state.upUsed <= state.split - pad.upBase &&
    state.downUsed <= pad.downEnd - state.split &&
    ((state.split | state.upUsed | state.downUsed) & (pad.unit - 1)) === 0 &&
    state.nextSlot <= slots(pad.side)
  );
}

/** The boot record carries the newest pending range on; older ones are in `epochs`. */
function takeNewestPending(): void {
  let newest: u32 = 0;
  for (let at = epochs; at < epochs + EPOCHS_MAX * EPOCH_SIZE; at += EPOCH_SIZE) {
    const last = changetype<Epoch>(at);
    if (!inPad(last) || last.sequence < newest) continue;
    newest = last.sequence;
    state.pendingOffset = last.pendingOffset;
    state.pendingLength = last.pendingLength;
  }
}

/**
 * The pending range of the last record of each boot epoch: an epoch goes on only after the burning, so that an earlier record's is done. All but the newest were burned
 * at the boot behind them, or were not readable then; those that still read otherwise are burned now.
 */
function burnAgain(): u32 {
  for (let at = epochs; at < epochs + EPOCHS_MAX * EPOCH_SIZE; at += EPOCH_SIZE) {
    const last = changetype<Epoch>(at);
    if (!inPad(last)) continue;
    const code = zeroUnlessZero(chip.padBase + last.pendingOffset, last.pendingLength);
    if (code) return code;
  }
  return settle();
}

function inPad(last: Epoch): bool {
  return (
    last.pendingLength > 0 && last.pendingOffset <= pad.length && last.pendingLength <= pad.length - last.pendingOffset
  );
}
