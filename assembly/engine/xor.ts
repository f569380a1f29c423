// XOR of a text with pad bytes: the whole of the secrecy. The device build works on words with naturally aligned accesses.
// The engine build works on vectors, and on the way watches the key for bytes that repeat, which costs it less than a pass
// of its own.

/**
 * Writes source ^ key to target. Target may be the source itself or lie apart from it; it may not overlap it otherwise.
 * In the device build all three addresses are multiples of 4. The engine build says whether a word of the key, at a
 * multiple of 4, equals the word one byte behind it, as one does wherever nine bytes are equal; it reads that byte too.
 */
export function xor(target: usize, source: usize, key: usize, length: u32): bool {
  let i: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    let flat = i32x4.splat(0);
    for (; i + 64 <= length; i += 64) flat = v128.or(flat, xor64(target + i, source + i, key + i));
    for (; i + 4 <= length; i += 4) {
      const word = load<u32>(key + i);
      flat = v128.or(flat, i32x4.splat(word === load<u32>(key + i, 1) ? 1 : 0));
      store<u32>(target + i, load<u32>(source + i) ^ word);
    }
    xorBytes(target + i, source + i, key + i, length - i);
    return v128.any_true(flat);
  }
  for (; i + 16 <= length; i += 16) {
    store<u32>(target + i, load<u32>(source + i) ^ load<u32>(key + i));
    store<u32>(target + i, load<u32>(source + i, 4) ^ load<u32>(key + i, 4), 4);
    store<u32>(target + i, load<u32>(source + i, 8) ^ load<u32>(key + i, 8), 8);
    store<u32>(target + i, load<u32>(source + i, 12) ^ load<u32>(key + i, 12), 12);
  }
  for (; i + 4 <= length; i += 4) {
    store<u32>(target + i, load<u32>(source + i) ^ load<u32>(key + i));
  }
  xorBytes(target + i, source + i, key + i, length - i);
  return false;
}

/** What the engine build does with 64 bytes. Some lane of the answer is not zero if a word equals the one a byte behind it. */
function xor64(target: usize, source: usize, key: usize): v128 {
  const k0 = v128.load(key);
  const k1 = v128.load(key, 16);
  const k2 = v128.load(key, 32);
  const k3 = v128.load(key, 48);
  const f0 = v128.or(i32x4.eq(k0, v128.load(key, 1)), i32x4.eq(k1, v128.load(key, 17)));
  const f1 = v128.or(i32x4.eq(k2, v128.load(key, 33)), i32x4.eq(k3, v128.load(key, 49)));
  v128.store(target, v128.xor(v128.load(source), k0));
  v128.store(target, v128.xor(v128.load(source, 16), k1), 16);
  v128.store(target, v128.xor(v128.load(source, 32), k2), 32);
  v128.store(target, v128.xor(v128.load(source, 48), k3), 48);
  return v128.or(f0, f1);
}

function xorBytes(target: usize, source: usize, key: usize, length: u32): void {
  for (let i: u32 = 0; i < length; i++) {
    store<u8>(target + i, load<u8>(source + i) ^ load<u8>(key + i));
  }
}
