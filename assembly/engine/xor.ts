// XOR of a text with pad bytes: the whole of the secrecy, and the first of the two passes over a box.
// The device build works on words with naturally aligned accesses; the engine build works on vectors.

/**
 * Writes source ^ key to target. Target may be the source itself or lie apart from it; it may not overlap it otherwise.
 * In the device build all three addresses are multiples of 4.
 */
export function xor(target: usize, source: usize, key: usize, length: u32): void {
  let i: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    for (; i + 64 <= length; i += 64) {
      const a = v128.xor(v128.load(source + i), v128.load(key + i));
      const b = v128.xor(v128.load(source + i, 16), v128.load(key + i, 16));
      const c = v128.xor(v128.load(source + i, 32), v128.load(key + i, 32));
      const d = v128.xor(v128.load(source + i, 48), v128.load(key + i, 48));
      v128.store(target + i, a);
      v128.store(target + i, b, 16);
      v128.store(target + i, c, 32);
      v128.store(target + i, d, 48);
    }
    for (; i + 16 <= length; i += 16) {
      v128.store(target + i, v128.xor(v128.load(source + i), v128.load(key + i)));
    }
  } else {
    for (; i + 16 <= length; i += 16) {
      store<u32>(target + i, load<u32>(source + i) ^ load<u32>(key + i));
      store<u32>(target + i, load<u32>(source + i, 4) ^ load<u32>(key + i, 4), 4);
      store<u32>(target + i, load<u32>(source + i, 8) ^ load<u32>(key + i, 8), 8);
      store<u32>(target + i, load<u32>(source + i, 12) ^ load<u32>(key + i, 12), 12);
    }
  }
  for (; i + 4 <= length; i += 4) {
    store<u32>(target + i, load<u32>(source + i) ^ load<u32>(key + i));
  }
  for (; i < length; i++) {
    store<u8>(target + i, load<u8>(source + i) ^ load<u8>(key + i));
  }
}
