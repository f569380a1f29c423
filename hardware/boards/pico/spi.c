/*
 * The chip on SPI0, 31.25 MHz. Mode 3: in mode 0 the peripheral lets the clock rest behind each byte. Chip select is a
 * pin of our own: the peripheral moves its own with every byte, or never (data sheet 4.4.3.11 to 4.4.3.14).
 */
#include "board.h"
#include "bus.h"
#include "clocks.h"
#include "exchange.h"
#include "pin.h"
#include "reset.h"

enum { EIGHT_BITS_MODE_3 = 7 | BIT(6) | BIT(7), ENABLE = BIT(1), FIFO_DEPTH = 8 };

#define IN_RAM __attribute__((section(".ram"), noinline))

/** Behind a software reset, and behind waking (data sheet 9.6, tRST and tRES1). */
#define SETTLE_US 40u

/* Both queues hold eight. Once for each direction. */
IN_RAM static void put(const uint8_t* out, uint32_t count) {
  exchange(SPI_DR, SPI_SR, SPI_SR_RX_NOT_EMPTY, FIFO_DEPTH, out, NULL, count);
}

IN_RAM static void get(uint8_t* in, uint32_t count) {
  exchange(SPI_DR, SPI_SR, SPI_SR_RX_NOT_EMPTY, FIFO_DEPTH, NULL, in, count);
}

static void select(void) { pin_set(NOR_SELECT_PIN, false); }

static void release(void) { pin_set(NOR_SELECT_PIN, true); }

void bus_tell(const uint8_t* command, uint32_t command_count) {
  select();
  put(command, command_count);
  release();
}

void bus_ask(const uint8_t* command, uint32_t command_count, uint8_t* into, uint32_t count) {
  select();
  put(command, command_count);
  get(into, count);
  release();
}

static uint8_t status(void) {
  uint8_t command = READ_STATUS_1;
  uint8_t value;
  bus_ask(&command, 1, &value, 1);
  return value;
}

bool bus_await(uint32_t most_us) {
  uint32_t began = clocks_us();
  for (;;) {
    // The time is looked at first: whatever holds us up between the two, a chip that is ready in time is never called
    // late.
    bool late = clocks_passed(began, most_us);
    if ((status() & STATUS_BUSY) == 0) return true;
    if (late) return false;
    reset_feed();
    // What takes longer than a program takes much longer.
    if (clocks_passed(began, PROGRAM_MOST_US)) clocks_doze();
  }
}

bool bus_write(const uint8_t* command, uint32_t command_count, const uint8_t* from, uint32_t count, uint32_t most_us) {
  uint8_t enable = WRITE_ENABLE;
  bus_tell(&enable, 1);
  if ((status() & STATUS_WRITE_ENABLED) == 0) return false;
  select();
  put(command, command_count);
  put(from, count);
  release();
  return bus_await(most_us);
}

static void tell(uint8_t opcode) { bus_tell(&opcode, 1); }

bool bus_start(void) {
  pin_output(NOR_SELECT_PIN, true);
  pin_give(NOR_CLOCK_PIN, FUNCTION_SPI);
  pin_give(NOR_OUT_PIN, FUNCTION_SPI);
  // A chip that is not there reads as ones: busy for ever.
  REG(GPIO_PAD(NOR_IN_PIN)) = PAD_SCHMITT | PAD_INPUT | PAD_PULL_UP;
  REG(GPIO_CTRL(NOR_IN_PIN)) = FUNCTION_SPI;
  REG(SPI_CPSR) = NOR_SPI_DIVISOR;
  REG(SPI_CR0) = EIGHT_BITS_MODE_3;
  REG(SPI_CR1) = ENABLE;
  // A reset of this board may have left an erase running; a software reset of the chip in the middle of it would tear
  // what it does.
  if (!bus_await(ERASE_64K_MOST_US)) {
    // All ones: nothing drives the wire. That is no chip, or one that another program sent to sleep.
    if (status() != 0xff) return false;
    tell(WAKE);
    clocks_wait(SETTLE_US);
    if (!bus_await(STATUS_MOST_US)) return false;
  }
  tell(ENABLE_RESET);
  tell(RESET_CHIP);
  clocks_wait(SETTLE_US);
  tell(WAKE);
  clocks_wait(SETTLE_US);
  return bus_await(STATUS_MOST_US);
}
