/*
 * The chip that holds the pad, whichever wires it hangs on. Winbond's W25Q series of 1 to 16 MiB; commands and times
 * are those of the W25Q128JV data sheet (sections 8 and 9.6), the longest of the series. No command is ever suspended.
 * Every wait ends: a chip that is busy longer than its maximum time is said to have failed, and the next command waits
 * for it again.
 */
#ifndef NOR_H
#define NOR_H

#include <stdbool.h>
#include <stdint.h>

/** Finds the chip and takes its write protection away. Once, at start. */
void nor_start(void);

/** The JEDEC id as it was read: manufacturer << 16 | type << 8 | capacity. 0 when nothing answered. */
uint32_t nor_id(void);

/** Bytes of the chip; 0 when it is absent, busy for ever, protected, or none that may hold a pad. */
uint32_t nor_size(void);

/** Waits while the chip is busy, then reads. A chip that stays busy reads as ones, which no pad and no record is. */
void nor_read(uint32_t address, uint8_t* into, uint32_t count);

/** One page program, or a part of one. True when the chip is done. */
bool nor_program(uint32_t address, const uint8_t* from, uint32_t count);

/** One erase of 4,096 or 65,536 aligned bytes. True when the chip is done. */
bool nor_erase(uint32_t address, uint32_t size);

#endif
