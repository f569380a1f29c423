/**
 * What the world does to a build: compilers that are not installed, boards that nobody wrote, a core that was not
 * built. (Source that does not compile, or an image that outgrows its budget, is our mistake and a plain Error.)
 */
import { type Kinds, TearpadError } from "../../host/protocol/index.ts";

/** The facts of each code. Codes never change their meaning. */
export interface FirmwareFacts {
  COMPILER_MISSING: { tool: string };
  BOARD_UNKNOWN: { board: string; boards: string };
  CORE_MISSING: { path: string };
}
export type FirmwareErrorCode = keyof FirmwareFacts;

const NO_PAD = "No pad is touched by a build.";

const ERRORS: Kinds<FirmwareFacts> = {
  COMPILER_MISSING: {
    message: ({ tool }) => `${tool} is not installed.`,
    pad: NO_PAD,
    advice: "Install the compiler; on Debian and Ubuntu: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
  },
  BOARD_UNKNOWN: {
    message: ({ board, boards }) => `There is no board ${board}; there are ${boards}.`,
    pad: NO_PAD,
    advice: "Name one of these, or none to build for all of them.",
  },
  CORE_MISSING: {
    message: ({ path }) => `The core ${path} is not there.`,
    pad: NO_PAD,
    advice: "Build it with: npm run build",
  },
};

/** No image was built. */
export class FirmwareError<C extends FirmwareErrorCode = FirmwareErrorCode> extends TearpadError<C, FirmwareFacts[C]> {
  constructor(code: C, facts: FirmwareFacts[C], cause?: unknown) {
    super(code, facts, ERRORS[code], cause);
  }
}
