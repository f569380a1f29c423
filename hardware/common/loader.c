/*
 * The second stage of the RP2040's start (data sheet 2.8.1): the boot ROM copies the first 256 bytes of the boot flash
 * to RAM, checks the CRC-32 at their end, and jumps to their beginning. 252 bytes are left for this: map the flash, see
 * whether the image behind it is whole, and begin as a Cortex-M does behind a reset, with the vector table behind the
 * loader. All of it on the ring oscillator: the sum is most of the time of a start, and the flash is read twice as fast
 * for it as at full speed.
 *
 * An image is flashed in blocks, this one first. When the plug is pulled in between, the rest is an older image, and
 * what is half of each must not run beside a pad. Nothing starts then; the BOOTSEL button brings the drive up as ever,
 * and the image is flashed again.
 *
 * The toolchain compiles this last, with what the image sums up to: IMAGE_WORDS, IMAGE_SUM and IMAGE_SUMS
 * (toolchain/loader.ts).
 */
#include "xip.h"

#define VECTORS (XIP_BASE + 0x100u)

__attribute__((section(".loader_entry"), noreturn, used)) void loader(void) {
  xip_enter(SSI_DIVISOR_AT_POWER_ON);
  const volatile uint32_t* image = &REG(VECTORS);
  uint32_t sum = 0;
  uint32_t sums = 0;
  for (uint32_t i = 0; i < IMAGE_WORDS; i++) {
    sum += image[i];
    sums += sum;
  }
  while (sum != IMAGE_SUM || sums != IMAGE_SUMS) __asm__ volatile("wfi");
  xip_enter(SSI_DIVISOR);
  REG(SCB_VTOR) = VECTORS;
  __asm__ volatile(
      "msr msp, %0\n"
      "bx %1\n"
      :
      : "r"(image[0]), "r"(image[1]));
  __builtin_unreachable();
}
