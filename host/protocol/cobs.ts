// Consistent overhead byte stuffing: a packet without a zero byte, so that one zero ends it (SPEC section 7).
// A code byte says how many bytes follow it up to the next zero; 255 means 254 bytes and no zero.

/** The stuffed form of `bytes`, without the zero that ends it on the line. */
export function cobsEncode(bytes: Uint8Array): Uint8Array {
  const stuffed = new Uint8Array(bytes.length + Math.floor(bytes.length / 254) + 1);
  let end = 0;
  const put = (block: Uint8Array) => {
    stuffed[end] = block.length + 1;
    stuffed.set(block, end + 1);
    end += block.length + 1;
  };
  for (let start = 0; ; ) {
    const zero = bytes.indexOf(0, start);
    const stop = zero === -1 ? bytes.length : zero;
    for (; stop - start > 254 || (stop - start === 254 && zero !== -1); start += 254) {
      put(bytes.subarray(start, start + 254));
    }
    put(bytes.subarray(start, stop));
    if (zero === -1) return stuffed.subarray(0, end);
    start = zero + 1;
  }
}

/** The bytes that `stuffed` (without its ending zero) stands for, or null when it is not a stuffed packet. */
export function cobsDecode(stuffed: Uint8Array): Uint8Array | null {
  const bytes = new Uint8Array(stuffed.length);
  let length = 0;
  for (let code = 0; code < stuffed.length; ) {
    const next = code + (stuffed[code] as number);
    if (next === code || next > stuffed.length) return null;
    const block = stuffed.subarray(code + 1, next);
    if (block.includes(0)) return null;
    bytes.set(block, length);
    length += block.length;
    if (next - code < 255 && next < stuffed.length) bytes[length++] = 0;
    code = next;
  }
  return stuffed.length === 0 ? null : bytes.subarray(0, length);
}
