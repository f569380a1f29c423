/* The core as it is compiled for coverage, without optimisation, declares a table of functions that it never calls through. */
#include "wasm-rt.h"

void wasm_rt_allocate_funcref_table(wasm_rt_funcref_table_t* table, uint32_t elements, uint32_t most);
void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t* table);

void wasm_rt_allocate_funcref_table(wasm_rt_funcref_table_t* table, uint32_t elements, uint32_t most) {
  (void)most;
  table->size = elements;
}

void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t* table) { table->size = 0; }
