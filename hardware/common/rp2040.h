/*
 * The registers of the RP2040 that this firmware touches, and no others. Addresses and bits are those of the RP2040
 * data sheet, whose section stands beside each block.
 */
#ifndef RP2040_H
#define RP2040_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t*)(address))
/** Writing here sets, or clears, the bits written as one and leaves the others (2.1.2). */
#define REG_SET(address) REG((address) + 0x2000u)
#define REG_CLEAR(address) REG((address) + 0x3000u)

#define BIT(n) (1u << (n))

/* Interrupts (2.3.2). */
enum { IRQ_TIMER_0 = 0, IRQ_TIMER_1 = 1, IRQ_USB = 5, IRQ_UART0 = 20 };
#define NVIC_ISER 0xe000e100u
#define SCB_VTOR 0xe000ed08u

/* The processor's memory protection (2.4.6). */
#define MPU_CTRL 0xe000ed94u
#define MPU_REGION 0xe000ed98u
#define MPU_BASE 0xe000ed9cu
#define MPU_ATTRIBUTES 0xe000eda0u
/** On, also while a fault is handled, and the plain map where no region lies. */
enum { MPU_ENABLE = BIT(0) | BIT(1) | BIT(2) };
/** Nobody may read, write or execute. */
enum { MPU_FORBIDDEN_16M = BIT(28) | (23 << 1) | BIT(0) };

/* Which chip it is (2.20): its revision in the top four bits, 1 for B0 and B1, 2 for B2. */
#define SYSINFO_CHIP_ID 0x40000000u

/* Resets of the peripherals (2.14). */
#define RESETS_RESET 0x4000c000u
#define RESETS_DONE 0x4000c008u
enum {
  RESET_IO_BANK0 = BIT(5),
  RESET_PADS_BANK0 = BIT(8),
  RESET_PLL_SYS = BIT(12),
  RESET_PLL_USB = BIT(13),
  RESET_SPI0 = BIT(16),
  RESET_SYSINFO = BIT(19),
  RESET_TIMER = BIT(21),
  RESET_UART0 = BIT(22),
  RESET_USB = BIT(24),
};

/* What a watchdog reset resets (2.13.4): everything but the two oscillators. */
#define PSM_WDSEL 0x40010008u
#define PSM_ALL_BUT_OSCILLATORS 0x0001fffcu

/* Clocks (2.15.7). */
#define CLK_REF_CTRL 0x40008030u
#define CLK_REF_SELECTED 0x40008038u
#define CLK_SYS_CTRL 0x4000803cu
#define CLK_SYS_SELECTED 0x40008044u
#define CLK_PERI_CTRL 0x40008048u
#define CLK_USB_CTRL 0x40008054u
#define CLK_ENABLE BIT(11)

/* Crystal oscillator (2.16.7), ring oscillator (2.17.8), PLLs (2.18.4). */
#define XOSC_CTRL 0x40024000u
#define XOSC_STATUS 0x40024004u
#define XOSC_STARTUP 0x4002400cu
#define ROSC_RANDOMBIT 0x4006001cu
#define PLL_SYS 0x40028000u
#define PLL_USB 0x4002c000u
#define PLL_CS 0x0u
#define PLL_PWR 0x4u
#define PLL_FBDIV 0x8u
#define PLL_PRIM 0xcu

/* Timer (4.6.5). */
#define TIMER_ALARM0 0x40054010u
#define TIMER_ALARM1 0x40054014u
#define TIMER_RAWL 0x40054028u
#define TIMER_INTR 0x40054034u
#define TIMER_INTE 0x40054038u

/* Watchdog (4.7.6). */
#define WATCHDOG_CTRL 0x40058000u
#define WATCHDOG_LOAD 0x40058004u
#define WATCHDOG_REASON 0x40058008u
#define WATCHDOG_SCRATCH0 0x4005800cu
#define WATCHDOG_TICK 0x4005802cu
enum { WATCHDOG_TRIGGER = BIT(31), WATCHDOG_ENABLE = BIT(30), REASON_TIMER = BIT(0) };

/* Pins: function (2.19.6.1), pad (2.19.6.3), and the processor's own access (2.3.1.7). */
#define GPIO_CTRL(pin) (0x40014004u + 8u * (pin))
#define GPIO_PAD(pin) (0x4001c004u + 4u * (pin))
enum { FUNCTION_SPI = 1, FUNCTION_UART = 2, FUNCTION_SIO = 5 };
enum { PAD_SCHMITT = BIT(1), PAD_PULL_UP = BIT(3), PAD_8MA = 2 << 4, PAD_INPUT = BIT(6) };
#define SIO_GPIO_IN 0xd0000004u
#define SIO_GPIO_OUT_SET 0xd0000014u
#define SIO_GPIO_OUT_CLEAR 0xd0000018u
#define SIO_GPIO_OE_SET 0xd0000024u

/* UART0 (4.2.8). */
#define UART_DR 0x40034000u
#define UART_FR 0x40034018u
#define UART_IBRD 0x40034024u
#define UART_FBRD 0x40034028u
#define UART_LCR_H 0x4003402cu
#define UART_CR 0x40034030u
#define UART_IMSC 0x40034038u
#define UART_ICR 0x40034044u
enum { UART_FR_RX_EMPTY = BIT(4), UART_FR_TX_FULL = BIT(5), UART_INT_RX = BIT(4), UART_INT_RX_TIMEOUT = BIT(6) };

/* SPI0 (4.4.4). */
#define SPI_CR0 0x4003c000u
#define SPI_CR1 0x4003c004u
#define SPI_DR 0x4003c008u
#define SPI_SR 0x4003c00cu
#define SPI_CPSR 0x4003c010u
enum { SPI_SR_RX_NOT_EMPTY = BIT(2) };

/* Boot flash: where it is mapped (2.6.3), and the serial interface behind that (4.10.13). */
#define XIP_BASE 0x10000000u
/* Where RAM begins (2.6.2). */
#define RAM_BASE 0x20000000u
#define SSI_CTRLR0 0x18000000u
#define SSI_CTRLR1 0x18000004u
#define SSI_SSIENR 0x18000008u
#define SSI_SER 0x18000010u
#define SSI_BAUDR 0x18000014u
#define SSI_SR 0x18000028u
#define SSI_DR0 0x18000060u
#define SSI_RX_SAMPLE_DLY 0x180000f0u
#define SSI_SPI_CTRLR0 0x180000f4u
enum { SSI_SR_BUSY = BIT(0), SSI_SR_RX_NOT_EMPTY = BIT(3) };

/* The chip select of the boot flash (2.19.6.2): IO_QSPI, pin 1 of six. */
#define QSPI_SS_CTRL 0x4001800cu
enum { OVERRIDE_NONE = 0, OVERRIDE_LOW = 2u << 8, OVERRIDE_HIGH = 3u << 8 };

#endif
