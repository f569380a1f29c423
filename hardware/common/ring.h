/*
 * Bytes between an interrupt and the main loop: one writes, the other reads, and nobody waits. Each index is moved by
 * one side only, and the barrier keeps the byte ahead of the index that announces it.
 */
#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  volatile uint32_t put;   /* bytes ever written; moved by the writer */
  volatile uint32_t taken; /* bytes ever read; moved by the reader */
  const uint32_t size;     /* a power of two */
  uint8_t* const bytes;
} ring_t;

/** Defines a ring of `capacity` bytes, a power of two. */
#define RING(name, capacity)             \
  static uint8_t name##_bytes[capacity]; \
  static ring_t name = {.size = (capacity), .bytes = name##_bytes}

#define RING_BARRIER() __asm__ volatile("" ::: "memory")

/** Bytes that wait. */
static inline uint32_t ring_used(const ring_t* ring) { return ring->put - ring->taken; }

/** Bytes that fit. */
static inline uint32_t ring_room(const ring_t* ring) { return ring->size - ring_used(ring); }

/**
 * Takes one byte in. False when the ring is full: the byte is lost, the frame's CRC-32 tells, and the host repeats it.
 */
static inline bool ring_put(ring_t* ring, uint8_t byte) {
  if (ring_room(ring) == 0) return false;
  ring->bytes[ring->put & (ring->size - 1)] = byte;
  RING_BARRIER();
  ring->put++;
  return true;
}

/** Takes bytes in, for which there must be room. */
static inline void ring_append(ring_t* ring, const uint8_t* from, uint32_t count) {
  uint32_t at = ring->put & (ring->size - 1);
  uint32_t first = count < ring->size - at ? count : ring->size - at;
  RING_BARRIER();
  memcpy(ring->bytes + at, from, first);
  memcpy(ring->bytes, from + first, count - first);
  RING_BARRIER();
  ring->put += count;
}

/** The bytes that wait and lie in one piece: where they begin, and how many. They stay until ring_drop. */
static inline uint32_t ring_peek(ring_t* ring, const uint8_t** from) {
  uint32_t used = ring_used(ring);
  uint32_t at = ring->taken & (ring->size - 1);
  RING_BARRIER();
  *from = ring->bytes + at;
  return used < ring->size - at ? used : ring->size - at;
}

/** Gives the first `count` bytes up. */
static inline void ring_drop(ring_t* ring, uint32_t count) {
  RING_BARRIER();
  ring->taken += count;
}

#endif
