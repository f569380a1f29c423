// What a device must be before a text is sealed or opened with it.

import { DeviceError, type Info, type Side } from "../protocol/index.ts";

/** INFO of a device that holds a pad in use. */
export type ActiveInfo = Info & { readonly side: Side };

/** The same INFO, when its device is active. @throws DeviceError FAULTY or WRONG_STATE, as the device itself would say */
export function mustBeActive(info: Info): ActiveInfo {
  if (info.state === "faulty") throw new DeviceError("FAULTY", { section: info.faultySection });
  if (info.state !== "active" || info.side === null) throw new DeviceError("WRONG_STATE", { state: info.state });
  return { ...info, side: info.side };
}
