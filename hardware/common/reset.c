#include "reset.h"

#include <stdbool.h>

#define SCRATCH(n) (WATCHDOG_SCRATCH0 + 4u * (n))
/* Scratch 4 to 7 belong to the boot ROM (data sheet 2.8.1.1). */
enum { TRAPS = 0, REASON = 1, CHECK = 2 };

/** Tells what we left from what power-on finds. */
static uint32_t check(uint32_t traps, uint32_t reason) { return ~(traps ^ (reason << 16) ^ 0x54504144u); }

/** Fills in the history. False when we left none, and it begins. */
static bool recall(reset_history_t* history) {
  *history = (reset_history_t){REG(SCRATCH(TRAPS)), REG(SCRATCH(REASON))};
  if (REG(WATCHDOG_REASON) != 0 && REG(SCRATCH(CHECK)) == check(history->traps, history->reason)) return true;
  *history = (reset_history_t){0, 0};
  return false;
}

static void remember(reset_history_t history) {
  REG(SCRATCH(TRAPS)) = history.traps;
  REG(SCRATCH(REASON)) = history.reason;
  REG(SCRATCH(CHECK)) = check(history.traps, history.reason);
}

static void count(reset_history_t* history, uint32_t reason) {
  if (history->traps < 255) history->traps++;
  history->reason = reason;
}

reset_history_t reset_begin(void) {
  reset_history_t history;
  // A watchdog that ran out before we left a history was not ours: the boot ROM ends a flashing so (data sheet 2.8.4).
  if (recall(&history) && (REG(WATCHDOG_REASON) & REASON_TIMER)) count(&history, REASON_ANOTHER);
  remember(history);
  REG(PSM_WDSEL) = PSM_ALL_BUT_OSCILLATORS;
  reset_feed();
  REG(WATCHDOG_CTRL) = WATCHDOG_ENABLE;
  return history;
}

_Noreturn void reset_with_reason(uint32_t reason) {
  reset_history_t history;
  recall(&history);
  count(&history, reason);
  remember(history);
  REG(PSM_WDSEL) = PSM_ALL_BUT_OSCILLATORS;
  REG(WATCHDOG_CTRL) = WATCHDOG_TRIGGER;
  for (;;) {
  }
}
