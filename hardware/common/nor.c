#include "nor.h"

#include "bus.h"
#include "supply.h"

enum { WINBOND = 0xef, TYPE_Q = 0x40, TYPE_M = 0x70, CAPACITY_1M = 0x14, CAPACITY_16M = 0x18 };

/*
 * What keeps sectors from being written (data sheet 7.1): SEC, TB, BP2 … BP0; CMP; WPS, behind which each block has its
 * own lock.
 */
enum { PROTECT_1 = 0x7c, PROTECT_2 = 0x40, PROTECT_3 = 0x04 };

static uint32_t id;
static uint32_t size;

static uint8_t status(uint8_t opcode) {
  uint8_t value;
  bus_ask(&opcode, 1, &value, 1);
  return value;
}

/**
 * Bytes of a chip that may hold a pad: single bits of a used byte can be zeroed later, and 24 address bits reach all of
 * it.
 */
static uint32_t size_of(uint32_t chip) {
  uint32_t type = (chip >> 8) & 0xff;
  uint32_t capacity = chip & 0xff;
  if (chip >> 16 != WINBOND || (type != TYPE_Q && type != TYPE_M)) return 0;
  return capacity >= CAPACITY_1M && capacity <= CAPACITY_16M ? 1u << capacity : 0;
}

/** Whether any of these bits is set. A chip without this register leaves the wire alone, and it reads as ones. */
static bool is_set(uint8_t read, uint8_t bits) {
  uint8_t value = status(read);
  return value != 0xff && (value & bits) != 0;
}

/** Until the next power-on only: nothing is written into the chip, so that no cut can leave half of it. */
static void clear_status(uint8_t read, uint8_t write, uint8_t protect) {
  if (!is_set(read, protect)) return;
  uint8_t enable = VOLATILE_STATUS_WRITE;
  uint8_t command[] = {write, status(read) & (uint8_t)~protect};
  bus_tell(&enable, 1);
  bus_tell(command, sizeof command);
}

static bool unprotect(void) {
  clear_status(READ_STATUS_1, WRITE_STATUS_1, PROTECT_1);
  clear_status(READ_STATUS_2, WRITE_STATUS_2, PROTECT_2);
  clear_status(READ_STATUS_3, WRITE_STATUS_3, PROTECT_3);
  return bus_await(STATUS_MOST_US) && !is_set(READ_STATUS_1, PROTECT_1) && !is_set(READ_STATUS_2, PROTECT_2) &&
         !is_set(READ_STATUS_3, PROTECT_3);
}

void nor_start(void) {
  uint8_t command = READ_ID;
  uint8_t answer[3];
  if (!bus_start()) return;
  bus_ask(&command, 1, answer, sizeof answer);
  id = (uint32_t)answer[0] << 16 | (uint32_t)answer[1] << 8 | answer[2];
  if (id == 0xffffff) id = 0;
  // Where the supply is still too low to write, the core is told so and writes nothing: no need to unprotect.
  if (size_of(id) != 0 && (!supply_ok() || unprotect())) size = size_of(id);
}

uint32_t nor_id(void) { return id; }

uint32_t nor_size(void) { return size; }

static void addressed(uint8_t* command, uint8_t opcode, uint32_t address) {
  command[0] = opcode;
  command[1] = (uint8_t)(address >> 16);
  command[2] = (uint8_t)(address >> 8);
  command[3] = (uint8_t)address;
}

void nor_read(uint32_t address, uint8_t* into, uint32_t count) {
  uint8_t command[4];
  addressed(command, READ, address);
  if (bus_await(ERASE_64K_MOST_US)) {
    bus_ask(command, sizeof command, into, count);
  } else {
    for (uint32_t i = 0; i < count; i++) into[i] = 0xff;
  }
}

bool nor_program(uint32_t address, const uint8_t* from, uint32_t count) {
  uint8_t command[4];
  addressed(command, PROGRAM, address);
  return bus_await(ERASE_64K_MOST_US) && bus_write(command, sizeof command, from, count, PROGRAM_MOST_US);
}

bool nor_erase(uint32_t address, uint32_t bytes) {
  uint8_t command[4];
  bool block = bytes != 4096;
  addressed(command, block ? ERASE_64K : ERASE_4K, address);
  return bus_await(ERASE_64K_MOST_US) &&
         bus_write(command, sizeof command, 0, 0, block ? ERASE_64K_MOST_US : ERASE_4K_MOST_US);
}
