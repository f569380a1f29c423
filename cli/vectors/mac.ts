/** Vectors of kind mac: the server's MAC of a receipt. */
import { ReceiptKey } from "../../server/token/index.ts";
import { type Bytes, bytesOf, expectBytes } from "./bytes.ts";

export interface MacVector {
  readonly kind: "mac";
  readonly key: Bytes;
  readonly padId: string;
  readonly asset: string;
  readonly sequence: number;
  readonly call: number;
  /** In decimal. */
  readonly balance: string;
  readonly up: number;
  readonly expect: { readonly mac: string };
}

export function runMac({ key, padId, asset, sequence, call, balance, up, expect }: MacVector): void {
  const receipt = { sequence, call, balance: BigInt(balance), up };
  const mac = new ReceiptKey(bytesOf(key)).mac({ padId: bytesOf(padId), asset }, receipt);
  expectBytes("the MAC", mac, expect.mac);
}
