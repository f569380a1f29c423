/*
 * A strict model of the serial NOR chip that holds the pad, in memory or over a file.
 *
 * Programming clears bits and never sets them, erasing sets them, and what no core may ask for (a page wrapped, the chip left) ends
 * the program with a sentence. A power cut leaves of a program or an erase what a style says. Bits that it left undecided are drawn
 * anew at every boot; a sector whose erase was cut keeps nothing firmly until an erase completes (SPEC section 4).
 *
 * Written apart from the simulator's model: where both agree, neither is right by its own word alone.
 */
#ifndef FLASH_H
#define FLASH_H

#include <stdbool.h>
#include <stdint.h>

#define FLASH_PAGE 256u
#define FLASH_SECTOR 4096u
#define FLASH_BLOCK 65536u

/** What a power cut leaves of the command that it hits. */
enum tear { TEAR_NOTHING, TEAR_UNSTABLE, TEAR_WHOLE, TEAR_FIRST_HALF, TEAR_LAST_BITS, TEAR_RANDOM, TEARS };

/** What is wrong with a sector: nothing; not every bit takes; commands are refused; commands time out half done. */
enum fault { FAULT_NONE, FAULT_WORN, FAULT_PROTECTED, FAULT_SLOW, FAULTS };

/** What is wrong with all of the chip: nothing, or its bus gives one byte for ever. */
enum bus { BUS_SOUND, BUS_ZEROS, BUS_ONES };

struct sector {
  enum fault fault;
  /** Whether it has undecided bits, and whether its last erase was cut. */
  bool torn;
  bool weak;
  /** Whether it changed since somebody cleared this. */
  bool changed;
};

struct flash {
  uint32_t sectors;
  struct sector* state;
  uint8_t* bytes;
  /** Bits that are undecided; `bytes` holds how they read until the next boot. */
  uint8_t* unstable;
  enum bus bus;
  /** The so-manieth program or erase from now meets this fault, wherever it is; 0 for none. */
  uint32_t mishap_in;
  enum fault mishap;
  /** What every cut, undecided bit and worn sector is drawn from. Never 0. */
  uint64_t random;
  /** The file that holds the content, or -1; and whether the disk may not have all of it. */
  int file;
  bool unsynced;
};

/**
 * A blank chip of `sectors` sectors, whose tears are drawn from `seed`. With a path its content is that file, which is made when it
 * is not there, is locked against every other process, and has to be of this size: otherwise the program ends with a sentence.
 */
void flash_open(struct flash* flash, uint32_t sectors, uint64_t seed, const char* path);

/** Lets go of the memory and the file. */
void flash_close(struct flash* flash);

/** The next 32 bits of the chip's generator. */
uint32_t flash_draw(struct flash* flash);

/** Power comes or the controller starts again: undecided bits are drawn. */
void flash_boot(struct flash* flash);

void flash_read(const struct flash* flash, uint32_t address, uint8_t* into, uint32_t length);

/** Programs 1 to 256 bytes in one page. 0 when the chip says that it is done. */
uint32_t flash_program(struct flash* flash, uint32_t address, const uint8_t* from, uint32_t length);

/** Erases 4,096 or 65,536 bytes at a multiple of it. 0 when the chip says that it is done. */
uint32_t flash_erase(struct flash* flash, uint32_t address, uint32_t size);

/** The same, cut by the power. */
void flash_tear_program(struct flash* flash, uint32_t address, const uint8_t* from, uint32_t length, enum tear tear);
void flash_tear_erase(struct flash* flash, uint32_t address, uint32_t size, enum tear tear);

/** Puts stable bytes on the chip as a programmer outside the device would. */
void flash_put(struct flash* flash, uint32_t address, const uint8_t* bytes, uint32_t length);

/** Returns when all that was written is on the disk. */
void flash_sync(struct flash* flash);

/** Ends the program because of what no core and no caller may ask for. */
_Noreturn void panic(const char* format, ...) __attribute__((format(printf, 1, 2)));

#endif
