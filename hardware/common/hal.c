/* What this board supplies to the core: SPEC section 12. */
#include "hal.h"

#include "board.h"
#include "button.h"
#include "clocks.h"
#include "light.h"
#include "main.h"
#include "nor.h"
#include "reset.h"
#include "rp2040.h"
#include "supply.h"

uint32_t hal_nor_geometry(uint32_t what) {
  switch (what) {
    case GEOMETRY_SECTORS:
      return nor_size() > PAD_BEGIN ? (nor_size() - PAD_BEGIN) / 4096u : 0;
    case GEOMETRY_OVERPROGRAM:
    case GEOMETRY_BURN_UNIT:
      return 1;
    case GEOMETRY_BLOCK:
      return PAD_BLOCK_ERASE;
    case GEOMETRY_CHIP:
      return nor_id();
    case GEOMETRY_BODY:
      return BOARD_BODY;
    default:
      hal_trap(REASON_ANOTHER);
  }
}

void hal_nor_read(uint32_t address, uint8_t* into, uint32_t length) {
  reset_feed();
  nor_read(PAD_BEGIN + address, into, length);
}

uint32_t hal_nor_program(uint32_t address, const uint8_t* from, uint32_t length) {
  reset_feed();
  return !nor_program(PAD_BEGIN + address, from, length);
}

uint32_t hal_nor_erase(uint32_t address, uint32_t size) {
  reset_feed();
  return !nor_erase(PAD_BEGIN + address, size);
}

void hal_transmit(const uint8_t* from, uint32_t length) { main_answer(from, length); }

/**
 * Bits of the ring oscillator, which the data sheet (2.17.5) does not call random enough for secrets: 32 looks are
 * folded into each bit. The core makes the serial of a fill of them and nothing else. No pad byte ever comes from here.
 */
void hal_entropy(uint8_t* into, uint32_t length) {
  uint32_t mixed = clocks_us();
  for (uint32_t i = 0; i < length; i++) {
    for (uint32_t look = 0; look < 256; look++) {
      mixed = (mixed >> 1) ^ ((mixed ^ REG(ROSC_RANDOMBIT)) & 1 ? 0xedb88320u : 0);
    }
    into[i] = (uint8_t)mixed;
  }
}

uint32_t hal_button(void) {
  uint32_t found = button_look();
  light_ask(found == BUTTON_NONE);
  return found;
}

uint32_t hal_supply_ok(void) { return supply_ok(); }

uint32_t hal_ticks(void) { return clocks_us(); }

_Noreturn void hal_trap(uint32_t reason) { reset_with_reason(reason); }
