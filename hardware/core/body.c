/* Between the generated C and a body: the core's addresses become pointers here, and nowhere else. */
#include "body.h"

#include "core.h"
#include "hal.h"

static w2c_core core;

/** A pointer into the core's memory, which must hold all of `length`. */
static uint8_t* at(u32 address, u32 length) {
  if (length > CORE_PAGE || address > CORE_PAGE - length) wasm_rt_trap(WASM_RT_TRAP_OOB);
  return core_memory + address;
}

void body_boot(uint32_t traps, uint32_t reason) {
  wasm2c_core_instantiate(&core, NULL);
  w2c_core_boot(&core, traps, reason);
}

void body_receive(const uint8_t* bytes, uint32_t count) {
  memcpy(at(w2c_core_window(&core), BODY_WINDOW), bytes, count);
  w2c_core_receive(&core, count);
}

bool body_poll(void) { return w2c_core_poll(&core) != 0; }

u32 w2c_hal_norGeometry(struct w2c_hal* hal, u32 what) {
  (void)hal;
  return hal_nor_geometry(what);
}

void w2c_hal_norRead(struct w2c_hal* hal, u32 address, u32 pointer, u32 length) {
  (void)hal;
  hal_nor_read(address, at(pointer, length), length);
}

u32 w2c_hal_norProgram(struct w2c_hal* hal, u32 address, u32 pointer, u32 length) {
  (void)hal;
  return hal_nor_program(address, at(pointer, length), length);
}

u32 w2c_hal_norErase(struct w2c_hal* hal, u32 address, u32 size) {
  (void)hal;
  return hal_nor_erase(address, size);
}

void w2c_hal_transmit(struct w2c_hal* hal, u32 pointer, u32 length) {
  (void)hal;
  hal_transmit(at(pointer, length), length);
}

void w2c_hal_entropy(struct w2c_hal* hal, u32 pointer, u32 length) {
  (void)hal;
  hal_entropy(at(pointer, length), length);
}

u32 w2c_hal_button(struct w2c_hal* hal) {
  (void)hal;
  return hal_button();
}

u32 w2c_hal_supplyOk(struct w2c_hal* hal) {
  (void)hal;
  return hal_supply_ok();
}

u32 w2c_hal_ticks(struct w2c_hal* hal) {
  (void)hal;
  return hal_ticks();
}
