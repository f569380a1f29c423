#include "clocks.h"

#include "reset.h"

/**
 * Turns of a waiting loop before the timer runs: over a tenth of a second on the ring oscillator, which is 12 MHz at
 * most.
 */
#define TURNS 300000u

#define XOSC_ENABLE_1_TO_15_MHZ 0x00fabaa0u
#define XOSC_STABLE BIT(31)
/** Start-up time in units of 256 periods: 1 ms at 12 MHz (data sheet 2.16.3). */
#define XOSC_DELAY 47u

#define PLL_LOCKED BIT(31)
/** PLL_PWR, cleared to power on: the PLL itself and its oscillator, then the post divider. */
#define PLL_PD BIT(0)
#define PLL_POSTDIV_PD BIT(3)
#define PLL_VCO_PD BIT(5)

#define REF_FROM_CRYSTAL 2u
#define SYS_FROM_AUX 1u /* and of these the first: PLL_SYS */
#define TICK_PER_US (BIT(9) | 12u)

static void wait_for(uint32_t address, uint32_t bits) {
  for (uint32_t turn = 0; (REG(address) & bits) != bits; turn++) {
    if (turn == TURNS) reset_with_reason(REASON_ANOTHER);
  }
}

/**
 * 12 MHz x feedback is the oscillator, 750 to 1,600 MHz; that divided by first and second is what comes out (data sheet
 * 2.18).
 */
static void pll_start(uint32_t pll, uint32_t feedback, uint32_t first, uint32_t second) {
  REG(pll + PLL_CS) = 1;
  REG(pll + PLL_FBDIV) = feedback;
  REG_CLEAR(pll + PLL_PWR) = PLL_PD | PLL_VCO_PD;
  wait_for(pll + PLL_CS, PLL_LOCKED);
  REG(pll + PLL_PRIM) = (first << 16) | (second << 12);
  REG_CLEAR(pll + PLL_PWR) = PLL_POSTDIV_PD;
}

static void leave_reset(uint32_t peripherals) {
  REG_CLEAR(RESETS_RESET) = peripherals;
  wait_for(RESETS_DONE, peripherals);
}

void clocks_start(void) {
  REG(XOSC_STARTUP) = XOSC_DELAY;
  REG(XOSC_CTRL) = XOSC_ENABLE_1_TO_15_MHZ;
  wait_for(XOSC_STATUS, XOSC_STABLE);
  REG(CLK_REF_CTRL) = REF_FROM_CRYSTAL;
  wait_for(CLK_REF_SELECTED, BIT(REF_FROM_CRYSTAL));

  leave_reset(RESET_PLL_SYS | RESET_PLL_USB);
  pll_start(PLL_SYS, 125, 6, 2);
  pll_start(PLL_USB, 100, 5, 5);
  REG(CLK_SYS_CTRL) = SYS_FROM_AUX;
  wait_for(CLK_SYS_SELECTED, BIT(SYS_FROM_AUX));
  REG(CLK_PERI_CTRL) = CLK_ENABLE;
  REG(CLK_USB_CTRL) = CLK_ENABLE;
  REG(WATCHDOG_TICK) = TICK_PER_US;

  leave_reset(RESET_IO_BANK0 | RESET_PADS_BANK0 | RESET_SYSINFO | RESET_TIMER | RESET_UART0 | RESET_SPI0 | RESET_USB);
}

void clocks_doze(void) {
  REG_SET(TIMER_INTE) = BIT(1);
  REG(NVIC_ISER) = BIT(IRQ_TIMER_1);
  REG(TIMER_ALARM1) = clocks_us() + DOZE_US;
  __asm__ volatile("wfe");
}

void clocks_awake(void) { REG(TIMER_INTR) = BIT(1); }
