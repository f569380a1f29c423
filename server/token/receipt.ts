// The server's own statement of a balance (SPEC section 14). The device keeps it and brings it back with every READY; who
// lost the books can see then what was owed. The key is in a file of its own and never in the database.

import { createHmac, timingSafeEqual } from "node:crypto";
import type { Receipt } from "../../host/protocol/index.ts";

/** What a receipt says under its MAC. Money in minor units. */
export type ReceiptFacts = Pick<Receipt, "sequence" | "call" | "balance" | "up">;

const LABEL = new TextEncoder().encode("tearpad receipt 1");
const MAC_BYTES = 16;

export class ReceiptKey {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** The MAC of a receipt of this pad, 16 bytes. */
  mac(pad: { readonly padId: Uint8Array; readonly asset: string }, receipt: ReceiptFacts): Uint8Array {
    const body = new Uint8Array(LABEL.length + 44);
    const view = new DataView(body.buffer, LABEL.length);
    body.set(LABEL);
    body.set(pad.padId, LABEL.length);
    new TextEncoder().encodeInto(pad.asset, body.subarray(LABEL.length + 16, LABEL.length + 24));
    view.setUint32(24, receipt.sequence, true);
    view.setUint32(28, receipt.call, true);
    view.setBigUint64(32, receipt.balance, true);
    view.setUint32(40, receipt.up, true);
    return createHmac("sha256", this.#key).update(body).digest().subarray(0, MAC_BYTES);
  }

  /** Whether the server made this receipt. That of a device which never had one is all zeros, and right. */
  isOurs(
    pad: { readonly padId: Uint8Array; readonly asset: string },
    receipt: ReceiptFacts & { readonly mac: Uint8Array },
  ): boolean {
    const expected = receipt.sequence === 0 ? new Uint8Array(MAC_BYTES) : this.mac(pad, receipt);
    const none = receipt.sequence !== 0 || (receipt.call === 0 && receipt.balance === 0n && receipt.up === 0);
    return timingSafeEqual(expected, receipt.mac) && none;
  }
}
