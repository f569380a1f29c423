/* The two things that the generated C cannot do itself: get its memory, and stop. */
#include "wasm-rt.h"

#include "hal.h"

_Alignas(8) uint8_t core_memory[CORE_PAGE];

/** Fresh memory: all zero, as after instantiation. The core asks for its one page and never for more. */
void wasm_rt_allocate_memory(wasm_rt_memory_t* memory, uint64_t pages, uint64_t most, bool is64, uint32_t page_size) {
  (void)is64;
  if (pages != 1 || most != 1 || page_size != CORE_PAGE) hal_trap(WASM_RT_TRAP_UNREACHABLE);
  memset(core_memory, 0, sizeof core_memory);
  memory->data = core_memory;
  memory->size = CORE_PAGE;
}

void wasm_rt_free_memory(wasm_rt_memory_t* memory) { memory->size = 0; }

bool wasm_rt_is_initialized(void) { return true; }

_Noreturn void wasm_rt_trap(wasm_rt_trap_t reason) { hal_trap((uint32_t)reason); }
