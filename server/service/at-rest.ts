// What tokens entrust to the server lies encrypted in its database, under a key that is not in it.

/** Encrypts for the disk. The server's composition root has the key. */
export interface AtRest {
  /** The bytes, encrypted and authenticated; other bytes each time. */
  seal(bytes: Uint8Array): Uint8Array;
  /** The bytes that were sealed. @throws when they are not what was sealed under this key */
  open(sealed: Uint8Array): Uint8Array;
}
