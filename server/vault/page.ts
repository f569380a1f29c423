/**
 * A page of a pad at rest: 4 KiB of AES-256-GCM and its tag, at page × 4,112 of the pad's file.
 *
 * The nonce is zero and there is no associated data: a leaf of the tree encrypts one page once, so the key itself says which page
 * of which pad it is. The tag costs no time beside the set-up of the cipher, and tells a damaged or exchanged file before
 * anything is sealed or opened with it. (A key goes in as a key object: as bytes it would cost Node more than the page.)
 */
import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";

/** Bytes of the pad in a page. */
export const PAGE = 4096;
const TAG = 16;
/** Bytes of the file that hold a page. */
export const PAGE_AT_REST: number = PAGE + TAG;

const NONCE: Buffer = Buffer.alloc(12);

/** Encrypts a page into `into`, which has {@link PAGE_AT_REST} bytes. */
export function encryptPage(key: Uint8Array, page: Uint8Array, into: Buffer): void {
  const cipher = createCipheriv("aes-256-gcm", createSecretKey(key), NONCE);
  cipher.update(page).copy(into);
  cipher.final();
  cipher.getAuthTag().copy(into, PAGE);
}

/** The page; null when it is not what was encrypted under this key. */
export function decryptPage(key: Uint8Array, atRest: Uint8Array): Buffer | null {
  const cipher = createDecipheriv("aes-256-gcm", createSecretKey(key), NONCE);
  cipher.setAuthTag(atRest.subarray(PAGE));
  const page = cipher.update(atRest.subarray(0, PAGE));
  try {
    cipher.final();
    return page;
  } catch {
    page.fill(0);
    return null;
  }
}
