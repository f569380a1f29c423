/*
 * A button to ground. A press is a level that stays low for BUTTON_STABLE ticks behind one that stayed high as long. It
 * is kept until somebody looks; the core's first look, when it asks, throws away what lies before the question.
 */
#include "button.h"

#include "board.h"
#include "hal.h"
#include "pin.h"

/** Ticks of 5 ms: 20 ms, longer than contacts of small buttons bounce. */
#define BUTTON_STABLE 4u

static volatile bool pressed;
static bool down;
static uint32_t differs;

void button_start(void) {
  pin_input_pulled_up(BUTTON_PIN);
  // What is held down already was not pressed here.
  down = true;
}

bool button_tick(void) {
  bool low = !pin_read(BUTTON_PIN);
  differs = low == down ? 0 : differs + 1;
  if (differs < BUTTON_STABLE) return false;
  down = low;
  differs = 0;
  if (down) pressed = true;
  return down;
}

uint32_t button_look(void) {
  if (!pressed) return BUTTON_NONE;
  pressed = false;
  return BUTTON_PRESSED;
}
