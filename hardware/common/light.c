#include "light.h"

#include "board.h"
#include "button.h"
#include "pin.h"
#include "supply.h"

enum { SLOW = 100, FAST = 20 }; /* ticks of a blink, dark and lit */

/** Ticks for which a question is shown: half a minute. */
#define ASKED 6000u

static bool ready;
static bool usable;
static volatile bool working;
static volatile uint32_t asked;
static uint32_t ticks;
static uint32_t due;

void light_start(void) {
  pin_output(LIGHT_PIN, false);
  due = REG(TIMER_RAWL) + TICK_US;
  REG_SET(TIMER_INTE) = BIT(0);
  REG(TIMER_ALARM0) = due;
  REG(NVIC_ISER) = BIT(IRQ_TIMER_0);
}

static bool shine(void) {
  if (!ready) return false;
  if (!usable || !supply_ok()) return ticks % (2 * FAST) < FAST;
  if (asked > 0) return ticks % (2 * SLOW) < SLOW;
  return !working;
}

void light_tick(void) {
  REG(TIMER_INTR) = BIT(0);
  // An alarm matches one exact microsecond: one that has passed meanwhile would come 71 minutes later.
  do {
    due += TICK_US;
    REG(TIMER_ALARM0) = due;
  } while ((int32_t)(due - REG(TIMER_RAWL)) <= 0);
  ticks++;
  if (asked > 0) asked--;
  if (button_tick()) asked = 0;
  pin_set(LIGHT_PIN, shine());
}

void light_ready(bool chip) {
  usable = chip;
  ready = true;
}

void light_working(bool now) { working = now; }

void light_ask(bool asking) { asked = asking ? ASKED : 0; }
