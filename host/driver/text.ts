// Where the text of a run comes from. Its size is known before the first box, so that a text that does not fit is refused
// whole; a pipe is spooled first (see spool in disk.ts).

import { DriverError } from "./errors.ts";

/** A text that can be read from anywhere; a ByteFile is one. */
export interface TextSource {
  readonly size: number;
  read(position: number, length: number): Promise<Uint8Array>;
}

/** The source behind any of the things that a text may be. */
export function textSource(text: Uint8Array | Blob | TextSource): TextSource {
  if (text instanceof Uint8Array) {
    return { size: text.length, read: async (position, length) => text.subarray(position, position + length) };
  }
  if (text instanceof Blob) {
    const read = async (position: number, length: number) =>
      new Uint8Array(await text.slice(position, position + length).arrayBuffer());
    return { size: text.size, read };
  }
  return text;
}

/** Exactly these bytes of a text. @throws DriverError TEXT_CHANGED when it has become shorter */
export async function readExactly(text: TextSource, position: number, length: number): Promise<Uint8Array> {
  const bytes = await text.read(position, length);
  if (bytes.length !== length) throw new DriverError("TEXT_CHANGED", { position: position + bytes.length });
  return bytes;
}
