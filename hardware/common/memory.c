/*
 * memcpy and memset, which the compiler calls on its own: by words where both ends allow it. Compiled with
 * -fno-tree-loop-distribute-patterns, or the loops would become calls of themselves.
 */
#include <stddef.h>
#include <stdint.h>

void* memcpy(void* restrict to, const void* restrict from, size_t count) {
  uint8_t* t = to;
  const uint8_t* f = from;
  if ((((uintptr_t)t | (uintptr_t)f) & 3) == 0) {
    for (; count >= 4; count -= 4, t += 4, f += 4) *(uint32_t*)(void*)t = *(const uint32_t*)(const void*)f;
  }
  while (count--) *t++ = *f++;
  return to;
}

void* memset(void* to, int value, size_t count) {
  uint8_t* t = to;
  uint32_t word = (uint8_t)value * 0x01010101u;
  if (((uintptr_t)t & 3) == 0) {
    for (; count >= 4; count -= 4, t += 4) *(uint32_t*)(void*)t = word;
  }
  while (count--) *t++ = (uint8_t)value;
  return to;
}
