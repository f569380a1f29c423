// Poly1305 against RFC 8439 and against big integers, in every body. The vectors are those of the RFC: sections 2.5.2 and
// 2.8.2 and appendix A.3. Our MAC takes whole blocks, so what the RFC has of other lengths anchors the big integers.

import { describe, expect, test } from "vitest";
import { Random } from "../../simulator/index.ts";
import { poly1305 } from "../second/box.ts";
import { BODIES, MESSAGE_MAX, type Primitives, primitives } from "./primitives.ts";

const IETF =
  "Any submission to the IETF intended by the Contributor for publication as all or part of an IETF Internet-Draft or RFC " +
  'and any statement made within the context of an IETF activity is considered an "IETF Contribution". Such statements ' +
  "include oral statements in IETF sessions, as well as written and electronic communications made at any time or place, " +
  "which are addressed to";
const JABBERWOCKY =
  "'Twas brillig, and the slithy toves\nDid gyre and gimble in the wabe:\nAll mimsy were the borogoves,\n" +
  "And the mome raths outgrabe.";

const zeros = (bytes: number) => "00".repeat(bytes);
const ones = (bytes: number) => "ff".repeat(bytes);
const ascii = (text: string) => Buffer.from(text).toString("hex");
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));

/** Name, key, message, tag. */
const ANY_LENGTH: readonly [string, string, string, string][] = [
  [
    "2.5.2",
    "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
    ascii("Cryptographic Forum Research Group"),
    "a8061dc1305136c6c22b8baf0c0127a9",
  ],
  ["A.3 #2", `${zeros(16)}36e5f6b5c5e06070f0efca96227a863e`, ascii(IETF), "36e5f6b5c5e06070f0efca96227a863e"],
  ["A.3 #3", `36e5f6b5c5e06070f0efca96227a863e${zeros(16)}`, ascii(IETF), "f3477e7cd95417af89a6b8794c310cf0"],
  [
    "A.3 #4",
    "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0",
    ascii(JABBERWOCKY),
    "4541669a7eaaee61e708dc7cbcc5eb62",
  ],
];

const WHOLE_BLOCKS: readonly [string, string, string, string][] = [
  ["A.3 #1", zeros(32), zeros(64), zeros(16)],
  ["A.3 #5", `02${zeros(31)}`, ones(16), `03${zeros(15)}`],
  ["A.3 #6", `02${zeros(15)}${ones(16)}`, `02${zeros(15)}`, `03${zeros(15)}`],
  ["A.3 #7", `01${zeros(31)}`, `${ones(16)}f0${ones(15)}11${zeros(15)}`, `05${zeros(15)}`],
  ["A.3 #8", `01${zeros(31)}`, `${ones(16)}fb${"fe".repeat(15)}${"01".repeat(16)}`, zeros(16)],
  ["A.3 #9", `02${zeros(31)}`, `fd${ones(15)}`, `fa${ones(15)}`],
  [
    "A.3 #10",
    `01${zeros(7)}04${zeros(23)}`,
    `e33594d7505e43b9${zeros(8)}3394d7505e4379cd01${zeros(7)}${zeros(16)}01${zeros(15)}`,
    `14${zeros(7)}55${zeros(7)}`,
  ],
  [
    "A.3 #11",
    `01${zeros(7)}04${zeros(23)}`,
    `e33594d7505e43b9${zeros(8)}3394d7505e4379cd01${zeros(7)}${zeros(16)}`,
    `13${zeros(15)}`,
  ],
];

/** Section 2.8.2: one-time key, associated data, ciphertext, tag. */
const AEAD = {
  key: "7bac2b252db447af09b67a55a4e955840ae1d6731075d9eb2a9375783ed553ff",
  aad: "50515253c0c1c2c3c4c5c6c7",
  text: `d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b
    1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
    3ff4def08e4b7a9de576d26586cec64b6116`.replaceAll(/\s/g, ""),
  tag: "1ae10b594f09e26a7e902ecbd0600691",
};

test.each([...ANY_LENGTH, ...WHOLE_BLOCKS])("big integers give the tag of RFC 8439 %s", (_name, key, message, tag) => {
  expect(poly1305(bytes(key), bytes(message))).toEqual(bytes(tag));
});

describe.each(BODIES)("the MAC of the %s", (body) => {
  const loaded: Promise<Primitives> = primitives(body);

  test.each(WHOLE_BLOCKS)("gives the tag of RFC 8439 %s", async (_name, key, message, tag) => {
    expect((await loaded).mac(bytes(key), [bytes(message)])).toEqual(bytes(tag));
  });

  test("gives the tag of RFC 8439 2.8.2, with its zeros and lengths", async () => {
    const [key, aad, text] = [bytes(AEAD.key), bytes(AEAD.aad), bytes(AEAD.text)];
    const tag = (await loaded).mac(key, [aad, text], { aad: aad.length, text: text.length });
    expect(tag).toEqual(bytes(AEAD.tag));
  });

  test("agrees with big integers on random and on extreme keys and messages, whole and in parts", async () => {
    const seed = (Math.random() * 2 ** 32) >>> 0;
    const random = new Random(seed);
    const core = await loaded;
    for (let round = 0; round < 300; round++) {
      const key = extreme(random, 32);
      const message = extreme(random, 16 * random.below(round % 8 === 0 ? MESSAGE_MAX / 64 : 100));
      const cut = 16 * random.below(message.length / 16 + 1);
      const tag = core.mac(key, [message.subarray(0, cut), message.subarray(cut)]);
      expect(tag, `seed ${seed}, round ${round}`).toEqual(poly1305(key, message));
    }
  });

  test("leaves nothing of the key behind", async () => {
    const core = await loaded;
    core.mac(extreme(new Random(1), 32), [new Uint8Array(4096).fill(0xa5)]);
    expect(core.macState().every((byte) => byte === 0)).toBe(true);
  });
});

/** Bytes with stretches of the values at which carries ripple; a third of the time none. */
function extreme(random: Random, length: number): Uint8Array {
  const made = new Uint8Array(length);
  random.fill(made);
  if (random.below(3) === 0) return made;
  for (let at = 0; at < length; at += 1 + random.below(24)) {
    made.fill([0x00, 0xff, 0xfb, 0x01][random.below(4)]!, at, at + random.below(24));
  }
  return made;
}
