// All randomness that production code draws while it is simulated: from the seed, so that the same seed gives the same bytes.
// (Small and fast, and nothing more: no real pad byte may ever come from here.)

let state: [number, number, number, number] = [1, 2, 3, 4];

export const DRAWN = {
  /** What was drawn last, for who wants to know which id a request got. */
  last: new Uint8Array(0) as Uint8Array,

  seed(seed: number): void {
    state = [seed | 0, 0x9e3779b9, 0x243f6a88, 1];
    for (let i = 0; i < 12; i++) word();
  },

  fill<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
    for (let i = 0; i < bytes.length; i++) bytes[i] = word() >>> 24;
    DRAWN.last = bytes.slice();
    return bytes;
  },
};

/** sfc32 (Chris Doty-Humphrey, PractRand). */
function word(): number {
  const [a, b, c, counter] = state;
  const sum = (a + b + counter) | 0;
  state = [b ^ (b >>> 9), (c + (c << 3)) | 0, (((c << 21) | (c >>> 11)) + sum) | 0, (counter + 1) | 0];
  return sum >>> 0;
}
