// Every static byte of the core. There is no heap and no mutable WASM global: what the core knows lies here, so that a copy of memory is the
// whole device and a fresh memory is a device without power.

/** Where the host's bytes arrive (SPEC section 12). */
export const WINDOW_SIZE: u32 = 512;
export const window: usize = memory.data(512, 16);

/** Frames (SPEC section 7): 12 bytes of head, payload, 4 bytes of CRC-32. */
export const FRAME_HEAD: u32 = 12;
export const PAYLOAD_MAX: u32 = 4128;
export const FRAME_MAX: u32 = FRAME_HEAD + PAYLOAD_MAX + 4;
/** The command being received and executed, with some room for one that is too long. */
export const FRAME_ROOM: u32 = FRAME_MAX + 16;
export const frame: usize = memory.data(4160, 16);
/** The last reply, kept for a host that did not get it. */
export const reply: usize = memory.data(4144, 16);
/** Errors and the replies that are not kept (HELLO, INFO, PAGE, VALUE), built apart so that they leave the kept reply alone: 12 + 256 + 4 bytes. */
export const aside: usize = memory.data(272, 16);
/** A frame as it goes out, COBS encoded: 4,144 bytes, one more for every 254 begun, and the delimiter. */
export const outgoing: usize = memory.data(4176, 16);

/** The pad slice in use: 32 bytes of one-time MAC key and up to 4,096 of pad; at boot, journal sectors. */
export const SLICE_SIZE: u32 = 4128;
export const slice: usize = memory.data(4128, 16);
/** One page read back. */
export const page: usize = memory.data(256, 16);
/** Zeros; never written. */
export const zeros: usize = memory.data(256, 16);
/** The identity in force, or the one that a fill is about to write: three pages (SPEC section 4). */
export const identity: usize = memory.data(768, 16);
/** Associated data of a box (SPEC section 2). */
export const associated: usize = memory.data(32, 16);
/** State of a streamed MAC: the pad that a fill verifies. */
export const mac: usize = memory.data(160, 16);
/** Text of an opening or a state. */
export const control: usize = memory.data(32, 16);
/** A computed tag. */
export const tag: usize = memory.data(16, 16);
/** Table of CRC-32, built at boot. */
export const crcTable: usize = memory.data(1024, 16);

/** One journal record (SPEC section 5). */
@unmanaged
export class Record {
  magic: u32;
  sequence: u32;
  epoch: u32;
  generation: u32;
  state: u8;
  pinTries: u8;
  reserved: u16;
  nextSlot: u32;
  upUsed: u32;
  upBurned: u32;
  downUsed: u32;
  downBurned: u32;
  split: u32;
  revision: u32;
  pendingOffset: u32;
  pendingLength: u32;
  workCursor: u32;
  /** The receipt: 0 for none. */
  receiptSequence: u32;
  receiptBalance: u64;
  receiptCall: u32;
  receiptUp: u32;
  receiptMac: u64;
  receiptMacRest: u64;
  /** What the server may still have debited or debit beyond the receipt. */
  openCaps: u64;
  /** The number of the last call that the server welcomed, 0 for none. */
  answered: u32;
  /** The revision that the identity in force carries where that is below `revision`, else 0. */
  carried: u32;
}
export const RECORD_SIZE: u32 = 128;
/** What the device knows; the next record to be written. */
export const state: Record = changetype<Record>(memory.data(128, 16));

/** The newest committed record. */
export const committed: usize = memory.data(128, 16);

export namespace State {
  export const BLANK: u8 = 0;
  export const FILLING: u8 = 1;
  export const ACTIVE: u8 = 3;
  export const LAST: u8 = 5;
  /** Only in INFO, never in a record. */
  export const FAULTY: u8 = 6;
}

/** The chip and how it is divided (SPEC section 4). */
@unmanaged
export class Chip {
  size: u32;
  burnUnit: u32;
  largeErase: u32;
  journalSectors: u32;
  /** Bytes of one identity copy. */
  copySize: u32;
  /** Where the identity copies and the pad region begin. */
  identityBase: u32;
  padBase: u32;
}
export const chip: Chip = changetype<Chip>(memory.data(32, 16));

