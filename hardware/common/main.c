/*
 * The device: lines in, core, answers out. The core has one decoder and one command outstanding, so a line that began a
 * frame keeps the device until the frame ends, or until it has been silent for a second while another line waits.
 */
#include "main.h"

#include <stdbool.h>
#include <stddef.h>

#include "body.h"
#include "button.h"
#include "clocks.h"
#include "light.h"
#include "line.h"
#include "nor.h"
#include "reset.h"
#include "serial.h"
#include "supply.h"
#include "uart.h"
#include "usb.h"

#define SILENCE_US 1000000u
#define SUPPLY_DELAY_US 1000000u

static const line_t* const lines[] = {&uart_line, &usb_cdc_line, &usb_vendor_line};
#define LINES (sizeof lines / sizeof lines[0])

/** Whose bytes went to the core last; its frame may not be whole yet. */
static const line_t* asking;
static bool inside;
static uint32_t heard;

void main_answer(const uint8_t* from, uint32_t count) {
  reset_feed();
  if (asking != NULL) asking->send(from, count);
}

/** The next line that has something to say, beginning behind the one that spoke last. */
static const line_t* next(void) {
  static uint32_t last;
  for (uint32_t i = 1; i <= LINES; i++) {
    const line_t* line = lines[(last + i) % LINES];
    if (ring_used(line->in) > 0) {
      last = (last + i) % LINES;
      return line;
    }
  }
  return NULL;
}

/** Hands on what waits of the current line, up to the end of a frame. False when nothing waits. */
static bool take(void) {
  const uint8_t* from;
  uint32_t count = ring_peek(asking->in, &from);
  if (count > BODY_WINDOW) count = BODY_WINDOW;
  if (count == 0) return false;
  const uint8_t* end = memchr(from, 0, count);
  inside = end == NULL;
  uint32_t taken = inside ? count : (uint32_t)(end - from) + 1;
  heard = clocks_us();
  light_working(true);
  body_receive(from, taken);
  ring_drop(asking->in, taken);
  if (asking->drained != NULL) asking->drained();
  return true;
}

/** A frame that nobody finishes is ended for its line, which is told that it was none. */
static void give_up(void) {
  static const uint8_t end = 0;
  inside = false;
  body_receive(&end, 1);
}

static bool serve(void) {
  if (!inside) {
    const line_t* line = next();
    if (line == NULL) return false;
    asking = line;
  }
  if (take()) return true;
  if (clocks_passed(heard, SILENCE_US) && next() != NULL) give_up();
  return false;
}

/**
 * A supervisor says that the supply is good only some time after it is: up to 0.4 s for common ones. The core looks
 * once, and before that nobody talks to the chip, whose supply it is.
 */
static void await_supply(void) {
  uint32_t began = clocks_us();
  while (!supply_ok() && !clocks_passed(began, SUPPLY_DELAY_US)) {
    reset_feed();
    __asm__ volatile("wfe");
  }
}

/** The core starts, and says which device it is before anybody else can ask. */
static void boot(reset_history_t history) {
  static const uint8_t question[] = SERIAL_QUESTION;
  body_boot(history.traps, history.reason);
  asking = &serial_line;
  body_receive(question, sizeof question);
  asking = NULL;
}

_Noreturn void main(void) {
  reset_history_t history = reset_begin();
  light_start();
  button_start();
  supply_start();
  uart_start();
  await_supply();
  nor_start();
  boot(history);
  usb_start(serial_bytes());
  light_ready(nor_size() > 0);
  for (;;) {
    reset_feed();
    bool served = serve();
    bool working = body_poll();
    light_working(served || working);
    // An interrupt since the last look makes this return at once; the tick ends it every 5 ms.
    if (!served && !working) __asm__ volatile("wfe");
  }
}
