// A tiny core with the interface of the real one, which does one HAL call per request: it lets tests reach every call of the body.
// A request is one byte and its arguments (u32, little endian); each that has an answer transmits it.

// prettier-ignore
@external("hal", "norGeometry") declare function norGeometry(what: u32): u32;
@external("hal", "norRead") declare function norRead(address: u32, pointer: usize, length: u32): void;
@external("hal", "norProgram") declare function norProgram(address: u32, pointer: usize, length: u32): u32;
@external("hal", "norErase") declare function norErase(address: u32, size: u32): u32;
@external("hal", "transmit") declare function transmit(pointer: usize, length: u32): void;
@external("hal", "button") declare function button(): u32;
@external("hal", "entropy") declare function entropy(pointer: usize, length: u32): void;
@external("hal", "supplyOk") declare function supplyOk(): u32;
@external("hal", "ticks") declare function ticks(): u32;

const INPUT = memory.data(512, 16);
const OUTPUT = memory.data(4096, 16);
/** traps, reason, counter, background steps left, echo mode */
const STATE = memory.data(20, 16);

export function boot(traps: u32, reason: u32): void {
  store<u32>(STATE, traps);
  store<u32>(STATE, reason, 4);
  norRead(0, OUTPUT, 1);
  if (load<u8>(OUTPUT) == 0x58) unreachable(); // "X" at the start of the flash: this core cannot boot
}

export function window(): u32 {
  return <u32>INPUT;
}

export function receive(n: u32): void {
  if (load<u32>(STATE, 16)) {
    transmit(INPUT, n);
    return;
  }
  const request = load<u8>(INPUT);
  const first = load<u32>(INPUT, 4);
  const second = load<u32>(INPUT, 8);
  if (request == 0x67) answer(norGeometry(first)); // g
  else if (request == 0x72) { // r: address, length
    norRead(first, OUTPUT, second);
    transmit(OUTPUT, second);
  } else if (request == 0x70) answer(norProgram(first, INPUT + 12, second)); // p: address, length, data
  else if (request == 0x65) answer(norErase(first, second)); // e: address, size
  else if (request == 0x62) answer(button()); // b
  else if (request == 0x73) answer(supplyOk()); // s
  else if (request == 0x74) answer(ticks()); // t
  else if (request == 0x6e) { // n: length of entropy
    entropy(OUTPUT, first);
    transmit(OUTPUT, first);
  } else if (request == 0x63) { // c: count up
    store<u32>(STATE, load<u32>(STATE, 8) + 1, 8);
    answer(load<u32>(STATE, 8));
  } else if (request == 0x77) store<u32>(STATE, first, 12); // w: polls that erase sector 1
  else if (request == 0x6d) transmit(STATE, 8); // m: traps and reason
  else if (request == 0x45) store<u32>(STATE, 1, 16); // E: echo from now on
  else if (request == 0x75) unreachable(); // u
  else if (request == 0x6f) store<u8>(0x10000 + first, 1); // o
  else if (request == 0x64) answer(1 / first); // d: divides by 0
  else if (request == 0x79) answer(deep(first)); // y: recursion
  else if (request == 0x21) store<u32>(0x8000, 1); // !: writes above the statics
  else if (request == 0x3f) transmit(0xfff0, 64); // ?: points outside the memory
}

export function poll(): u32 {
  const left = load<u32>(STATE, 12);
  if (left == 0) return 0;
  norErase(4096, 4096);
  store<u32>(STATE, left - 1, 12);
  return left > 1 ? 1 : 0;
}

function answer(value: u32): void {
  store<u32>(OUTPUT, value);
  transmit(OUTPUT, 4);
}

function deep(n: u32): u32 {
  return n == 0 ? 0 : deep(n - 1) + deep(n / 2);
}
