// The flash of a device as a file: read, understood, never changed (SPEC sections 4 to 6). Uses host/protocol alone.

export { padRegionBytes } from "./chip.ts";
export { ImageError } from "./errors.ts";
export { type IdentityContent, type Page, readIdentityPage } from "./identity.ts";
export { type Inspection, inspectChip, mustBeWhole } from "./inspect.ts";
