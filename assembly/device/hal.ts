// What the core needs of the body that carries it (SPEC section 12). Nothing else reaches the outside, and every call here is a place where the
// power may fail.

/** 0: sectors of 4 KiB; 1: used bytes may be programmed to zero; 2: burn unit of the chip; 3: 64 KiB erase exists; 4: JEDEC id; 5: which body. */
export declare function norGeometry(what: u32): u32;
/** Reads `length` bytes at flash `address` into memory at `pointer`. */
export declare function norRead(address: u32, pointer: usize, length: u32): void;
/** Programs at most 256 bytes inside one page: clears bits, never sets them. 0 when done. */
export declare function norProgram(address: u32, pointer: usize, length: u32): u32;
/** Erases 4,096 or 65,536 aligned bytes. 0 when done. */
export declare function norErase(address: u32, size: u32): u32;
/** Sends bytes to the host; returns when they are taken. */
export declare function transmit(pointer: usize, length: u32): void;
/** Fills memory with random bytes. */
export declare function entropy(pointer: usize, length: u32): void;
/** 0 not pressed, 1 pressed since the last look, 2 refused. */
export declare function button(): u32;
/** 1 when the supply allows a program or an erase. */
export declare function supplyOk(): u32;
/** Microseconds since some start; wraps. */
export declare function ticks(): u32;
