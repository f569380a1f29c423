// What passed through the pad in the sealed is not written in clear to a disk either: accepted boxes of a request that is
// not whole yet, and what services keep. The key is in a file of its own, outside of the database and of its backups.

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from "node:crypto";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const COUNTER_MAX = 2 ** 32 - 1;

/** AES-256-GCM. A nonce is a random number, drawn when the process starts, and a counter: none comes twice. */
export class AtRest {
  readonly #key: KeyObject;
  #nonce: Buffer = randomBytes(NONCE_BYTES);
  #count = 0;

  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key); // As bytes it would be taken in anew for each text.
  }

  seal(text: Uint8Array): Uint8Array {
    if (this.#count === COUNTER_MAX) {
      this.#nonce = randomBytes(NONCE_BYTES);
      this.#count = 0;
    }
    this.#nonce.writeUInt32LE(this.#count++, NONCE_BYTES - 4);
    const cipher = createCipheriv("aes-256-gcm", this.#key, this.#nonce);
    const body = cipher.update(text);
    cipher.final();
    return Buffer.concat([this.#nonce, body, cipher.getAuthTag()]);
  }

  open(sealed: Uint8Array): Uint8Array {
    const cipher = createDecipheriv("aes-256-gcm", this.#key, sealed.subarray(0, NONCE_BYTES));
    cipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    const text = cipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES));
    cipher.final();
    return text;
  }
}
