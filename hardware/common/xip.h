/*
 * How the boot flash is mapped into the address space, for the loader at power-on and for whoever left that mode to
 * write.
 *
 * Read 03h, one line, 24 address bits, 31.25 MHz (clk_sys / 4): every serial NOR knows it, it needs no mode of the
 * chip, and nothing has to be undone in the chip to leave it. Slower on a cache miss than a quad read; what must be
 * fast runs from RAM. On the ring oscillator, which makes 12 MHz at most, half of them will do. Registers: SSI_SSIENR, SSI_BAUDR, SSI_RX_SAMPLE_DLY, SSI_CTRLR0, SSI_CTRLR1, SSI_SPI_CTRLR0,
 * SSI_SER (data sheet 4.10.13).
 */
#ifndef XIP_H
#define XIP_H

#include "rp2040.h"

enum {
  SSI_FRAME_32 = 31u << 16, /* CTRLR0: bits in a frame, less one */
  SSI_FRAME_8 = 7u << 16,
  SSI_BOTH_WAYS = 0u << 8, /* CTRLR0: transmit and receive */
  SSI_ROM_READ = 3u << 8,  /* CTRLR0: command and address out, then data in */
  XIP_READ_03 = (0x03u << 24) | (2u << 8) | (6u << 2), /* SPI_CTRLR0: command 03h, 8 bits of it, 24 of address */
  SSI_DIVISOR = 4,
  SSI_DIVISOR_AT_POWER_ON = 2,
};

/** Maps the boot flash. Inlined: at power-on no other code can be reached yet. */
static inline __attribute__((always_inline)) void xip_enter(uint32_t divisor) {
  REG(SSI_SSIENR) = 0;
  REG(SSI_BAUDR) = divisor;
  REG(SSI_RX_SAMPLE_DLY) = 1;
  REG(SSI_CTRLR0) = SSI_FRAME_32 | SSI_ROM_READ;
  REG(SSI_CTRLR1) = 0;
  REG(SSI_SPI_CTRLR0) = XIP_READ_03;
  REG(SSI_SER) = 1;
  REG(SSI_SSIENR) = 1;
}

#endif
