/**
 * The emulated board: see board.ts.
 */
export {
  BARE_BEGIN,
  Board,
  BoardFailure,
  type BoardName,
  type BoardOptions,
} from "./board.ts";
export { CYCLES_PER_MICROSECOND, CYCLES_PER_SECOND } from "./clock.ts";
export { type NorFaults, type NorOptions, SerialNor } from "./nor.ts";
export { readSymbols, type Symbols } from "./symbols.ts";
export { LINE_BAUD } from "./uart.ts";