/** Where the next record goes. */
@unmanaged
export class Place {
  sector: u32;
  index: u32;
  failures: u32;
  /** 1: this sector was erased in this power session. */
  ready: u32;
  /** The sector of the newest committed record. */
  newest: u32;
  /** The first boot epoch in which a record holds the receipt, for the join. */
  holding: u32;
}
export const place: Place = changetype<Place>(memory.data(24, 16));

/** The last record of one boot epoch, as far as boot needs it. */
@unmanaged
export class Epoch {
  epoch: u32;
  sequence: u32;
  pendingOffset: u32;
  pendingLength: u32;
}
export const EPOCH_SIZE: u32 = 16;
/** A sector holds records of one epoch, and after a torn erase of a second one: twice 16 sectors. */
export const EPOCHS_MAX: u32 = 32;
export const epochs: usize = memory.data(512, 16);

/** The pad in force (SPEC section 1), derived from the identity. */
@unmanaged
export class Pad {
  /** 0 low, 1 high, 255 no pad. */
  side: u32;
  suite: u32;
  unit: u32;
  length: u32;
  slotsLow: u32;
  slotsHigh: u32;
  upBase: u32;
  downEnd: u32;
  /** The identity revision that is read: the journal's, or one below it when that is torn. */
  revision: u32;
}
export const pad: Pad = changetype<Pad>(memory.data(36, 16));

/** What is wrong with this device, and what was counted since boot. */
@unmanaged
export class Health {
  /** A section of SPEC section 8, or 0. */
  fault: u32;
  traps: u32;
  reason: u32;
  failedTags: u32;
}
export const health: Health = changetype<Health>(memory.data(16, 16));

/** Facts of the error being answered (SPEC section 9). */
@unmanaged
export class Failure {
  detail: u32;
  a: u32;
  b: u32;
  c: u32;
  d: u32;
}
export const failure: Failure = changetype<Failure>(memory.data(20, 16));

/** The line from the host: a COBS decoder and the session. */
@unmanaged
export class Line {
  length: u32;
  code: u32;
  remaining: u32;
  session: u32;
  hellos: u32;
  nextSequence: u32;
  /** 1 when `reply` holds the answer to lastSequence and lastCrc. */
  kept: u32;
  lastSequence: u32;
  lastCrc: u32;
  replyLength: u32;
}
export const line: Line = changetype<Line>(memory.data(48, 16));

/** What was verified since boot and may be released. */
@unmanaged
export class Verified {
  start: u32;
  end: u32;
  /** Slot of the last FIND, plus one; 0 for none. */
  slot: u32;
}
export const verified: Verified = changetype<Verified>(memory.data(12, 16));

/** How a token stands to its server, and what it allowed (SPEC section 13). Gone with the power. */
@unmanaged
export class Link {
  /** What READY and every STATE of this link allowed together. */
  cap: u64;
  status: u32;
  /** The up mark behind the last box that may have raised the cap: a receipt from before it does not know of that. */
  raisedAt: u32;
  /** The notes of its welcome, and the mark below which down is lost (SPEC section 13). */
  notes: u32;
  lost: u32;
  /** 1: the button was asked for, and neither pressed nor refused since. */
  asked: u32;
}
export const link: Link = changetype<Link>(memory.data(32, 16));

export namespace LinkStatus {
  export const NONE: u32 = 0;
  export const READY: u32 = 1;
  export const LINKED: u32 = 2;
}

/** Background work of a fill (SPEC section 10). */
@unmanaged
export class Work {
  kind: u32;
  done: u32;
  total: u32;
  error: u32;
  /** Identity pages written, once the pad is verified. */
  pages: u32;
  /** The run of equal bytes at the end of what is written. */
  runByte: u32;
  runLength: u32;
}
export const work: Work = changetype<Work>(memory.data(32, 16));
/** The first receipt of a token, while it is filled: as it lies in FILL (SPEC section 10). */
export const firstReceipt: usize = memory.data(32, 16);
/** The tag that the pad must have. */
export const expectedTag: usize = memory.data(16, 16);

export namespace Kind {
  export const NONE: u32 = 0;
  export const ERASING: u32 = 1;
  export const FILLING: u32 = 2;
  export const VERIFYING: u32 = 3;
}
