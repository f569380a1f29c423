// The program "sum": the input is a range such as `1..100`, in decimal digits, the output the sum of its numbers, one
// addition for each. Built with: asc --runtime stub -O3s --use abort= (see the test that builds it again).

const PLACE: usize = memory.data(64);
const OUTPUT: usize = memory.data(32);

/** Where to put the input: 64 bytes hold every range of two numbers of 64 bits. */
export function allocate(length: i32): usize {
  if (length > 64) unreachable();
  return PLACE;
}

export function run(pointer: usize, length: i32): u64 {
  let at = pointer;
  const end = pointer + length;
  let first: u64 = 0;
  while (at < end && load<u8>(at) != 0x2e) {
    first = first * 10 + digit(at);
    at += 1;
  }
  at += 2;
  if (at >= end) unreachable();
  let last: u64 = 0;
  while (at < end) {
    last = last * 10 + digit(at);
    at += 1;
  }

  let sum: u64 = 0;
  for (let number = first; number <= last; number += 1) sum += number;

  let start = OUTPUT + 32;
  do {
    start -= 1;
    store<u8>(start, 0x30 + <u8>(sum % 10));
    sum /= 10;
  } while (sum > 0);
  return ((<u64>start) << 32) | (OUTPUT + 32 - start);
}

function digit(at: usize): u64 {
  const byte = load<u8>(at);
  if (byte < 0x30 || byte > 0x39) unreachable();
  return byte - 0x30;
}
