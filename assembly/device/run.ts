// A run: bytes without a zero among them. COBS is made of runs in both directions, and nearly every byte of a frame is in one.

/**
 * Copies bytes up to the first zero, at most `most`, to where they do not overlap. Returns how many. Source and target may lie anywhere, and
 * still whole words are copied, which takes a small controller a third of the time; so up to 4 bytes behind the source are read, too.
 */
export function copyRun(target: usize, source: usize, most: u32): u32 {
  const end = target + most;
  const distance = source - target;
  let at = target;
  while (at < end && at & 3) {
    const byte = load<u8>(at + distance);
    if (byte === 0) return <u32>(at - target);
    store<u8>(at++, byte);
  }
  // A word of the target is the end of one word of the source and the beginning of the next.
  const done = (<u32>((at + distance) & 3)) << 3;
  let from = (at + distance) & ~3;
  let old = load<u32>(from);
  const words = at + ((end - at) & ~3);
  for (; at < words; at += 4) {
    from += 4;
    const next = load<u32>(from);
    // Shifted twice, because nothing of the next word is wanted where the two lie alike.
    const word = (old >> done) | ((next << 1) << (31 - done));
    if ((word - 0x01010101) & ~word & 0x80808080) break; // a byte of it is zero
    store<u32>(at, word);
    old = next;
  }
  while (at < end) {
    const byte = load<u8>(at + distance);
    if (byte === 0) break;
    store<u8>(at++, byte);
  }
  return <u32>(at - target);
}
