// Bringing an image onto a board: the UF2 codec, the manifest that lies beside an image, and the drive that a board in boot
// mode shows. It knows no device protocol: what runs on the board afterwards is the driver's business.

export { findDrive, type Outcome, readDrive, writeToDrive } from "./drive.ts";
export { BootError, type BootErrorCode } from "./errors.ts";
export { checkUf2, digest, FLASH_START, hexWord, MANIFEST_NAME, type Manifest, parseManifest } from "./manifest.ts";
export { decodeUf2, encodeUf2, RP2040_FAMILY } from "./uf2.ts";
