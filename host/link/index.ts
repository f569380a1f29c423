// The link (`tearpad/link`): a token calls its server, asks services, and sees its value (docs/SPEC.md sections 13 to 15).
// It may use the protocol and the driver, and knows no server.
//
//   import { openDevice, openTransport } from "tearpad/driver";
//   import { openLink } from "tearpad/link";
//
//   const device = await openDevice(() => openTransport("/dev/ttyACM0"));
//   const link = await openLink(device, { directory: "token", cap: 100n });
//   for (const left of await link.pending()) console.log(left.service, await left.answer());
//   const { body, charged } = await link.request("echo", { text: "tear here" });
//   const receipt = await link.close();
//   console.log(body, charged, receipt.balance);
//   await device.close();
//
// Every failure is a TearpadError: a stable `code`, what happened, what it means for the pad and the money, and what to do.

import "../protocol/node-check.ts";

export type { AddressList, Notes, Receipt, Value } from "../protocol/index.ts";
export { type DeadAddress, isLinkFailure, type LinkFacts, LinkFailure, type LinkFailureCode } from "./errors.ts";
export { type Line, openLine } from "./line.ts";
export { type Link, type LinkEvent, type LinkOptions, openLink, type Pending } from "./link.ts";
export type { Answer } from "./request.ts";
