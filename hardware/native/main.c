/*
 * The native device as a program: orders on standard input, answers on standard output, and nothing else on either.
 *
 * An order is `u8 what ‖ u32 length ‖ payload`. Its answer is `u8 power ‖ u8 traps ‖ u8 more ‖ u8 0 ‖ u32 HAL calls so far ‖
 * u32 length ‖ bytes`: what the core sent meanwhile, or what was asked for. Integers are little endian. The program ends with its
 * input; what is no order ends it with a sentence on standard error, and so does whatever no core may do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

#define PAYLOAD_MAX (1u << 20)

static struct machine machine;
static bool opened;
/** One more, so that a path in it ends. */
static uint8_t payload[PAYLOAD_MAX + 1];

static uint32_t word(const uint8_t* at) { return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24; }

static void put_word(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (8 * i));
}

static void answer(const uint8_t* bytes, uint32_t length) {
  uint8_t head[12] = {(uint8_t)machine.power, (uint8_t)machine.traps, machine.more, 0};
  put_word(head + 4, (uint32_t)machine.calls);
  put_word(head + 8, length);
  fwrite(head, 1, sizeof head, stdout);
  fwrite(bytes, 1, length, stdout);
  fflush(stdout);
}

/** u32 sectors ‖ u32 burn unit ‖ u32 seed ‖ path of the file, empty for none. */
static void open_chip(void) {
  const char* path = payload[12] ? (const char*)payload + 12 : NULL;
  uint32_t sectors = word(payload);
  if (sectors == 0 || sectors > 1u << 16) panic("a chip has 1 to 65536 sectors");
  if (opened) machine_close(&machine);
  machine_open(&machine, sectors, word(payload + 4), word(payload + 8), path);
  opened = true;
}

static void arm_cut(void) {
  uint8_t armed = machine.cut.call != 0;
  machine.cut = (struct cut){word(payload), payload[4], payload[5], payload[6], payload[7]};
  answer(&armed, 1);
}

static void take_entropy(uint32_t length) {
  if (length > ENTROPY_MAX) panic("entropy of %u bytes", length);
  memcpy(machine.entropy, payload, length);
  machine.entropy_length = length;
  machine.entropy_next = 0;
}

/** u32 address ‖ u32 length: the chip as it is, without its bus and its faults. */
static void look(void) {
  uint32_t size = machine.flash.sectors * FLASH_SECTOR;
  if (word(payload) > size || word(payload + 4) > size - word(payload)) panic("a look beyond the chip");
  answer(machine.flash.bytes + word(payload), word(payload + 4));
}

static void set_fault(void) {
  if (word(payload) >= machine.flash.sectors) panic("there is no sector %u", word(payload));
  machine.flash.state[word(payload)].fault = payload[4];
}

/** An order, and the least payload that it has. */
struct order {
  char what;
  uint32_t least;
};

static const struct order ORDERS[] = {
    {'n', 12}, /* a new chip, without power: open_chip */
    {'p', 4},  /* power on, or the reset line let go: u32 traps since power-on */
    {'o', 0},  /* power off, between two calls */
    {'f', 0},  /* bytes of the line */
    {'w', 4},  /* background work: u32 steps at most */
    {'c', 8},  /* a cut: u32 call ‖ u8 name ‖ u8 when ‖ u8 reset ‖ u8 tear; call 0 for none. Answer: u8 whether one was armed */
    {'b', 2},  /* what the next look at the button finds ‖ whether every look finds it */
    {'s', 1},  /* whether the supply is low */
    {'g', 1},  /* whether used bytes may be programmed to zero */
    {'h', 1},  /* whether 64 KiB erase exists */
    {'e', 0},  /* what the core gets for entropy, over and over; empty: the system's */
    {'k', 5},  /* a fault: u32 sector ‖ u8 kind */
    {'x', 4},  /* u32 address ‖ bytes that a programmer puts on the chip */
    {'l', 8},  /* a look at the chip */
    {'m', 0},  /* the statics of the core, of a device that is put back: u8 power ‖ u8 traps ‖ the bytes */
};

static void must_be_order(char what, uint32_t length) {
  if (!opened && what != 'n') panic("there is no chip yet");
  for (size_t i = 0; i < sizeof ORDERS / sizeof *ORDERS; i++)
    if (ORDERS[i].what == what && ORDERS[i].least <= length) return;
  panic("no order: %d, %u bytes", what, length);
}

static void obey(char what, uint32_t length) {
  must_be_order(what, length);
  if (what == 'n') open_chip();
  if (what == 'p') machine_start(&machine, word(payload));
  if (what == 'o') machine.power = POWER_OFF;
  if (what == 'f') machine_feed(&machine, payload, length);
  if (what == 'w') machine_pump(&machine, word(payload));
  if (what == 'b') {
    machine.button = payload[0];
    machine.button_stays = payload[1];
  }
  if (what == 's') machine.supply_low = payload[0];
  if (what == 'g') machine.overprogram = payload[0];
  if (what == 'h') machine.large_erase = payload[0];
  if (what == 'e') take_entropy(length);
  if (what == 'k') set_fault();
  if (what == 'x') flash_put(&machine.flash, word(payload), payload + 4, length - 4);
  if (what == 'm') machine_put_back(&machine, payload[0], payload[1], payload + 2, length - 2);
  if (what == 'l') return look();
  if (what == 'c') return arm_cut();
  answer(machine.sent, machine.sent_length);
  machine.sent_length = 0;
}

int main(void) {
  uint8_t head[5];
  while (fread(head, 1, sizeof head, stdin) == sizeof head) {
    uint32_t length = word(head + 1);
    if (length > PAYLOAD_MAX || fread(payload, 1, length, stdin) != length) panic("an order of %u bytes breaks off", length);
    payload[length] = 0;
    obey((char)head[0], length);
  }
  return 0;
}
