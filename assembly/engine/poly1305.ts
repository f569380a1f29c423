// Poly1305 (RFC 8439, section 2.5), the one-time MAC: r and s are 32 pad bytes that authenticate one message and no other.
//
// One interface, two bodies. The device body keeps ten limbs of 13 bits and multiplies 32-bit words only, because a
// Cortex-M0+ has no wider multiplier; the engine body keeps four limbs of 32 bits in 64-bit words. Neither carries to the
// end between blocks: the bounds beside each body show that the sums fit. A message is a whole number of blocks of 16
// bytes; a shorter tail is filled up with zeros, which is what the AEAD layout (section 2.8) asks for.

/** The state of one MAC under way. It holds secrets until finish. */
@unmanaged
class Mac {
  // Device: ten limbs of 13 bits. Engine: h as four u64 in h0..h7, r as four u32 in r0..r3.
  h0: u32;
  h1: u32;
  h2: u32;
  h3: u32;
  h4: u32;
  h5: u32;
  h6: u32;
  h7: u32;
  h8: u32;
  h9: u32;
  r0: u32;
  r1: u32;
  r2: u32;
  r3: u32;
  r4: u32;
  r5: u32;
  r6: u32;
  r7: u32;
  r8: u32;
  r9: u32;
  s0: u32;
  s1: u32;
  s2: u32;
  s3: u32;
  // A block that is put together here: a padded tail, the two lengths, and at the end h itself with the bits above 2^128.
  b0: u32;
  b1: u32;
  b2: u32;
  b3: u32;
  top: u32;
}

/** Bytes of state that the caller provides as static memory: `memory.data(MAC_STATE, 16)`. */
export const MAC_STATE: i32 = <i32>offsetof<Mac>();

/** Starts a MAC under a key of 32 bytes: r, which is clamped here, then s. */
export function begin(mac: usize, key: usize): void {
  wipe(mac);
  const state = changetype<Mac>(mac);
  const r0 = load<u32>(key) & 0x0fffffff;
  const r1 = load<u32>(key, 4) & 0x0ffffffc;
  const r2 = load<u32>(key, 8) & 0x0ffffffc;
  const r3 = load<u32>(key, 12) & 0x0ffffffc;
  if (ASC_FEATURE_SIMD) {
    state.r0 = r0;
    state.r1 = r1;
    state.r2 = r2;
    state.r3 = r3;
  } else {
    state.r0 = r0 & 0x1fff;
    state.r1 = (r0 >> 13) & 0x1fff;
    state.r2 = ((r0 >> 26) | (r1 << 6)) & 0x1fff;
    state.r3 = (r1 >> 7) & 0x1fff;
    state.r4 = ((r1 >> 20) | (r2 << 12)) & 0x1fff;
    state.r5 = (r2 >> 1) & 0x1fff;
    state.r6 = (r2 >> 14) & 0x1fff;
    state.r7 = ((r2 >> 27) | (r3 << 5)) & 0x1fff;
    state.r8 = (r3 >> 8) & 0x1fff;
    state.r9 = r3 >> 21;
  }
  state.s0 = load<u32>(key, 16);
  state.s1 = load<u32>(key, 20);
  state.s2 = load<u32>(key, 24);
  state.s3 = load<u32>(key, 28);
}

/** Takes in length bytes, and zeros up to the next multiple of 16: a part of an AEAD, or of a message of whole blocks. */
export function updatePadded(mac: usize, data: usize, length: u32): void {
  const whole = length & ~15;
  if (whole) blocks(mac, data, whole);
  const tail = length & 15;
  if (!tail) return;
  const state = changetype<Mac>(mac);
  state.b0 = state.b1 = state.b2 = state.b3 = 0;
  const block = mac + offsetof<Mac>("b0");
  for (let i: u32 = 0; i < tail; i++) store<u8>(block + i, load<u8>(data + whole + i));
  blocks(mac, block, 16);
}

/** Takes in the last block of an AEAD: the lengths of associated data and text, in bytes, as two u64. */
export function updateLengths(mac: usize, aad: u32, text: u32): void {
  const state = changetype<Mac>(mac);
  state.b0 = aad;
  state.b2 = text;
  state.b1 = state.b3 = 0;
  blocks(mac, mac + offsetof<Mac>("b0"), 16);
}

/** Writes the tag of 16 bytes and wipes the state. */
export function finish(mac: usize, out: usize): void {
  if (ASC_FEATURE_SIMD) gatherWords(mac);
  else gatherLimbs(mac);
  const state = changetype<Mac>(mac);
  // b is h in four words, the last with the bits above 2^128, and below 2^130 + 2^34. b + 5 reaches 2^130 exactly when
  // b >= p, and its low 130 bits are then b - p.
  let carry: u64 = 5;
  for (let i: usize = 0; i < 12; i += 4) carry = (carry + load<u32>(mac + i, offsetof<Mac>("b0"))) >> 32;
  const above = <u32>((carry + state.b3 + ((<u64>state.top) << 32)) >> 34);
  // tag = (b mod p + s) mod 2^128
  carry = above * 5;
  for (let i: usize = 0; i < 16; i += 4) {
    carry += <u64>load<u32>(mac + i, offsetof<Mac>("b0")) + load<u32>(mac + i, offsetof<Mac>("s0"));
    store<u32>(out + i, <u32>carry);
    carry >>= 32;
  }
  wipe(mac);
}

