/*
 * What the C that wasm2c writes asks of its runtime, for the core and nothing more: one page of memory that never
 * grows, no table in use, no exceptions, no floating point. A trap is told to the body by its reason of SPEC section 12
 * and does not come back.
 */
#ifndef WASM_RT_H
#define WASM_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Choices that the generated C reads. */
#define WABT_BIG_ENDIAN 0
#define WASM_RT_USE_SEGUE 0
#define WASM_RT_SEGUE_FREE_SEGMENT 0
#define WASM_RT_SANITY_CHECKS 0
#define WASM_RT_STACK_DEPTH_COUNT 0
#define WASM_RT_MEMCHECK_GUARD_PAGES 0

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#ifndef __has_builtin
#define __has_builtin(x) 0
#endif

#define wasm_rt_memcpy __builtin_memcpy

/** Bytes of the core's memory: one page. */
#define CORE_PAGE 65536u

/** Marks of the functions with loops, and of those without. */
#define CORE_LOOP __attribute__((hot))
#define CORE_STEP __attribute__((cold))

/** Why the core stopped. The values are the reasons of SPEC section 12, those that the core cannot give being 255. */
typedef enum {
  WASM_RT_TRAP_UNREACHABLE = 1,
  WASM_RT_TRAP_OOB = 2,
  WASM_RT_TRAP_DIV_BY_ZERO = 3,
  WASM_RT_TRAP_INT_OVERFLOW = 4,
  WASM_RT_TRAP_INVALID_CONVERSION = 5,
  WASM_RT_TRAP_EXHAUSTION = 6,
  WASM_RT_TRAP_CALL_INDIRECT = 255,
} wasm_rt_trap_t;

/** Ends the core's power session. */
_Noreturn void wasm_rt_trap(wasm_rt_trap_t reason);

typedef enum { WASM_RT_I32, WASM_RT_I64 } wasm_rt_type_t;

/** The core's memory: one array, whose address is known when the program is linked. */
extern uint8_t core_memory[CORE_PAGE];

/**
 * Where `size` bytes lie, at an address that is a multiple of their number, but of 8 bytes only of 4: the core keeps
 * words aligned.
 */
#define CORE_AT(address, size) __builtin_assume_aligned(core_memory + (address), (size) > 4 ? 4 : (size))

typedef struct {
  uint8_t* data;
  uint64_t size;
} wasm_rt_memory_t;

void wasm_rt_allocate_memory(wasm_rt_memory_t* memory, uint64_t pages, uint64_t most, bool is64, uint32_t page_size);
void wasm_rt_free_memory(wasm_rt_memory_t* memory);
bool wasm_rt_is_initialized(void);

/* Tables are declared by the generated C and used by no function of the core. */
typedef const char* wasm_rt_func_type_t;
typedef void (*wasm_rt_function_ptr_t)(void);
typedef struct {
  wasm_rt_function_ptr_t fn;
} wasm_rt_tailcallee_t;
typedef struct {
  wasm_rt_func_type_t func_type;
  wasm_rt_function_ptr_t func;
  wasm_rt_tailcallee_t func_tailcallee;
  void* module_instance;
} wasm_rt_funcref_t;
typedef void* wasm_rt_externref_t;
typedef struct {
  wasm_rt_funcref_t* data;
  uint32_t size;
} wasm_rt_funcref_table_t;
typedef struct {
  wasm_rt_externref_t* data;
  uint32_t size;
} wasm_rt_externref_table_t;
#define wasm_rt_funcref_null_value ((wasm_rt_funcref_t){0})
#define wasm_rt_externref_null_value ((wasm_rt_externref_t)0)

#endif
