// Where the server is found (SPEC sections 4 and 13): a list that the server replaces by a box. The new list is a whole new identity beside the one in force, and the
// record that names it comes last, so that a cut leaves the one list or the other.

import { Code, fail, REFUSED } from "./failure";
import { erase, SECTOR_SIZE } from "./flash";
import {
  composeAddresses,
  listLength,
  listNumber,
  loadAgain,
  loadIdentity,
  namesFill,
  pageAddress,
  revisionIn,
  writePages,
} from "./identity";
import { commit } from "./journal";
import { pad, state } from "./layout";
import { settle } from "./pad";

const LIST_HEAD: u32 = 8;
/** That of a fill. */
const FIRST_REVISION: u32 = 1;
const BLANK: u32 = 0xffffffff;
/** One address of one byte, and as much as a page holds. */
export const ADDRESSES_TEXT_MIN: u32 = LIST_HEAD + 2;
export const ADDRESSES_TEXT_MAX: u32 = LIST_HEAD + 220;

/** Takes a list that is newer than the one held, right, and not empty. */
export function takeAddresses(text: usize, size: u32): u32 {
  const number = load<u32>(text);
  const count = load<u32>(text, 4);
  const list = text + LIST_HEAD;
  const length = size - LIST_HEAD;
  if (number <= listNumber() || count === 0 || listLength(list, length, count) !== length) return REFUSED;
  // Without the number of its fill the old identity could not stand in for a torn new one.
  if (!namesFill()) return REFUSED;
  let code = settle();
  if (code) return code;

  const other = state.revision + 1;
  let revision = (other ^ pad.revision) & 1 ? other : other + 1;
  if (!isUntouched(revision)) {
    state.revision = revision + 1;
    state.carried = pad.revision;
    code = commit();
    if (code) return code;
    revision += 2;
  }
  code = erase(pageAddress(revision, 0), SECTOR_SIZE);
  if (code) return code;
  composeAddresses(revision, number, count, list, length);
  code = putInForce(revision);
  if (code) loadAgain();
  return code;
}

/**
 * Whether the copy that a revision takes is as the last list left it: blank, or whole and older than the one in force. Otherwise somebody tried before, and a record of that
 * may be torn and turn up at any boot: before its pages are touched, a record above it says that the copy in force stays.
 */
function isUntouched(revision: u32): bool {
  const found = revisionIn(revision);
  if (found === BLANK) return pad.revision === FIRST_REVISION;
  // What was tried last is the journal's revision, which everyone can read.
  if (pad.revision === state.revision - 1) return found !== revision;
  const whole = found < pad.revision && loadIdentity(found) === 0;
  loadAgain();
  return whole;
}

/** Writes what is composed as this revision, reads it back, and commits it. */
function putInForce(revision: u32): u32 {
  const code = writePages(revision);
  if (code) return code;
  const corrupt = loadIdentity(revision);
  if (corrupt) return fail(Code.FLASH_FAULT, corrupt, pageAddress(revision, 0));
  state.revision = revision;
  state.carried = 0;
  const committed = commit();
  if (!committed) pad.revision = revision;
  return committed;
}