function wipe(mac: usize): void {
  for (let i: usize = 0; i < offsetof<Mac>(); i += 4) store<u32>(mac + i, 0);
}

function blocks(mac: usize, data: usize, length: u32): void {
  if (ASC_FEATURE_SIMD) wordBlocks(mac, data, length);
  else limbBlocks(mac, data, length);
}

// ---- Engine body: four limbs of 32 bits in u64 ---------------------------------------------------------------------
//
// r1, r2 and r3 are multiples of 4, so 2^128 r_i = (2^130 / 4) r_i = 5 r_i / 4 mod p: s_i below, exactly. In units of
// 2^32, at a multiplication h0 <= 3.02, h1 and h2 <= 2, h3 <= 6 (two bits of overflow and the block's 2^128 stay in it),
// so with r < 2^28 and s < 1.25 * 2^28 the largest sum, d0, is below (3.02 + 2.5 + 2.5 + 7.5) * 2^60 < 2^64; and the
// carry out of d3 is 5 * 13 * 2^60 / 2^34 = 1.02 * 2^32, which is the rest of h0.

function wordBlocks(mac: usize, data: usize, length: u32): void {
  const state = changetype<Mac>(mac);
  const r0: u64 = state.r0;
  const r1: u64 = state.r1;
  const r2: u64 = state.r2;
  const r3: u64 = state.r3;
  const s1 = r1 + (r1 >> 2);
  const s2 = r2 + (r2 >> 2);
  const s3 = r3 + (r3 >> 2);
  let h0 = load<u64>(mac);
  let h1 = load<u64>(mac, 8);
  let h2 = load<u64>(mac, 16);
  let h3 = load<u64>(mac, 24);
  const end = data + length;
  for (; data < end; data += 16) {
    h0 += load<u32>(data);
    h1 += load<u32>(data, 4);
    h2 += load<u32>(data, 8);
    h3 += <u64>load<u32>(data, 12) + (1 << 32);
    const d0 = h0 * r0 + h1 * s3 + h2 * s2 + h3 * s1;
    const d1 = h0 * r1 + h1 * r0 + h2 * s3 + h3 * s2 + (d0 >> 32);
    const d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s3 + (d1 >> 32);
    const d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + (d2 >> 32);
    h0 = (d0 & 0xffffffff) + 5 * (d3 >> 34);
    h1 = d1 & 0xffffffff;
    h2 = d2 & 0xffffffff;
    h3 = d3 & 0x3ffffffff;
  }
  store<u64>(mac, h0);
  store<u64>(mac, h1, 8);
  store<u64>(mac, h2, 16);
  store<u64>(mac, h3, 24);
}

function gatherWords(mac: usize): void {
  let h0 = load<u64>(mac);
  let h1 = load<u64>(mac, 8) + (h0 >> 32);
  let h2 = load<u64>(mac, 16) + (h1 >> 32);
  let h3 = load<u64>(mac, 24) + (h2 >> 32);
  h0 = (h0 & 0xffffffff) + 5 * (h3 >> 34);
  h1 = (h1 & 0xffffffff) + (h0 >> 32);
  h2 = (h2 & 0xffffffff) + (h1 >> 32);
  h3 = (h3 & 0x3ffffffff) + (h2 >> 32);
  const state = changetype<Mac>(mac);
  state.b0 = <u32>h0;
  state.b1 = <u32>h1;
  state.b2 = <u32>h2;
  state.b3 = <u32>h3;
  state.top = <u32>(h3 >> 32);
}

// ---- Device body: ten limbs of 13 bits in u32 ----------------------------------------------------------------------
//
// With r clamped, h below 2^13 (h1 below 2^13 + 400 after the last carry) and a block's limb added to each, every sum fits
// in 32 bits but the first, which may reach 1.09 * 2^32; therefore its products with r1 to r9 are split at 13 bits.

