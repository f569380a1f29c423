// Consistent overhead byte stuffing: a packet without a zero byte, so that one zero ends it (SPEC section 7).
// A code byte says how many bytes follow it up to the next zero; 255 means 254 bytes and no zero.

/** The stuffed form of `bytes`, without the zero that ends it on the line. */
export function cobsEncode(bytes: Uint8Array): Uint8Array {
  const stuffed = new Uint8Array(bytes.length + Math.floor(bytes.length / 254) + 1);
  let code = 0;
  let end = 1;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (end - code === 255) {
      stuffed[code] = 255;
      code = end++;
    }
    if (byte === 0) {
      stuffed[code] = end - code;
      code = end++;
    } else {
      stuffed[end++] = byte;
    }
  }
  stuffed[code] = end - code;
  return stuffed.subarray(0, end);
}

/** The bytes that `stuffed` (without its ending zero) stands for, or null when it is not a stuffed packet. */
export function cobsDecode(stuffed: Uint8Array): Uint8Array | null {
  const bytes = new Uint8Array(stuffed.length);
  let length = 0;
  for (let code = 0; code < stuffed.length; ) {
    const next = code + (stuffed[code] as number);
    if (next === code || next > stuffed.length) return null;
    for (let at = code + 1; at < next; at++) {
      const byte = stuffed[at] as number;
      if (byte === 0) return null;
      bytes[length++] = byte;
    }
    if (next - code < 255 && next < stuffed.length) bytes[length++] = 0;
    code = next;
  }
  return stuffed.length === 0 ? null : bytes.subarray(0, length);
}
