// The protocol: what docs/SPEC.md says, as data and pure functions. It imports nothing and runs in a browser.

export { BundleError, bundleBytes, type Item, readBundle } from "./bundle.ts";
export { cobsDecode, cobsEncode } from "./cobs.ts";
export {
  type Begun,
  type BoxKind,
  type Command,
  commands,
  type FillParameters,
  type Hello,
  type Info,
  type Opening,
  PROTOCOL,
  type Provenance,
  type SealedBox,
  type Work,
} from "./commands.ts";
export { crc32 } from "./crc32.ts";
export {
  DeviceError,
  type DeviceErrorCode,
  type DeviceFacts,
  decodeError,
  isDeviceError,
  type Section,
  type State,
  TearpadError,
  type Words,
} from "./errors.ts";
export { encodeFrame, type Frame, FrameDecoder, type FrameFault, PAYLOAD_MAX_BYTES } from "./frame.ts";
export {
  boxCost,
  boxOffset,
  type Direction,
  downEnd,
  firstSplitOfPair,
  type PadPosition,
  type PadShape,
  roomOf,
  roundDown,
  runCost,
  type Side,
  SLOT_BYTES,
  sealingDirection,
  sealingMark,
  slotsAtIssue,
  TEXT_MAX_BYTES,
  upBase,
} from "./pad.ts";
export { Poly1305 } from "./poly1305.ts";
