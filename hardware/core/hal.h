/*
 * What a compiled body supplies to the core: SPEC section 12 in C. body.c turns the core's addresses into pointers and
 * checks that they lie in its memory, so that whoever writes these functions sees bytes only.
 */
#ifndef HAL_H
#define HAL_H

#include <stdint.h>

/** What hal_nor_geometry is asked for. */
enum {
  GEOMETRY_SECTORS = 0,     /* sectors of 4 KiB; 0: no chip that may hold a pad, and the core says FAULTY (chip) */
  GEOMETRY_OVERPROGRAM = 1, /* 1 if used bytes may be programmed to zero */
  GEOMETRY_BURN_UNIT = 2,   /* bytes that are burned together */
  GEOMETRY_BLOCK = 3,       /* 1 if 64 KiB erase exists */
  GEOMETRY_CHIP = 4,        /* JEDEC id, manufacturer << 16 | type << 8 | capacity; 0: no chip to ask */
  GEOMETRY_BODY = 5,        /* which body this is */
};

/** Values of GEOMETRY_BODY. */
enum { BODY_SIMULATOR = 0, BODY_PICO = 1, BODY_PICO_BARE = 2, BODY_NATIVE = 3 };

/** What hal_button answers. */
enum { BUTTON_NONE = 0, BUTTON_PRESSED = 1, BUTTON_REFUSED = 2 };

uint32_t hal_nor_geometry(uint32_t what);

/** Copies from the chip; waits first while it is busy. */
void hal_nor_read(uint32_t address, uint8_t* into, uint32_t length);

/**
 * One program inside one page, at most 256 bytes. 0 when the chip is done; anything else when it refused or ran out of
 * time.
 */
uint32_t hal_nor_program(uint32_t address, const uint8_t* from, uint32_t length);

/** One erase of 4,096 or 65,536 aligned bytes. Returns like hal_nor_program. */
uint32_t hal_nor_erase(uint32_t address, uint32_t size);

/** Returns when all bytes are taken. No byte leaves before everything programmed earlier is durable. */
void hal_transmit(const uint8_t* from, uint32_t length);

/** Fills with random bytes. The core takes 8 of them per fill, for the serial, and for nothing else. */
void hal_entropy(uint8_t* into, uint32_t length);

/** What happened at the button since the last look. */
uint32_t hal_button(void);

/** 1 when the supply carries a program or an erase to its end. */
uint32_t hal_supply_ok(void);

/** Microseconds since some moment before boot; wraps. */
uint32_t hal_ticks(void);

/** The core trapped, for a reason of SPEC section 12. The body counts it and boots again with fresh memory. */
_Noreturn void hal_trap(uint32_t reason);

#endif