// biome-ignore format: the rows of a multiplication
function limbBlocks(mac: usize, data: usize, length: u32): void {
  const state = changetype<Mac>(mac);
  const r0 = state.r0;
  const r1 = state.r1;
  const r2 = state.r2;
  const r3 = state.r3;
  const r4 = state.r4;
  const r5 = state.r5;
  const r6 = state.r6;
  const r7 = state.r7;
  const r8 = state.r8;
  const r9 = state.r9;
  let h0 = state.h0;
  let h1 = state.h1;
  let h2 = state.h2;
  let h3 = state.h3;
  let h4 = state.h4;
  let h5 = state.h5;
  let h6 = state.h6;
  let h7 = state.h7;
  let h8 = state.h8;
  let h9 = state.h9;
  const end = data + length;
  for (; data < end; data += 16) {
    const w0 = load<u32>(data);
    const w1 = load<u32>(data, 4);
    const w2 = load<u32>(data, 8);
    const w3 = load<u32>(data, 12);
    h0 += w0 & 0x1fff;
    h1 += (w0 >> 13) & 0x1fff;
    h2 += ((w0 >> 26) | (w1 << 6)) & 0x1fff;
    h3 += (w1 >> 7) & 0x1fff;
    h4 += ((w1 >> 20) | (w2 << 12)) & 0x1fff;
    h5 += (w2 >> 1) & 0x1fff;
    h6 += (w2 >> 14) & 0x1fff;
    h7 += ((w2 >> 27) | (w3 << 5)) & 0x1fff;
    h8 += (w3 >> 8) & 0x1fff;
    h9 += (w3 >> 21) | 0x800; // 2^128, the mark of a full block

    const wrap = h1 * r9 + h2 * r8 + h3 * r7 + h4 * r6 + h5 * r5 + h6 * r4 + h7 * r3 + h8 * r2 + h9 * r1;
    let d = h0 * r0 + 5 * (wrap & 0x1fff);
    const d0 = d & 0x1fff;
    d = (d >> 13) + 5 * (wrap >> 13);
    d += h0 * r1 + h1 * r0 + 5 * (h2 * r9 + h3 * r8 + h4 * r7 + h5 * r6 + h6 * r5 + h7 * r4 + h8 * r3 + h9 * r2);
    const d1 = d & 0x1fff;
    d = (d >> 13) + h0 * r2 + h1 * r1 + h2 * r0 + 5 * (h3 * r9 + h4 * r8 + h5 * r7 + h6 * r6 + h7 * r5 + h8 * r4 + h9 * r3);
    const d2 = d & 0x1fff;
    d = (d >> 13) + h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + 5 * (h4 * r9 + h5 * r8 + h6 * r7 + h7 * r6 + h8 * r5 + h9 * r4);
    const d3 = d & 0x1fff;
    d = (d >> 13) + h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0 + 5 * (h5 * r9 + h6 * r8 + h7 * r7 + h8 * r6 + h9 * r5);
    const d4 = d & 0x1fff;
    d = (d >> 13) + h0 * r5 + h1 * r4 + h2 * r3 + h3 * r2 + h4 * r1 + h5 * r0 + 5 * (h6 * r9 + h7 * r8 + h8 * r7 + h9 * r6);
    const d5 = d & 0x1fff;
    d = (d >> 13) + h0 * r6 + h1 * r5 + h2 * r4 + h3 * r3 + h4 * r2 + h5 * r1 + h6 * r0 + 5 * (h7 * r9 + h8 * r8 + h9 * r7);
    const d6 = d & 0x1fff;
    d = (d >> 13) + h0 * r7 + h1 * r6 + h2 * r5 + h3 * r4 + h4 * r3 + h5 * r2 + h6 * r1 + h7 * r0 + 5 * (h8 * r9 + h9 * r8);
    const d7 = d & 0x1fff;
    d = (d >> 13) + h0 * r8 + h1 * r7 + h2 * r6 + h3 * r5 + h4 * r4 + h5 * r3 + h6 * r2 + h7 * r1 + h8 * r0 + 5 * (h9 * r9);
    const d8 = d & 0x1fff;
    d = (d >> 13) + h0 * r9 + h1 * r8 + h2 * r7 + h3 * r6 + h4 * r5 + h5 * r4 + h6 * r3 + h7 * r2 + h8 * r1 + h9 * r0;

    h0 = d0 + 5 * (d >> 13);
    h1 = d1 + (h0 >> 13);
    h0 &= 0x1fff;
    h2 = d2;
    h3 = d3;
    h4 = d4;
    h5 = d5;
    h6 = d6;
    h7 = d7;
    h8 = d8;
    h9 = d & 0x1fff;
  }
  state.h0 = h0;
  state.h1 = h1;
  state.h2 = h2;
  state.h3 = h3;
  state.h4 = h4;
  state.h5 = h5;
  state.h6 = h6;
  state.h7 = h7;
  state.h8 = h8;
  state.h9 = h9;
}

function gatherLimbs(mac: usize): void {
  const state = changetype<Mac>(mac);
  let word = <u64>state.h0 + ((<u64>state.h1) << 13) + ((<u64>state.h2) << 26);
  state.b0 = <u32>word;
  word = (word >> 32) + ((<u64>state.h3) << 7) + ((<u64>state.h4) << 20);
  state.b1 = <u32>word;
  word = (word >> 32) + ((<u64>state.h5) << 1) + ((<u64>state.h6) << 14) + ((<u64>state.h7) << 27);
  state.b2 = <u32>word;
  word = (word >> 32) + ((<u64>state.h8) << 8) + ((<u64>state.h9) << 21);
  state.b3 = <u32>word;
  state.top = <u32>(word >> 32);
}
