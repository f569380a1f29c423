/*
 * memcpy, memset and memchr: by words wherever there are whole ones, since every byte of a frame goes through here, and
 * lies anywhere. A word is read whole when one byte of it is meant. Compiled with -fno-tree-loop-distribute-patterns,
 * or the loops would become calls of themselves.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORD = sizeof(uint32_t) };

static uint32_t beyond(const void* at) { return (uintptr_t)at % WORD; }

/** Copies words to where words begin, from where none does: each is the end of one and the beginning of the next. */
static __attribute__((noinline)) void copy_shifted(uint32_t* to, const uint8_t* from, const uint32_t* end) {
  uint32_t right = 8 * beyond(from);
  uint32_t left = 32 - right;
  const uint32_t* next = (const uint32_t*)(const void*)(from - beyond(from));
  uint32_t old = *next++;
  while (to < end) {
    uint32_t new = *next++;
    *to++ = old >> right | new << left;
    old = new;
  }
}

void* memcpy(void* restrict to, const void* restrict from, size_t count) {
  uint8_t* t = to;
  const uint8_t* f = from;
  for (; count > 0 && beyond(t) != 0; count--) *t++ = *f++;
  uint32_t whole = count & ~(WORD - 1u);
  if (beyond(f) != 0) {
    copy_shifted((uint32_t*)(void*)t, f, (uint32_t*)(void*)(t + whole));
  } else {
    for (uint32_t i = 0; i < whole; i += WORD) *(uint32_t*)(void*)(t + i) = *(const uint32_t*)(const void*)(f + i);
  }
  for (uint32_t i = whole; i < count; i++) t[i] = f[i];
  return to;
}

void* memset(void* to, int value, size_t count) {
  uint8_t* t = to;
  uint32_t word = (uint8_t)value * 0x01010101u;
  if (beyond(t) == 0) {
    for (; count >= WORD; count -= WORD, t += WORD) *(uint32_t*)(void*)t = word;
  }
  while (count--) *t++ = (uint8_t)value;
  return to;
}

/** Whether a byte of the word is zero. */
static bool has_zero(uint32_t word) { return ((word - 0x01010101u) & ~word & 0x80808080u) != 0; }

void* memchr(const void* from, int value, size_t count) {
  const uint8_t* f = from;
  uint32_t word = (uint8_t)value * 0x01010101u;
  for (; count > 0 && beyond(f) != 0; count--, f++) {
    if (*f == (uint8_t)value) return (void*)(uintptr_t)f;
  }
  for (; count >= WORD && !has_zero(*(const uint32_t*)(const void*)f ^ word); count -= WORD) f += WORD;
  for (; count > 0; count--, f++) {
    if (*f == (uint8_t)value) return (void*)(uintptr_t)f;
  }
  return NULL;
}
