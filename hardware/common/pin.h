/* A pin as plain input or output, or given to a peripheral. */
#ifndef PIN_H
#define PIN_H

#include <stdbool.h>

#include "rp2040.h"

static inline void pin_give(uint32_t pin, uint32_t function) {
  REG(GPIO_PAD(pin)) = PAD_SCHMITT | PAD_INPUT | PAD_8MA;
  REG(GPIO_CTRL(pin)) = function;
}

/** Low active inputs rest high, also when nothing is connected. */
static inline void pin_input_pulled_up(uint32_t pin) {
  REG(GPIO_PAD(pin)) = PAD_SCHMITT | PAD_INPUT | PAD_PULL_UP;
  REG(GPIO_CTRL(pin)) = FUNCTION_SIO;
}

static inline void pin_set(uint32_t pin, bool high) { REG(high ? SIO_GPIO_OUT_SET : SIO_GPIO_OUT_CLEAR) = BIT(pin); }

/** Output, with its first level laid on before the driver is. */
static inline void pin_output(uint32_t pin, bool high) {
  pin_set(pin, high);
  REG(SIO_GPIO_OE_SET) = BIT(pin);
  REG(GPIO_PAD(pin)) = PAD_SCHMITT | PAD_INPUT | PAD_8MA;
  REG(GPIO_CTRL(pin)) = FUNCTION_SIO;
}

static inline bool pin_read(uint32_t pin) { return (REG(SIO_GPIO_IN) & BIT(pin)) != 0; }

#endif
