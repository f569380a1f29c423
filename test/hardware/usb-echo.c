/*
 * A firmware of nothing but USB, for its tests: it runs in RAM and gives every frame back to the line from which it came. What it says by
 * itself would show: bytes wait until a 00.
 */
#include <stddef.h>

#include "clocks.h"
#include "usb.h"

static void echo(const line_t* line, uint8_t* held, uint32_t* count, uint32_t room) {
  while (ring_used(line->in) > 0) {
    const uint8_t* from;
    ring_peek(line->in, &from);
    uint8_t byte = *from;
    ring_drop(line->in, 1);
    if (*count < room) held[(*count)++] = byte;
    if (byte != 0) continue;
    line->drained();
    line->send(held, *count);
    *count = 0;
  }
  line->drained();
}

/* Stops and goes on as the test says: a device that is busy with a command does not look at its lines. */
volatile uint32_t echo_stopped;

_Noreturn void echo_main(void) {
  static const uint8_t serial[8] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
  static uint8_t cdc[8192], vendor[8192];
  uint32_t cdc_count = 0, vendor_count = 0;
  usb_start(serial);
  for (;;) {
    if (echo_stopped) continue;
    echo(&usb_cdc_line, cdc, &cdc_count, sizeof cdc);
    echo(&usb_vendor_line, vendor, &vendor_count, sizeof vendor);
  }
}

extern uint32_t stack_top[];
__attribute__((section(".vectors"), used)) static void* const vectors[16 + 32] = {
  [0] = stack_top,
  [1] = (void*)echo_main,
  [15] = (void*)&echo_stopped, /* where the test finds it */
  [16 + IRQ_USB] = (void*)usb_interrupt,
};
