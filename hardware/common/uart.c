#include "uart.h"

#include <stddef.h>

#include "board.h"
#include "clocks.h"
#include "pin.h"

#define BAUD 115200u
/** The divider of the baud rate, in units of 1/64 (data sheet 4.2.7.1). */
#define DIVIDER ((CLOCK_HZ * 4u + BAUD / 2u) / BAUD)
enum { LINE_8N1_WITH_FIFO = (3 << 5) | BIT(4), ENABLE_BOTH_WAYS = BIT(0) | BIT(8) | BIT(9) };

/* More than the longest frame, so that a whole command fits while the core erases. */
RING(received, 8192);

/* In RAM: on a board whose pad is the boot flash the receiver is emptied while that cannot be read. */
__attribute__((section(".ram"), noinline)) void uart_interrupt(void) {
  while (!(REG(UART_FR) & UART_FR_RX_EMPTY)) ring_put(&received, (uint8_t)REG(UART_DR));
  REG(UART_ICR) = UART_INT_RX_TIMEOUT;
}

static void send(const uint8_t* from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    // The longest answer takes less than half a second: the watchdog need not be fed, and ends a transmitter that
    // stands still.
    while (REG(UART_FR) & UART_FR_TX_FULL) {
    }
    REG(UART_DR) = from[i];
  }
}

const line_t uart_line = {.in = &received, .drained = NULL, .send = send};

void uart_start(void) {
  pin_give(UART_TX_PIN, FUNCTION_UART);
  REG(GPIO_PAD(UART_RX_PIN)) = PAD_SCHMITT | PAD_INPUT | PAD_PULL_UP;
  REG(GPIO_CTRL(UART_RX_PIN)) = FUNCTION_UART;
  REG(UART_IBRD) = DIVIDER / 64u;
  REG(UART_FBRD) = DIVIDER % 64u;
  REG(UART_LCR_H) = LINE_8N1_WITH_FIFO;
  REG(UART_CR) = ENABLE_BOTH_WAYS;
  REG(UART_IMSC) = UART_INT_RX | UART_INT_RX_TIMEOUT;
  REG(NVIC_ISER) = BIT(IRQ_UART0);
}
