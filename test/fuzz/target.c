/*
 * The fuzz target (libFuzzer): an input is the number of a starting state, a seed for what the chip draws, and steps.
 *
 * A starting state is made once, by commands that a good host would send, and every input goes back to it.
 */
#include <stdlib.h>
#include <string.h>

#include "steps.h"

#define HEAD 2u
/** Steps behind which an input is over, however long it is. */
#define STEPS_MAX 64u

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

/* Where an input starts. */

static void seal_much(struct world* world) {
  static const uint8_t exhaust[STEP_SIZE] = {12, 0, 20, 0, 5};
  static const uint8_t begin[STEP_SIZE] = {9};
  step(world, begin);
  step(world, exhaust);
}

static void receive_much(struct world* world) {
  static const uint8_t steps[][STEP_SIZE] = {{14}, {15, 0, 40, 0, 1}, {15, 1, 60, 0, 2}, {17}, {15, 0, 90, 0, 3}};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) step(world, steps[i]);
}

/** A device in one of the states that have something to lose. */
static void make(struct world* world, uint32_t number) {
  uint32_t sectors = number == 10 ? 40 : number == 11 ? 256 : 16;
  world_open(world, sectors, 1);
  if (number == 12) world->machine.overprogram = false;
  world->machine.large_erase = number != 1;
  world_wake(world, 0);
  struct shape low = shape_of(LOW_SIDE, 3, 1, 16384), high = shape_of(HIGH_SIDE, 3, 1, 16384);
  struct shape token = shape_of(LOW_SIDE, 1, 1, 24576);
  switch (number) {
    case 1: fill_whole(world, &low, false); break;
    case 2: fill_whole(world, &high, false); break;
    case 3: fill_whole(world, &low, false); receive_much(world); seal_much(world); break;
    case 4: fill_whole(world, &high, false); receive_much(world); seal_much(world); break;
    case 5: fill_whole(world, &token, false); break;
    case 6: fill_whole(world, &token, true); break;
    case 7: fill_whole(world, &token, true); link_up(world, 100); break;
    case 8: token = shape_of(LOW_SIDE, 1, 64, 24576); fill_whole(world, &token, true); link_up(world, 100); break;
    case 9: high = shape_of(HIGH_SIDE, 3, 16, 16384); fill_whole(world, &high, false); break;
    case 10: token = shape_of(LOW_SIDE, 1, 4, PAD_MAX); fill_whole(world, &token, true); break;
    case 13: high = shape_of(HIGH_SIDE, 1, 1, 24576); fill_whole(world, &high, false); break;
    default: break;
  }
  world_look(world);
  world_save(world);
}

#define STARTS 14u

static struct world* start(uint32_t number) {
  static struct world* worlds[STARTS];
  if (!worlds[number]) make(worlds[number] = malloc(sizeof(struct world)), number);
  world_restore(worlds[number]);
  return worlds[number];
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < HEAD + STEP_SIZE) return 0;
  struct world* world = start(data[0] % STARTS);
  world->machine.flash.random = data[1] * 0x9e3779b97f4a7c15ull + 1;
  size_t end = size < HEAD + STEPS_MAX * STEP_SIZE ? size : HEAD + STEPS_MAX * STEP_SIZE;
  for (size_t at = HEAD; at + STEP_SIZE <= end; at += STEP_SIZE) step(world, data + at);
  return 0;
}

/* Changing an input: mostly whole steps are put in, taken out, moved and repeated, and one step at a time is changed. */

static uint32_t below(unsigned* seed, uint32_t limit) {
  *seed = *seed * 1664525u + 1013904223u;
  return (uint32_t)(((uint64_t)*seed * limit) >> 32);
}

static size_t insert(uint8_t* data, size_t size, size_t max_size, unsigned* seed, size_t steps) {
  if (size + STEP_SIZE > max_size) return size;
  uint8_t fresh[STEP_SIZE];
  size_t at = HEAD + STEP_SIZE * below(seed, (uint32_t)steps + 1);
  if (steps && below(seed, 3) == 0) memcpy(fresh, data + HEAD + STEP_SIZE * below(seed, (uint32_t)steps), STEP_SIZE);
  else for (uint32_t i = 0; i < STEP_SIZE; i++) fresh[i] = (uint8_t)(below(seed, 2) ? below(seed, 256) : 0);
  memmove(data + at + STEP_SIZE, data + at, size - at);
  memcpy(data + at, fresh, STEP_SIZE);
  return size + STEP_SIZE;
}

static size_t take_out(uint8_t* data, size_t size, unsigned* seed, size_t steps) {
  size_t at = HEAD + STEP_SIZE * below(seed, (uint32_t)steps);
  memmove(data + at, data + at + STEP_SIZE, size - at - STEP_SIZE);
  return size - STEP_SIZE;
}

static void swap(uint8_t* data, unsigned* seed, size_t steps) {
  uint8_t kept[STEP_SIZE];
  uint8_t* one = data + HEAD + STEP_SIZE * below(seed, (uint32_t)steps);
  uint8_t* other = data + HEAD + STEP_SIZE * below(seed, (uint32_t)steps);
  memcpy(kept, one, STEP_SIZE);
  memmove(one, other, STEP_SIZE);
  memcpy(other, kept, STEP_SIZE);
}

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  if (max_size < HEAD + STEP_SIZE) return LLVMFuzzerMutate(data, size, max_size);
  if (size < HEAD) memset(data, 0, size = HEAD);
  size_t steps = (size - HEAD) / STEP_SIZE;
  size = HEAD + steps * STEP_SIZE;
  uint32_t how = below(&seed, 16);
  if (!steps || how < 5) return insert(data, size, max_size, &seed, steps);
  if (how < 7 && steps > 1) return take_out(data, size, &seed, steps);
  if (how < 8) swap(data, &seed, steps);
  else if (how < 9) data[below(&seed, HEAD)] = (uint8_t)below(&seed, 256);
  else if (how < 15) LLVMFuzzerMutate(data + HEAD + STEP_SIZE * below(&seed, (uint32_t)steps), STEP_SIZE, STEP_SIZE);
  else return LLVMFuzzerMutate(data, size, max_size);
  return size;
}
