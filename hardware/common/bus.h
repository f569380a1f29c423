/*
 * The wires to the chip: what a board supplies to nor.c. spi.c has a chip of its own on SPI0; boot_flash.c shares the
 * one that the program is read from.
 *
 * Commands are the bytes of the data sheet, at most five of them: opcode, address, dummy.
 */
#ifndef BUS_H
#define BUS_H

#include <stdbool.h>
#include <stdint.h>

/** Longest times of the W25Q128JV data sheet, section 9.6, in microseconds. */
enum {
  PROGRAM_MOST_US = 3000,
  ERASE_4K_MOST_US = 400000,
  ERASE_64K_MOST_US = 2000000,
  STATUS_MOST_US = 15000, /* write of a status register */
};

enum {
  WRITE_STATUS_1 = 0x01,
  PROGRAM = 0x02,
  READ = 0x03,
  READ_STATUS_1 = 0x05,
  WRITE_ENABLE = 0x06,
  WRITE_STATUS_3 = 0x11,
  READ_STATUS_3 = 0x15,
  ERASE_4K = 0x20,
  WRITE_STATUS_2 = 0x31,
  READ_STATUS_2 = 0x35,
  VOLATILE_STATUS_WRITE = 0x50,
  ENABLE_RESET = 0x66,
  RESET_CHIP = 0x99,
  READ_ID = 0x9f,
  WAKE = 0xab,
  ERASE_64K = 0xd8,
};

/** Status register 1. */
enum { STATUS_BUSY = 1, STATUS_WRITE_ENABLED = 2 };

/** Takes the wires and brings the chip to where it takes commands. False when it stays busy. */
bool bus_start(void);

/** A command that answers at once: `count` bytes come in. */
void bus_ask(const uint8_t* command, uint32_t command_count, uint8_t* into, uint32_t count);

/** A command that only configures: no bytes come in, and the chip is ready at once. */
void bus_tell(const uint8_t* command, uint32_t command_count);

/** Waits until the chip is ready, but not longer than `most_us`. False when it still is not. */
bool bus_await(uint32_t most_us);

/**
 * Write enable, the command with `count` bytes behind it, and the wait for its end. False when the chip did not take
 * write enable (there is none, or it is protected), or is still busy behind `most_us`. The chip is ready when it is
 * called.
 */
bool bus_write(const uint8_t* command, uint32_t command_count, const uint8_t* from, uint32_t count, uint32_t most_us);

#endif
