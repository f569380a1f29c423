/*
 * From reset to main: the vector table, the clocks, and memory as C expects it. Everything here runs from the boot
 * flash.
 */
#include <stdint.h>

#include "board.h"
#include "clocks.h"
#include "light.h"
#include "main.h"
#include "reset.h"
#include "rp2040.h"
#include "uart.h"
#include "usb.h"

extern uint32_t stack_top[], data_begin[], data_end[], data_image[], bss_begin[], bss_end[];

_Noreturn void start(void);

/* Nobody asked for this exception: a fault, or an interrupt that is not ours. */
static _Noreturn void unexpected(void) { reset_with_reason(REASON_ANOTHER); }

typedef void (*vector_t)(void);

/** The table of the Cortex-M0+: stack, fifteen exceptions, 26 interrupts (data sheet 2.3.2). */
__attribute__((section(".vectors"), used)) static const vector_t vectors[16 + 26] = {
    (vector_t)stack_top,
    start,
    [2 ... 15] = unexpected,
    [16 + IRQ_TIMER_0] = light_tick,
    [16 + IRQ_TIMER_1] = clocks_awake,
    [16 + IRQ_TIMER_1 + 1 ... 16 + IRQ_USB - 1] = unexpected,
    [16 + IRQ_USB] = usb_interrupt,
    [16 + IRQ_USB + 1 ... 16 + IRQ_UART0 - 1] = unexpected,
    [16 + IRQ_UART0] = uart_interrupt,
    [16 + IRQ_UART0 + 1 ... 16 + 25] = unexpected,
};

/**
 * Below RAM, where the stack would run out to, is no memory, and nobody says what a write there does: it is forbidden.
 * The fault has no place for its frame either, so that the processor stands still until the watchdog resets it.
 */
static void guard_stack(void) {
  REG(MPU_REGION) = 0;
  REG(MPU_BASE) = RAM_BASE - (16u << 20);
  REG(MPU_ATTRIBUTES) = MPU_FORBIDDEN_16M;
  REG(MPU_CTRL) = MPU_ENABLE;
  __asm__ volatile("dsb\nisb" ::: "memory");
}

void start(void) {
  guard_stack();
  // First, since the rest then takes a twentieth of the time: it uses no memory but the stack.
  clocks_start();
  for (uint32_t *to = data_begin, *from = data_image; to < data_end;) *to++ = *from++;
  for (uint32_t* to = bss_begin; to < bss_end;) *to++ = 0;
  main();
}
