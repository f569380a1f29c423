/*
 * The chip that the board boots from, as the pad's chip. While a command runs nothing else may be read from it, no code
 * either: what is in this file runs from RAM, calls nothing outside of RAM, and keeps interrupts off from leaving the
 * mapped mode until it is back.
 *
 * The SSI is put into frames of 8 bits, one line, and chip select is held by the pin's own override, because the SSI
 * would raise it as soon as its queue runs dry. The pad is read the same way and not through the mapped window: so no
 * pad byte ever lies in its cache, and that needs no flush, since the part of the flash that is mapped never changes.
 *
 * Registers: those of xip.h, SSI_SR, SSI_DR0 (RP2040 data sheet 4.10.13), QSPI_SS_CTRL (2.19.6.2).
 */
#include "bus.h"
#include "clocks.h"
#include "exchange.h"
#include "reset.h"
#include "uart.h"
#include "usb.h"
#include "xip.h"

#define IN_RAM __attribute__((section(".ram"), noinline))
#define WITHIN static inline __attribute__((always_inline))

/** The queues of the SSI hold 16 frames; two less are under way at most, as one can be in its shift register. */
#define UNDER_WAY 14u

/** Reading it back flushes the bridge to the pins' registers: what follows must not overtake it. */
WITHIN void chip_select(uint32_t override) {
  REG(QSPI_SS_CTRL) = override;
  (void)REG(QSPI_SS_CTRL);
}

WITHIN void select(void) { chip_select(OVERRIDE_LOW); }

WITHIN void release(void) { chip_select(OVERRIDE_HIGH); }

WITHIN void leave(void) {
  __asm__ volatile("cpsid i" ::: "memory");
  while (REG(SSI_SR) & SSI_SR_BUSY) {
  }
  release();
  REG(SSI_SSIENR) = 0;
  REG(SSI_BAUDR) = SSI_DIVISOR;
  REG(SSI_CTRLR0) = SSI_FRAME_8 | SSI_BOTH_WAYS;
  REG(SSI_SER) = 1;
  REG(SSI_SSIENR) = 1;
}

WITHIN void enter(void) {
  xip_enter(SSI_DIVISOR);
  chip_select(OVERRIDE_NONE);
  usb_interrupts_were_off();
  __asm__ volatile("cpsie i" ::: "memory");
}

/* Once for each direction. */
IN_RAM static void put(const uint8_t* out, uint32_t count) {
  exchange(SSI_DR0, SSI_SR, SSI_SR_RX_NOT_EMPTY, UNDER_WAY, out, NULL, count);
}

IN_RAM static void get(uint8_t* in, uint32_t count) {
  exchange(SSI_DR0, SSI_SR, SSI_SR_RX_NOT_EMPTY, UNDER_WAY, NULL, in, count);
}

IN_RAM static uint8_t status(void) {
  uint8_t command = READ_STATUS_1;
  uint8_t value;
  select();
  put(&command, 1);
  get(&value, 1);
  release();
  return value;
}

/* The receiver of the UART holds 32 bytes and interrupts are off: it is emptied here. */
IN_RAM static bool await(uint32_t most_us) {
  uint32_t began = clocks_us();
  for (;;) {
    bool late = clocks_passed(began, most_us);
    if ((status() & STATUS_BUSY) == 0) return true;
    if (late) return false;
    reset_feed();
    uart_interrupt();
  }
}

IN_RAM void bus_tell(const uint8_t* command, uint32_t command_count) {
  leave();
  select();
  put(command, command_count);
  release();
  enter();
}

IN_RAM void bus_ask(const uint8_t* command, uint32_t command_count, uint8_t* into, uint32_t count) {
  leave();
  select();
  put(command, command_count);
  get(into, count);
  release();
  enter();
}

IN_RAM bool bus_await(uint32_t most_us) {
  leave();
  bool ready = await(most_us);
  enter();
  return ready;
}

/*
 * While the chip is busy this does not come back: there is no code to come back to. A chip that outlasts its maximum
 * time is waited for without feeding the watchdog, which ends it; and the command is said to have failed.
 */
IN_RAM bool bus_write(const uint8_t* command, uint32_t command_count, const uint8_t* from, uint32_t count,
                      uint32_t most_us) {
  uint8_t enable = WRITE_ENABLE;
  leave();
  select();
  put(&enable, 1);
  release();
  bool done = (status() & STATUS_WRITE_ENABLED) != 0;
  if (done) {
    select();
    put(command, command_count);
    put(from, count);
    release();
    done = await(most_us);
    while (status() & STATUS_BUSY) uart_interrupt();
  }
  enter();
  return done;
}

/* This program came from the chip: it is awake, and not busy. */
bool bus_start(void) { return true; }
