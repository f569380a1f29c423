// A program that does a little of everything that programs do, for the tests of the meter: it keeps a heap, recurses,
// calls through a table, branches by a table, copies and fills memory in bulk, and computes with floating point.
// Its output is 32 bytes that depend on every byte of its input.

export function allocate(length: i32): usize {
  return heap.alloc(length);
}

export function run(pointer: usize, length: i32): u64 {
  const output = heap.alloc(32);
  memory.fill(output, 0, 32);
  const sorted = heap.alloc(length);
  memory.copy(sorted, pointer, length);
  sort(sorted, 0, length - 1);

  let crc: u32 = 0xffffffff;
  for (let i = 0; i < length; i++) crc = step(crc, load<u8>(pointer + i));
  store<u32>(output, crc);

  let mixed: u64 = 0x9e3779b97f4a7c15;
  for (let i = 0; i < length; i++) {
    const byte = load<u8>(sorted + i);
    mixed = operations[byte % 4](mixed, byte) + kind(byte);
  }
  store<u64>(output + 4, mixed);

  let wave: f64 = 1;
  for (let i = 0; i < length; i++) wave = Math.abs(wave * 1.0625 - Math.sqrt(<f64>load<u8>(pointer + i))) + 0.5;
  store<i32>(output + 12, <i32>(wave * 1000));
  store<f32>(output + 16, <f32>wave);
  store<u32>(output + 20, fibonacci(length % 12));
  store<i32>(output + 24, <i32>(<i8>load<u8>(sorted)));
  store<i32>(output + 28, memory.size());
  return ((<u64>output) << 32) | 32;
}

const operations: ((value: u64, byte: u8) => u64)[] = [
  (value, byte) => value ^ byte,
  (value, byte) => rotl(value, 7) * (byte | 1),
  (value, byte) => value / (byte + 1),
  (value, byte) => value + popcnt(value) + byte,
];

function kind(byte: u8): u64 {
  switch (byte >> 5) {
    case 0:
      return 3;
    case 1:
      return 1;
    case 2:
      return 4;
    case 3:
      return 1;
    case 4:
      return 5;
    case 5:
      return 9;
    default:
      return 2;
  }
}

function step(crc: u32, byte: u8): u32 {
  let next = crc ^ byte;
  for (let bit = 0; bit < 8; bit++) next = next & 1 ? (next >>> 1) ^ 0xedb88320 : next >>> 1;
  return next;
}

function sort(base: usize, low: i32, high: i32): void {
  if (low >= high) return;
  const pivot = load<u8>(base + ((low + high) >> 1));
  let i = low;
  let j = high;
  while (i <= j) {
    while (load<u8>(base + i) < pivot) i++;
    while (load<u8>(base + j) > pivot) j--;
    if (i > j) break;
    const byte = load<u8>(base + i);
    store<u8>(base + i, load<u8>(base + j));
    store<u8>(base + j, byte);
    i++;
    j--;
  }
  sort(base, low, j);
  sort(base, i, high);
}

function fibonacci(n: i32): u32 {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}
