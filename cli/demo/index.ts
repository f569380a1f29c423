// The demonstration behind `npm start`: two people and their pair of devices; a token, its server and its money; and observers
// who check both.

export { DemoError } from "./errors.ts";
export type { OriginalPad } from "./original.ts";
export {
  type Chunk,
  freshLedger,
  KEYS,
  Observer,
  openPads,
  openSession,
  type Pads,
  play,
  resultOf,
  type Session,
  type Story,
  type Verdict,
} from "./pair/index.ts";
export { count, Screen } from "./screen.ts";
export {
  openShop,
  playToken,
  type Shop,
  showShop,
  showTokenEnd,
  type Testimony,
  TOKEN_KEYS,
  type TokenStory,
  tellToken,
  tokenResult,
  undestroyed,
  type Wire,
  Witness,
} from "./token/index.ts";
