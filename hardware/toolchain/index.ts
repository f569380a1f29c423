/**
 * From the core to an image: what `npm run firmware`, the native body, tests and bench are built with.
 */
export { hasArmCompiler } from "./arm.ts";
export { FirmwareError } from "./error.ts";
export { type Firmware, firmwareFor } from "./firmware.ts";
export { BOARDS } from "./image.ts";
export { LOADER_SIZE, loaderCrc, sumImage } from "./loader.ts";
export { translateCore } from "./translate.ts";
