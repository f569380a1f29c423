/* What is known of a device, and how its answers are judged. See world.h. */
#include "world.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERROR_TYPE 0xffu
#define REPLY 0x80u
/** The highest code of SPEC section 9. */
#define CODE_MAX 25u
#define BOOTS_MAX 20
#define RUN 8u

void finding(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("FINDING: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  abort();
}

/* Pads. */

enum direction sealing(const struct shape* shape) { return shape->side == LOW_SIDE ? UP : DOWN; }

bool is_token(const struct shape* shape) { return shape->side == LOW_SIDE && shape->slot_sides == 1; }

uint32_t slots_of(const struct shape* shape, enum side side) {
  return shape->slot_sides & (side == LOW_SIDE ? 1u : 2u) ? shape->length / 8192 : 0;
}

uint32_t slot_at(const struct shape* shape, enum side side, uint32_t slot) {
  return side == LOW_SIDE ? slot * SLOT_SIZE : shape->length - (slot + 1) * SLOT_SIZE;
}

uint32_t consumption(const struct shape* shape, uint32_t n) { return (KEY_SIZE + n + shape->unit - 1) & ~(shape->unit - 1); }

uint32_t offset_at(const struct shape* shape, enum direction direction, uint32_t mark, uint32_t size) {
  return direction == UP ? shape->up_base + mark : shape->down_end - mark - size;
}

uint32_t pad_base(const struct world* world) { return (world->machine.flash.sectors >= 256 ? 32u : 6u) * FLASH_SECTOR; }

struct place place_of(const struct world* world, enum direction direction, uint32_t offset) {
  return (struct place){world->known.shape.pad_id, direction, offset, world->pad + offset};
}

/** The two bits of the filter that stand for eight bytes. */
static void bits_of(const uint8_t* bytes, uint32_t bits[2]) {
  uint64_t mixed = long_at(bytes) * 0x9e3779b97f4a7c15ull;
  mixed ^= mixed >> 29;
  bits[0] = (uint32_t)(mixed >> (64 - FILTER_BITS));
  bits[1] = (uint32_t)(mixed >> 8) & ((1u << FILTER_BITS) - 1);
}

static bool has(const struct world* world, uint32_t bit) { return world->filter[bit >> 3] & 1u << (bit & 7); }

void world_write(struct world* world, uint32_t offset, const uint8_t* bytes, uint32_t length) {
  if (offset > PAD_MAX || length > PAD_MAX - offset) return;
  memcpy(world->pad + offset, bytes, length);
  uint32_t first = offset < RUN ? 0 : offset - RUN + 1;
  uint32_t bits[2];
  for (uint32_t at = first; at + RUN <= offset + length; at++) {
    bits_of(world->pad + at, bits);
    for (int i = 0; i < 2; i++) world->filter[bits[i] >> 3] |= (uint8_t)(1u << (bits[i] & 7));
  }
}

/** No pad here has a zero in it or four equal bytes in a row, until somebody smears it; what the device says of itself often has. */
static bool could_be_pad(const uint8_t* bytes) {
  for (uint32_t i = 0; i < RUN; i++) if (!bytes[i]) return false;
  return word_at(bytes) != bytes[0] * 0x01010101u && word_at(bytes + 4) != bytes[4] * 0x01010101u;
}

/** Whether eight bytes in a row are of the pad. */
static bool shows_pad(const struct world* world, const uint8_t* bytes, uint32_t length) {
  uint32_t bits[2];
  for (uint32_t at = 0; at + RUN <= length; at++) {
    bits_of(bytes + at, bits);
    if (!could_be_pad(bytes + at)) continue;
    if (!has(world, bits[0]) || !has(world, bits[1])) continue;
    for (uint32_t i = 0; i + RUN <= world->known.shape.length && i + RUN <= PAD_MAX; i++)
      if (long_at(world->pad + i) == long_at(bytes + at)) return true;
  }
  return false;
}

/* Putting back. */

struct saved {
  struct machine machine;
  struct known known;
  struct sector* state;
  uint8_t* bytes;
  uint8_t* unstable;
  uint8_t statics[CORE_STATICS];
  uint8_t pad[PAD_MAX];
  uint16_t used_for[PAD_MAX];
  uint8_t opened[PAD_MAX];
};

void world_open(struct world* world, uint32_t sectors, uint32_t burn_unit) {
  memset(world, 0, sizeof *world);
  machine_open(&world->machine, sectors, burn_unit, 1, NULL);
  static const uint8_t entropy[8] = {0x91, 0x2c, 0x5f, 0x07, 0xe3, 0x68, 0xba, 0x14};
  memcpy(world->machine.entropy, entropy, sizeof entropy);
  world->machine.entropy_length = sizeof entropy;
}

static void* copy(const void* from, size_t size) { return memcpy(malloc(size), from, size); }

void world_save(struct world* world) {
  struct saved* saved = malloc(sizeof *saved);
  const struct flash* flash = &world->machine.flash;
  size_t size = (size_t)flash->sectors * FLASH_SECTOR;
  for (uint32_t sector = 0; sector < flash->sectors; sector++) flash->state[sector].changed = false;
  saved->state = copy(flash->state, flash->sectors * sizeof *saved->state);
  saved->bytes = copy(flash->bytes, size);
  saved->unstable = copy(flash->unstable, size);
  memcpy(&saved->machine, &world->machine, offsetof(struct machine, sent));
  world->known.kept = false;
  saved->known = world->known;
  memcpy(saved->statics, core_statics(), CORE_STATICS);
  memcpy(saved->pad, world->pad, sizeof world->pad);
  memcpy(saved->used_for, world->used_for, sizeof world->used_for);
  memcpy(saved->opened, world->opened, sizeof world->opened);
  world->saved = saved;
}

void world_restore(struct world* world) {
  const struct saved* saved = world->saved;
  struct flash* flash = &world->machine.flash;
  for (uint32_t sector = 0; sector < flash->sectors; sector++) {
    if (flash->state[sector].changed) {
      memcpy(flash->bytes + sector * FLASH_SECTOR, saved->bytes + sector * FLASH_SECTOR, FLASH_SECTOR);
      memcpy(flash->unstable + sector * FLASH_SECTOR, saved->unstable + sector * FLASH_SECTOR, FLASH_SECTOR);
    }
    flash->state[sector] = saved->state[sector];
  }
  memcpy(&world->machine, &saved->machine, offsetof(struct machine, sent));
  /* A fill may have gone as far as the longest pad. */
  uint32_t length = world->known.shape.length;
  if (length < saved->known.shape.length) length = saved->known.shape.length;
  if (length > PAD_MAX) length = PAD_MAX;
  memcpy(world->pad, saved->pad, length);
  memcpy(world->used_for, saved->used_for, length * sizeof *world->used_for);
  memcpy(world->opened, saved->opened, length);
  world->known = saved->known;
  machine_put_back(&world->machine, saved->machine.power, saved->machine.traps, saved->statics, CORE_STATICS);
}

/* The power. */

/** What a boot ends. */
static void forget_session(struct world* world) {
  world->known.talking = false;
  world->known.kept = false;
  world->known.found = 0;
  memset(world->opened, 0, world->known.shape.length < PAD_MAX ? world->known.shape.length : PAD_MAX);
}

void world_wake(struct world* world, uint32_t traps) {
  struct machine* machine = &world->machine;
  for (int boots = 0; boots < BOOTS_MAX; boots++) {
    forget_session(world);
    machine->sent_length = 0;
    bool serves = machine_start(machine, traps);
    if (machine->traps > traps) finding("the core trapped at boot");
    if (machine->sent_length) finding("the device spoke first");
    if (serves) return;
    machine->power = POWER_OFF;
  }
  finding("the device does not come up");
}

static void must_be_well(const struct world* world, uint32_t traps) {
  if (world->machine.traps > traps) finding("the core trapped");
  if (world->machine.power == POWER_DEAD) finding("the core traps at boot");
}

void world_work(struct world* world, uint32_t steps) {
  uint32_t traps = world->machine.traps;
  machine_pump(&world->machine, steps);
  must_be_well(world, traps);
  if (world->machine.sent_length) finding("the device spoke in the background");
}

/* What leaves. */

static bool same_item(const struct world* world, uint32_t one, uint64_t item) { return world->item[one - 1] == item; }

/** These pad bytes left under this item, or a part of it that nothing else begins with. */
static void claim(struct world* world, uint32_t offset, uint32_t size, const uint8_t* item, uint32_t length, bool whole) {
  struct known* known = &world->known;
  if (offset > known->shape.length || size > known->shape.length - offset) finding("an item lies outside the pad: %u", offset);
  uint64_t digest = whole ? 14695981039346656037ull : known->items + 1ull;
  for (uint32_t i = 0; whole && i < length; i++) digest = (digest ^ item[i]) * 1099511628211ull;
  if (known->items == ITEMS_MAX) return;
  world->item[known->items++] = digest;
  for (uint32_t at = offset; at < offset + size; at++) {
    if (world->used_for[at] && !same_item(world, world->used_for[at], digest))
      finding("pad byte %u left under two items", at);
    world->used_for[at] = (uint16_t)known->items;
  }
}

/** What left has to be gone from the chip. */
static void must_be_burned(const struct world* world, uint32_t offset, uint32_t size) {
  const struct flash* flash = &world->machine.flash;
  for (uint32_t at = pad_base(world) + offset; size--; at++)
    if (flash->bytes[at] || flash->unstable[at]) finding("pad byte %u left and is still on the chip", at - pad_base(world));
}

static void must_show_no_pad(const struct world* world, const uint8_t* bytes, uint32_t length) {
  if (shows_pad(world, bytes, length)) finding("pad bytes in clear in an answer of type %02x", world->heard.type);
}

/** A box that left at a mark of this side: its claim, and when it is whole what it says. `text` is what it has to hold, or NULL. */
static void judge_box(struct world* world, uint32_t kind, const uint8_t* text, uint32_t n) {
  const struct shape* shape = &world->known.shape;
  const uint8_t* payload = world->heard.payload;
  static uint8_t opened[TEXT_MAX];
  if (world->heard.payload_length <= 8) return;
  uint32_t mark = word_at(payload), offset = word_at(payload + 4);
  uint32_t size = consumption(shape, n);
  if (offset != offset_at(shape, sealing(shape), mark, size)) finding("a box at mark %u lies at %u", mark, offset);
  if (world->known.looked && !world->known.flipped && mark < world->known.marks.used[sealing(shape)])
    finding("a box at mark %u, below what was used", mark);
  if (world->heard.payload_length <= 8 + 4) return;
  claim(world, offset, KEY_SIZE + n, payload + 8, world->heard.payload_length - 8, world->heard.whole);
  must_be_burned(world, offset, size);
  if (!world->heard.whole) return;
  struct place place = place_of(world, sealing(shape), offset);
  if (!open_box(payload + 8, world->heard.payload_length - 8, &place, opened) || payload[10] != kind)
    finding("a box that is none at offset %u", offset);
  if (text && memcmp(opened, text, n)) finding("a box with another text at offset %u", offset);
}

static void judge_begin(struct world* world, const uint8_t* asked) {
  const struct shape* shape = &world->known.shape;
  const struct frame* heard = &world->heard;
  if (heard->payload_length <= 12) return;
  uint32_t slot = word_at(heard->payload);
  if (slot >= slots_of(shape, shape->side)) finding("BEGIN took slot %u", slot);
  uint32_t offset = slot_at(shape, shape->side, slot);
  claim(world, offset, SLOT_SIZE, heard->payload + 12, heard->payload_length - 12, heard->whole);
  must_be_burned(world, offset, SLOT_SIZE);
  if (!heard->whole) return;
  struct place place = place_of(world, sealing(shape), offset + SLOT_READY);
  uint8_t text[TEXT_MAX];
  bool tagged = memcmp(heard->payload + 12, world->pad + offset, 16) == 0;
  if (heard->payload_length != 64 || !tagged) finding("another tag than the slot's");
  if (!open_box(heard->payload + 28, 36, &place, text)) finding("an opening that is none");
  uint32_t first = word_at(heard->payload + 4);
  uint32_t run = word_at(asked) == 0xffffffffu ? first : word_at(asked);
  if (word_at(text) != first || word_at(text + 4) != run || word_at(text + 8) != word_at(asked + 4))
    finding("an opening that says something else");
}

static void judge_call(struct world* world) {
  const struct shape* shape = &world->known.shape;
  const struct frame* heard = &world->heard;
  if (heard->payload_length <= 8) return;
  uint32_t slot = word_at(heard->payload);
  if (slot >= slots_of(shape, LOW_SIDE)) finding("CALL took slot %u", slot);
  uint32_t offset = slot_at(shape, LOW_SIDE, slot);
  uint32_t length = heard->payload_length - 8;
  if (length > 16) finding("a call of %u bytes", length);
  if (memcmp(heard->payload + 8, world->pad + offset, length)) finding("another tag than the slot's");
  /* The same tag may leave as often as it likes, in any part. */
  claim(world, offset, 16, world->pad + offset, 16, true);
}

static void judge_ready(struct world* world, const uint8_t* asked) {
  const struct frame* heard = &world->heard;
  const struct marks* marks = &world->known.marks;
  uint32_t slot = marks->next_slot;
  if (heard->payload_length <= 4 || !world->known.looked || world->known.flipped) return;
  uint32_t offset = slot_at(&world->known.shape, LOW_SIDE, slot);
  uint8_t text[TEXT_MAX];
  claim(world, offset + SLOT_READY, SLOT_SIZE - SLOT_READY, heard->payload, heard->payload_length, heard->whole);
  must_be_burned(world, offset, SLOT_SIZE);
  struct place welcome = place_of(world, DOWN, offset + SLOT_WELCOME);
  if (!open_box(asked, 68, &welcome, text)) finding("a welcome was taken that nobody sealed");
  uint64_t cap = long_at(asked + 76);
  world->known.marks.open_caps = marks->open_caps + cap < cap ? UINT64_MAX : marks->open_caps + cap;
  if (!heard->whole) return;
  struct place place = place_of(world, UP, offset + SLOT_READY);
  if (heard->payload_length != 84 || !open_box(heard->payload, 84, &place, text)) finding("a ready that is none");
  bool asked_for = word_at(text) == word_at(asked + 68) && word_at(text + 8) == word_at(asked + 72) && long_at(text + 24) == cap;
  if (!asked_for || word_at(text + 4) != marks->used[UP] || word_at(text + 20) != marks->receipt)
    finding("a ready that says something else");
}

static void judge_state(struct world* world, const uint8_t* asked) {
  judge_box(world, STATE, NULL, 20);
  uint64_t sum = world->known.marks.open_caps + long_at(asked);
  if (world->heard.payload_length > 12) world->known.marks.open_caps = sum < long_at(asked) ? UINT64_MAX : sum;
}

static void judge_find(struct world* world, const uint8_t* asked) {
  const struct shape* shape = &world->known.shape;
  const struct frame* heard = &world->heard;
  if (!heard->whole) return;
  enum side other = shape->side == LOW_SIDE ? HIGH_SIDE : LOW_SIDE;
  uint32_t slot = word_at(heard->payload);
  if (slot >= slots_of(shape, other)) finding("FIND found slot %u", slot);
  struct place place = place_of(world, sealing(shape) == UP ? DOWN : UP, slot_at(shape, other, slot) + SLOT_READY);
  uint8_t text[TEXT_MAX];
  if (memcmp(asked, world->pad + slot_at(shape, other, slot), 16) || !open_box(asked + 16, 36, &place, text))
    finding("an opening was taken that nobody sealed");
  if (memcmp(heard->payload + 4, text, 12)) finding("an opening was read wrong");
  world->known.found = slot + 1;
}

uint32_t end_of_opened(const struct world* world, uint32_t offset, uint32_t size) {
  const struct shape* shape = &world->known.shape;
  const struct marks* marks = &world->known.marks;
  bool lost = is_token(shape) && marks->link && marks->lost > marks->used[DOWN];
  if (lost && offset + size == shape->down_end - marks->lost) return shape->down_end - marks->used[DOWN];
  return offset + size;
}

static void judge_open(struct world* world, const uint8_t* asked, uint32_t length) {
  const struct shape* shape = &world->known.shape;
  const struct frame* heard = &world->heard;
  if (!heard->whole) return;
  uint32_t offset = word_at(asked);
  static uint8_t text[TEXT_MAX];
  struct place place = place_of(world, sealing(shape) == UP ? DOWN : UP, offset);
  if (offset > shape->length || length - 4 - BOX_AROUND > shape->length - offset) finding("a box was opened outside the pad");
  if (!open_box(asked + 4, length - 4, &place, text)) finding("a box was opened that nobody sealed");
  if (heard->payload_length != length - BOX_AROUND || memcmp(heard->payload + 4, text, heard->payload_length - 4))
    finding("a box was opened to another text");
  uint32_t end = end_of_opened(world, offset, consumption(shape, length - 4 - BOX_AROUND));
  memset(world->opened + offset, 1, end - offset);
}

static void judge_release(struct world* world, const uint8_t* asked) {
  uint32_t offset = word_at(asked), length = word_at(asked + 4);
  if (!world->heard.whole) return;
  for (uint32_t at = offset; at < offset + length; at++)
    if (at >= PAD_MAX || !world->opened[at]) finding("pad byte %u was released and not verified", at);
  must_be_burned(world, offset, length);
}

static void judge_release_slot(struct world* world, const uint8_t* asked) {
  const struct shape* shape = &world->known.shape;
  if (!world->heard.whole) return;
  if (world->known.found != word_at(asked) + 1) finding("slot %u was released and not found", word_at(asked));
  enum side other = shape->side == LOW_SIDE ? HIGH_SIDE : LOW_SIDE;
  must_be_burned(world, slot_at(shape, other, word_at(asked)), SLOT_SIZE);
}

/** A reply, or the part of one that left: what of it is clear shows no pad, and what it says is so. */
static void judge_reply(struct world* world, uint8_t type, const uint8_t* asked, uint32_t length) {
  const struct frame* heard = &world->heard;
  uint32_t clear = heard->payload_length;
  if (type == SEAL || type == SEAL_STATE) clear = clear < 8 ? clear : 8;
  else if (type == BEGIN || type == CALL) clear = clear < 4 ? clear : 4;
  else if (type == ANSWER_WELCOME) clear = 0;
  must_show_no_pad(world, heard->payload, clear);
  if (world->known.forged) return;
  switch (type) {
    case BEGIN: judge_begin(world, asked); break;
    case SEAL: judge_box(world, word_at(asked), asked + 4, length - 4); break;
    case FIND: judge_find(world, asked); break;
    case OPEN: judge_open(world, asked, length); break;
    case RELEASE: judge_release(world, asked); break;
    case RELEASE_SLOT: judge_release_slot(world, asked); break;
    case CALL: judge_call(world); break;
    case ANSWER_WELCOME: judge_ready(world, asked); break;
    case SEAL_STATE: judge_state(world, asked); break;
    default: break;
  }
}

static void judge_error(const struct world* world, uint8_t type) {
  const struct frame* heard = &world->heard;
  must_show_no_pad(world, heard->payload, heard->payload_length);
  if (!heard->whole) return;
  if (heard->payload_length != 20) finding("an error of %u bytes", heard->payload_length);
  if (heard->payload[0] == 0 || heard->payload[0] > CODE_MAX) finding("error %u is none of the list", heard->payload[0]);
  if (heard->payload[1] != type) finding("error %u of command %02x to %02x", heard->payload[0], heard->payload[1], type);
}

/* Asking. */

/** What came back since somebody listened last, as one frame. False when there is none. */
static bool hear(struct world* world) {
  struct machine* machine = &world->machine;
  uint32_t length = machine->sent_length;
  machine->sent_length = 0;
  if (length == 0) {
    world->heard.length = 0;
    return false;
  }
  if (decode_frame(&world->heard, machine->sent, length) != length) finding("more than one answer");
  if (world->heard.whole && !world->heard.sound) finding("an answer that is no sound frame");
  return true;
}

/** Sends a frame that is right, and hears what comes back. True when that is a whole answer. */
static bool converse(struct world* world, uint8_t type, uint32_t sequence, const uint8_t* payload, uint32_t length) {
  struct machine* machine = &world->machine;
  uint32_t traps = machine->traps;
  world->line_length = encode_frame(world->line, type, sequence, world->known.session, payload, length);
  machine_feed(machine, world->line, world->line_length);
  must_be_well(world, traps);
  bool answered = hear(world);
  if (machine->power == POWER_ON && !(answered && world->heard.whole)) finding("command %02x was not answered", type);
  if (!answered || world->heard.length == 0) return false;
  if (world->heard.type != ERROR_TYPE && world->heard.type != (type | REPLY))
    finding("command %02x was answered with %02x", type, world->heard.type);
  if (world->heard.whole && (world->heard.sequence != sequence || world->heard.session != world->known.session))
    finding("an answer to another frame");
  if (world->heard.type == ERROR_TYPE) judge_error(world, type);
  else judge_reply(world, type, payload, length);
  return world->heard.whole;
}

static bool greet(struct world* world) {
  static const uint8_t nonce[4] = {1, 2, 3, 4};
  world->known.session = 0;
  if (!converse(world, HELLO, 0, nonce, sizeof nonce)) return false;
  if (world->heard.type == ERROR_TYPE) finding("HELLO was refused");
  world->known.session = word_at(world->heard.payload + 8);
  world->known.sequence = 1;
  world->known.talking = true;
  world->known.kept = false;
  return true;
}

/** HELLO, INFO, PAGE and VALUE are answered at any sequence and not kept. */
static bool is_aside(uint8_t type) { return type >= HELLO && type <= VALUE; }

/** Remembers a command that succeeded, with the frame that answered it. */
static void keep(struct world* world) {
  memcpy(world->kept_line, world->line, world->line_length);
  world->kept_line_length = world->line_length;
  world->kept_answer_length = stuff(world->kept_answer, world->heard.bytes, world->heard.length);
  world->known.kept = true;
}

bool world_ask(struct world* world, uint8_t type, const uint8_t* payload, uint32_t length) {
  if (world->machine.power != POWER_ON) return false;
  if (type == HELLO) world->known.talking = false;
  if (!is_aside(type) && !world->known.talking && !greet(world)) return false;
  if (type == HELLO && length == 4) return greet(world);
  if (!converse(world, type, world->known.sequence, payload, length) || world->heard.type == ERROR_TYPE) return false;
  if (!is_aside(type)) {
    world->known.sequence++;
    keep(world);
  }
  return true;
}

void world_repeat(struct world* world) {
  struct machine* machine = &world->machine;
  uint32_t traps = machine->traps;
  if (machine->power != POWER_ON || !world->known.kept || !world->known.talking) return;
  machine_feed(machine, world->kept_line, world->kept_line_length);
  must_be_well(world, traps);
  uint32_t length = machine->sent_length;
  bool same = length == world->kept_answer_length && memcmp(machine->sent, world->kept_answer, length) == 0;
  if (machine->power == POWER_ON && !same) finding("a repeated command was not answered as before");
  machine->sent_length = 0;
}

void world_noise(struct world* world, const uint8_t* bytes, uint32_t length) {
  struct machine* machine = &world->machine;
  uint32_t traps = machine->traps;
  static const uint8_t zero = 0;
  machine_feed(machine, bytes, length);
  machine_feed(machine, &zero, 1);
  must_be_well(world, traps);
  uint32_t all = machine->sent_length;
  machine->sent_length = 0;
  for (uint32_t at = 0; at < all;) {
    at += decode_frame(&world->heard, machine->sent + at, all - at);
    if (world->heard.whole && !world->heard.sound) finding("an answer that is no sound frame");
    if (!world->heard.whole && machine->power == POWER_ON) finding("an answer that breaks off");
    must_show_no_pad(world, world->heard.payload, world->heard.payload_length);
  }
}

/* Looking. */

static struct marks marks_in(const uint8_t* info) {
  return (struct marks){
      .state = info[0], .generation = word_at(info + 24), .epoch = word_at(info + 20), .journal = word_at(info + 28),
      .next_slot = word_at(info + 68), .used = {word_at(info + 72), word_at(info + 80)},
      .burned = {word_at(info + 76), word_at(info + 84)}, .split = word_at(info + 88)};
}

static void must_not_fall(const char* what, uint64_t before, uint64_t now) {
  if (now < before) finding("%s fell from %llu to %llu", what, (unsigned long long)before, (unsigned long long)now);
}

static void compare(const struct world* world, const struct marks* before, const struct marks* now) {
  must_not_fall("the generation", before->generation, now->generation);
  must_not_fall("the boot epoch", before->epoch, now->epoch);
  must_not_fall("the journal's sequence", before->journal, now->journal);
  if (before->generation != now->generation || before->state != ACTIVE) return;
  must_not_fall("the state", before->state, now->state);
  must_not_fall("the next slot", before->next_slot, now->next_slot);
  must_not_fall("up used", before->used[UP], now->used[UP]);
  must_not_fall("down used", before->used[DOWN], now->used[DOWN]);
  must_not_fall("the split", before->split, now->split);
  must_not_fall("the receipt", before->receipt, now->receipt);
  if (before->receipt == now->receipt) must_not_fall("what is open", before->open_caps, now->open_caps);
  const struct shape* shape = &world->known.shape;
  if (shape->up_base + now->used[UP] > now->split || shape->down_end - now->used[DOWN] < now->split)
    finding("up %u, down %u and split %u overlap", now->used[UP], now->used[DOWN], now->split);
  if (!world->known.disturbed && (now->used[UP] != now->burned[UP] || now->used[DOWN] != now->burned[DOWN]))
    finding("something used is not burned");
}

bool world_look(struct world* world) {
  struct known* known = &world->known;
  if (!core_kept_statics()) finding("the core wrote above its statics");
  if (!world_ask(world, INFO, NULL, 0)) return false;
  struct marks now = marks_in(world->heard.payload);
  if (now.state == FAULTY) return true;
  if (!world_ask(world, VALUE, NULL, 0)) return false;
  now.receipt = word_at(world->heard.payload);
  now.open_caps = long_at(world->heard.payload + 16);
  now.answered = word_at(world->heard.payload + 28);
  now.link = world->heard.payload[48];
  now.lost = word_at(world->heard.payload + 52);
  if (known->looked && !known->flipped && !known->forged) compare(world, &known->marks, &now);
  known->marks = now;
  known->looked = true;
  return true;
}
