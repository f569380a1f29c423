/* The strict chip. See flash.h. */
#include "flash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/** Bits that `TEAR_LAST_BITS` gets done. */
#define LAST_BITS 32u

void panic(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("panic: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  abort();
}

static void* allocate(size_t size) {
  void* memory = calloc(size, 1);
  if (!memory) panic("no memory for a chip");
  return memory;
}

/* The file. */

static void read_file(struct flash* flash, const char* path) {
  struct stat stat;
  size_t size = (size_t)flash->sectors * FLASH_SECTOR;
  if (flash->file < 0 || flock(flash->file, LOCK_EX | LOCK_NB) || fstat(flash->file, &stat))
    panic("the image %s: %s", path, strerror(errno));
  if (stat.st_size == 0) {
    if (pwrite(flash->file, flash->bytes, size, 0) != (ssize_t)size) panic("the image %s: %s", path, strerror(errno));
    flash->unsynced = true;
    flash_sync(flash);
  } else if ((size_t)stat.st_size != size || pread(flash->file, flash->bytes, size, 0) != (ssize_t)size) {
    panic("the image %s is not the size of the chip, %zu bytes", path, size);
  }
}

/** Says that a range changed: its sectors are marked, and it goes to the file. */
static void touch(struct flash* flash, uint32_t address, uint32_t length) {
  for (uint32_t at = address / FLASH_SECTOR; at <= (address + length - 1) / FLASH_SECTOR; at++)
    flash->state[at].changed = true;
  if (flash->file < 0) return;
  if (pwrite(flash->file, flash->bytes + address, length, address) != (ssize_t)length)
    panic("the image: %s", strerror(errno));
  flash->unsynced = true;
}

void flash_sync(struct flash* flash) {
  if (!flash->unsynced) return;
  if (fdatasync(flash->file)) panic("the image: %s", strerror(errno));
  flash->unsynced = false;
}

void flash_open(struct flash* flash, uint32_t sectors, uint64_t seed, const char* path) {
  size_t size = (size_t)sectors * FLASH_SECTOR;
  *flash = (struct flash){.sectors = sectors, .random = seed * 2 + 1, .file = -1};
  flash->state = allocate(sectors * sizeof(struct sector));
  flash->bytes = allocate(size);
  flash->unstable = allocate(size);
  memset(flash->bytes, 0xff, size);
  if (!path) return;
  flash->file = open(path, O_RDWR | O_CREAT, 0600);
  read_file(flash, path);
}

void flash_close(struct flash* flash) {
  free(flash->state);
  free(flash->bytes);
  free(flash->unstable);
  if (flash->file >= 0) close(flash->file);
}

/* What is drawn. */

/* xorshift64 (Marsaglia): it draws what a cut leaves, never a pad byte. */
uint32_t flash_draw(struct flash* flash) {
  flash->random ^= flash->random << 13;
  flash->random ^= flash->random >> 7;
  flash->random ^= flash->random << 17;
  return (uint32_t)(flash->random >> 16);
}

/** A subset of some bits: for one density few of them, for another nearly all. */
static uint8_t thin(struct flash* flash, uint32_t density, uint8_t bits) {
  uint32_t word = flash_draw(flash);
  if (density == 0) return (uint8_t)(bits & word & (word >> 8) & (word >> 16));
  if (density == 1) return (uint8_t)(bits & (word | word >> 8 | word >> 16));
  return (uint8_t)(bits & word);
}

void flash_boot(struct flash* flash) {
  uint32_t mood = flash_draw(flash) & 3;
  for (uint32_t sector = 0; sector < flash->sectors; sector++) {
    if (!flash->state[sector].torn) continue;
    for (uint32_t at = sector * FLASH_SECTOR; at < (sector + 1) * FLASH_SECTOR; at++) {
      uint8_t drawn = mood == 0 ? 0x00 : mood == 1 ? 0xff : (uint8_t)flash_draw(flash);
      flash->bytes[at] = (uint8_t)((flash->bytes[at] & ~flash->unstable[at]) | (drawn & flash->unstable[at]));
    }
    touch(flash, sector * FLASH_SECTOR, FLASH_SECTOR);
  }
}

/* Whole commands. */

static void must_be_inside(const struct flash* flash, const char* what, uint32_t address, uint32_t length) {
  uint32_t size = flash->sectors * FLASH_SECTOR;
  if (address > size || length > size - address) panic("%s leaves the chip: %u bytes at %u", what, length, address);
}

static void must_fit_page(const struct flash* flash, uint32_t address, uint32_t length) {
  must_be_inside(flash, "a program", address, length);
  if (length == 0 || address % FLASH_PAGE + length > FLASH_PAGE)
    panic("a program wraps its page: %u bytes at %u", length, address);
}

static void must_be_erasable(const struct flash* flash, uint32_t address, uint32_t size) {
  must_be_inside(flash, "an erase", address, size);
  if ((size != FLASH_SECTOR && size != FLASH_BLOCK) || address % size) panic("an erase of %u bytes at %u", size, address);
}

void flash_read(const struct flash* flash, uint32_t address, uint8_t* into, uint32_t length) {
  must_be_inside(flash, "a read", address, length);
  if (flash->bus == BUS_SOUND) memcpy(into, flash->bytes + address, length);
  else memset(into, flash->bus == BUS_ONES ? 0xff : 0x00, length);
}

/** Clears the zeros of `byte`. What is cleared is firm, but on cells that were not wholly erased. */
static void clear(struct flash* flash, uint32_t address, uint8_t byte) {
  struct sector* sector = &flash->state[address / FLASH_SECTOR];
  flash->bytes[address] &= byte;
  if (sector->weak) {
    flash->unstable[address] |= (uint8_t)~byte;
    sector->torn = true;
  } else {
    flash->unstable[address] &= byte;
  }
}

static void blank(struct flash* flash, uint32_t address, uint32_t length) {
  memset(flash->bytes + address, 0xff, length);
  memset(flash->unstable + address, 0, length);
}

static void blank_sector(struct flash* flash, uint32_t sector) {
  blank(flash, sector * FLASH_SECTOR, FLASH_SECTOR);
  flash->state[sector].torn = false;
  flash->state[sector].weak = false;
}

/** The worst fault of a range. */
static enum fault fault_of(const struct flash* flash, uint32_t address, uint32_t length) {
  enum fault worst = FAULT_NONE;
  for (uint32_t at = address / FLASH_SECTOR; at <= (address + length - 1) / FLASH_SECTOR; at++)
    if (flash->state[at].fault > worst) worst = flash->state[at].fault;
  return worst;
}

/** The fault that a program or an erase meets. */
static enum fault meet(struct flash* flash, uint32_t address, uint32_t length) {
  enum fault fault = fault_of(flash, address, length);
  if (flash->mishap_in && --flash->mishap_in == 0 && flash->mishap > fault) return flash->mishap;
  return fault;
}

uint32_t flash_program(struct flash* flash, uint32_t address, const uint8_t* from, uint32_t length) {
  must_fit_page(flash, address, length);
  if (flash->bus != BUS_SOUND) return flash->bus == BUS_ONES;
  enum fault fault = meet(flash, address, length);
  if (fault == FAULT_PROTECTED) return 1;
  if (fault == FAULT_SLOW) {
    flash_tear_program(flash, address, from, length, TEAR_RANDOM);
    return 1;
  }
  uint32_t density = flash_draw(flash) & 3;
  for (uint32_t i = 0; i < length; i++) {
    uint8_t lost = fault == FAULT_WORN ? thin(flash, density, (uint8_t)~from[i]) : 0;
    clear(flash, address + i, from[i] | lost);
  }
  touch(flash, address, length);
  return 0;
}

uint32_t flash_erase(struct flash* flash, uint32_t address, uint32_t size) {
  must_be_erasable(flash, address, size);
  if (flash->bus != BUS_SOUND) return flash->bus == BUS_ONES;
  enum fault fault = meet(flash, address, size);
  if (fault == FAULT_PROTECTED) return 1;
  if (fault == FAULT_SLOW) {
    flash_tear_erase(flash, address, size, TEAR_RANDOM);
    return 1;
  }
  for (uint32_t sector = address / FLASH_SECTOR; sector < (address + size) / FLASH_SECTOR; sector++)
    blank_sector(flash, sector);
  if (fault == FAULT_WORN) {
    uint32_t place = address + flash_draw(flash) % size;
    flash->bytes[place] &= (uint8_t)~(1u << (flash_draw(flash) & 7));
  }
  touch(flash, address, size);
  return 0;
}

void flash_put(struct flash* flash, uint32_t address, const uint8_t* bytes, uint32_t length) {
  must_be_inside(flash, "a put", address, length);
  if (length == 0) return;
  memcpy(flash->bytes + address, bytes, length);
  memset(flash->unstable + address, 0, length);
  touch(flash, address, length);
}

/* Commands that the power cuts. */

/** Makes bits undecided. */
static void unsettle(struct flash* flash, uint32_t address, uint8_t bits) {
  if (!bits) return;
  flash->unstable[address] |= bits;
  flash->state[address / FLASH_SECTOR].torn = true;
}

/** The bits that programming `byte` would change. */
static uint8_t target(const struct flash* flash, uint32_t address, uint8_t byte) {
  return (uint8_t)(~byte & (flash->bytes[address] | flash->unstable[address]));
}

/** The last `LAST_BITS` bits of a program are done, nothing else. */
static void tear_to_last_bits(struct flash* flash, uint32_t address, const uint8_t* from, uint32_t length) {
  uint32_t left = LAST_BITS;
  for (uint32_t i = length; i-- > 0;) {
    uint8_t bits = target(flash, address + i, from[i]);
    uint8_t done = 0;
    for (uint32_t bit = 1; bit < 256 && left; bit <<= 1) {
      if (!(bits & bit)) continue;
      done |= (uint8_t)bit;
      left--;
    }
    clear(flash, address + i, (uint8_t)~done);
  }
}

/** Any bits of a program are done, in any order, and some are undecided. */
static void tear_at_random(struct flash* flash, uint32_t address, const uint8_t* from, uint32_t length) {
  uint32_t done = flash_draw(flash) & 3;
  uint32_t undecided = flash_draw(flash) & 3;
  for (uint32_t i = 0; i < length; i++) {
    clear(flash, address + i, (uint8_t)~thin(flash, done, target(flash, address + i, from[i])));
    unsettle(flash, address + i, thin(flash, undecided, target(flash, address + i, from[i])));
  }
}

void flash_tear_program(struct flash* flash, uint32_t address, const uint8_t* from, uint32_t length, enum tear tear) {
  must_fit_page(flash, address, length);
  if (flash->bus != BUS_SOUND || fault_of(flash, address, length) == FAULT_PROTECTED) return;
  if (tear == TEAR_RANDOM) tear_at_random(flash, address, from, length);
  if (tear == TEAR_LAST_BITS) tear_to_last_bits(flash, address, from, length);
  for (uint32_t i = 0; i < length; i++) {
    if (tear == TEAR_UNSTABLE) unsettle(flash, address + i, target(flash, address + i, from[i]));
    if (tear == TEAR_WHOLE || (tear == TEAR_FIRST_HALF && i < length / 2)) clear(flash, address + i, from[i]);
  }
  touch(flash, address, length);
}

/** Any bit of a sector either way, some undecided; how much of each is drawn. */
static void scatter(struct flash* flash, uint32_t sector) {
  uint32_t erased = flash_draw(flash) & 3;
  uint32_t cleared = flash_draw(flash) & 3;
  uint32_t undecided = flash_draw(flash) & 3;
  for (uint32_t at = sector * FLASH_SECTOR; at < (sector + 1) * FLASH_SECTOR; at++) {
    flash->bytes[at] |= thin(flash, erased, 0xff);
    if (cleared < 2) flash->bytes[at] &= (uint8_t)~thin(flash, 0, 0xff);
    flash->unstable[at] = thin(flash, undecided, 0xff);
  }
  flash->state[sector].torn = true;
}

void flash_tear_erase(struct flash* flash, uint32_t address, uint32_t size, enum tear tear) {
  must_be_erasable(flash, address, size);
  if (flash->bus != BUS_SOUND || fault_of(flash, address, size) == FAULT_PROTECTED) return;
  uint32_t first = address / FLASH_SECTOR;
  uint32_t count = size / FLASH_SECTOR;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t sector = first + i;
    if (tear == TEAR_UNSTABLE) {
      memset(flash->unstable + sector * FLASH_SECTOR, 0xff, FLASH_SECTOR);
      flash->state[sector].torn = true;
    } else if (tear == TEAR_WHOLE || (tear == TEAR_FIRST_HALF && i < count / 2)) {
      blank_sector(flash, sector);
    } else if (tear == TEAR_FIRST_HALF && count == 1) {
      blank(flash, sector * FLASH_SECTOR, FLASH_SECTOR / 2);
    } else if (tear == TEAR_LAST_BITS && i == count - 1) {
      blank(flash, (sector + 1) * FLASH_SECTOR - LAST_BITS / 8, LAST_BITS / 8);
    } else if (tear == TEAR_RANDOM) {
      scatter(flash, sector);
    }
    flash->state[sector].weak = true;
  }
  touch(flash, address, size);
}
