/*
 * A device under the fuzzer, and what somebody outside knows of it: what was filled, what every pad byte was used for, what was promised.
 * Every answer is held against that. What must never be ends the program with a finding:
 *
 * - the core traps, writes above its statics, or does not answer a frame by exactly one sound frame;
 * - an error that is none of SPEC section 9, or of another command;
 * - a pad byte leaves twice under different items, leaves while it is still on the chip, or leaves in clear;
 * - a box, an opening, a ready or a state that is not what SPEC makes of this pad, or one that was opened though nobody sealed it;
 * - a mark, the generation, the receipt or the open caps fall.
 */
#ifndef WORLD_H
#define WORLD_H

#include "machine.h"
#include "twin.h"

/** Longest pad; longer ones can be filled in, but not be written to the end. */
#define PAD_MAX (28u * 4096u)
#define SLOT_SIZE 192u
#define SLOT_WELCOME 16u
#define SLOT_READY 96u
#define CONTROL_RESERVE 1024u

enum command {
  HELLO = 0x01, INFO, PAGE, VALUE,
  FILL = 0x10, WRITE, COMMIT,
  BEGIN = 0x20, SEAL, RAISE,
  FIND = 0x30, OPEN, RELEASE, RELEASE_SLOT,
  CALL = 0x40, ANSWER_WELCOME, SEAL_STATE,
  SELFTEST = 0x50
};

enum side { LOW_SIDE, HIGH_SIDE };
enum device_state { BLANK, FILLING, INACTIVE, ACTIVE, CANCELLED, WIPING, FAULTY };

/** A pad as FILL describes it, and what follows from that (SPEC section 1). */
struct shape {
  enum side side;
  uint32_t slot_sides;
  uint32_t unit;
  uint32_t length;
  uint32_t split;
  uint32_t up_base;
  uint32_t down_end;
  uint8_t pad_id[16];
  uint64_t limit;
};

/** What INFO says that never falls, and what VALUE says. */
struct marks {
  uint32_t state;
  uint32_t generation;
  uint32_t epoch;
  uint32_t journal;
  uint32_t next_slot;
  uint32_t used[2];
  uint32_t burned[2];
  uint32_t split;
  uint32_t receipt;
  uint32_t answered;
  uint64_t open_caps;
  uint32_t link;
  /** The mark of down below which the server of this link has lost what it sealed, 0 for none. */
  uint32_t lost;
};

/** A box of the twin, to be opened and released. */
struct twin_box {
  uint32_t offset;
  uint32_t size;
};

struct known {
  struct shape shape;
  /** The line. */
  bool talking;
  bool kept;
  uint32_t session;
  uint32_t sequence;
  /** What the device said last, and whether that is worth anything. */
  struct marks marks;
  bool looked;
  /** Bytes of the pad written in this fill. */
  uint32_t written;
  /** The slot found last, plus one. */
  uint32_t found;
  /** What the twin used of its direction and of its slots, and its last box. */
  uint32_t twin_used;
  uint32_t twin_slot;
  struct twin_box box;
  uint32_t receipts;
  /** Bits that changed by themselves; from then on numbers may fall. */
  uint32_t flipped;
  /** Somebody wrote to the chip what this core would not: nothing is true of the pad from then on. */
  bool forged;
  /** Faults were injected: commands may fail halfway. */
  bool disturbed;
  uint32_t items;
};

#define ITEMS_MAX 2048u
#define FILTER_BITS 22

struct world {
  struct machine machine;
  struct known known;
  uint8_t pad[PAD_MAX];
  /** By pad byte: which item left under it, 0 for none; and whether it was verified since boot. */
  uint16_t used_for[PAD_MAX];
  uint8_t opened[PAD_MAX];
  /** What tells items apart. */
  uint64_t item[ITEMS_MAX];
  /** Which runs of eight bytes were ever in the pad, by two bits each; others may be, too. */
  uint8_t filter[1u << (FILTER_BITS - 3)];
  /** The last frame as it went over the line, and what came back. */
  uint8_t line[LINE_MAX];
  uint32_t line_length;
  struct frame heard;
  /** The last command that succeeded, and its answer. */
  uint8_t kept_line[LINE_MAX];
  uint32_t kept_line_length;
  uint8_t kept_answer[LINE_MAX];
  uint32_t kept_answer_length;
  struct saved* saved;
};

_Noreturn void finding(const char* format, ...) __attribute__((format(printf, 1, 2)));

/** A device without power around a blank chip. */
void world_open(struct world* world, uint32_t sectors, uint32_t burn_unit);

/** Remembers all of it as the moment to go back to, and goes back there. */
void world_save(struct world* world);
void world_restore(struct world* world);

/** Gives the device power as often as it takes until it serves. */
void world_wake(struct world* world, uint32_t traps);

/** Bytes as they are over the line; what comes back need only be sound. */
void world_noise(struct world* world, const uint8_t* bytes, uint32_t length);

/** One command and its judgement; HELLO before it when it is needed. True when it succeeded, with the reply in `heard`. */
bool world_ask(struct world* world, uint8_t type, const uint8_t* payload, uint32_t length);

/** The last command that succeeded again, unchanged. */
void world_repeat(struct world* world);

/** What INFO and VALUE say now, held against what they said. False when the power went. */
bool world_look(struct world* world);

/** Background work: at most so many steps. */
void world_work(struct world* world, uint32_t steps);

/** The pad is about to hold these bytes at an offset. */
void world_write(struct world* world, uint32_t offset, const uint8_t* bytes, uint32_t length);

/** The direction in which this side of a pad seals. */
enum direction sealing(const struct shape* shape);

/** Whether this is a token: low, with slots on the low side only. */
bool is_token(const struct shape* shape);

/** The number of slots of a side, and where one lies. */
uint32_t slots_of(const struct shape* shape, enum side side);
uint32_t slot_at(const struct shape* shape, enum side side, uint32_t slot);

/** Pad bytes that a text of n bytes takes, and where they lie when they begin at a mark. */
uint32_t consumption(const struct shape* shape, uint32_t n);
uint32_t offset_at(const struct shape* shape, enum direction direction, uint32_t mark, uint32_t size);

/** Where the pad begins on this chip (SPEC section 4). */
uint32_t pad_base(const struct world* world);

/** Where a range ends that may be released because a box was opened: with it goes what the server lost behind it (SPEC section 13). */
uint32_t end_of_opened(const struct world* world, uint32_t offset, uint32_t size);

/** The place of a box of the pad that was filled. */
struct place place_of(const struct world* world, enum direction direction, uint32_t offset);

#endif
