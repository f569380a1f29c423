/* The steps. See steps.h. */
#include "steps.h"

#include <string.h>

#define WHOLE_WORK 4096u
#define WRITE_MAX 4096u
/** Flips from outside in one life: more could bring back what was burned. */
#define FLIPS_MAX 3u
#define RECORD_SIZE 128u
/** More equal bytes than a core takes for pad. */
#define SMEAR 12u
#define OWNERS_LIMIT 1000u
/** Pads are drawn from seeds above that of any text. */
#define PAD_SEED (1ull << 32)

static const uint8_t PAD_ID[16] = {0x5a, 0x11, 0x92, 0x3c, 0x44, 0xd7, 0x61, 0x08,
                                   0xe5, 0x7f, 0x20, 0xab, 0x36, 0xc9, 0x1d, 0x83};

struct step_bytes {
  uint32_t what;
  uint32_t how;
  uint32_t size;
  uint32_t value;
};

/* Numbers and texts. */

/** Bytes that look random and hold no zeros, so that no text shows the pad by itself. */
static void draw(uint8_t* bytes, uint32_t length, uint64_t seed) {
  uint64_t state = (seed + 1) * 0x9e3779b97f4a7c15ull;
  for (uint32_t i = 0; i < length; i++) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    bytes[i] = (uint8_t)((state >> 33) % 255 + 1);
  }
}

/** A number that is right, or what `how` makes of it. */
static uint32_t bend(uint32_t right, uint32_t how, uint32_t unit, uint32_t value) {
  switch (how & 15) {
    case 1: return right + 1;
    case 2: return right - 1;
    case 3: return right + unit;
    case 4: return right - unit;
    case 5: return value;
    case 6: return 0;
    case 7: return 0xffffffffu;
    case 8: return right + (value & 0xffff) * unit;
    default: return right;
  }
}

static uint64_t amount(uint32_t how, uint32_t value) {
  switch (how & 7) {
    case 0: return 0;
    case 1: return 1;
    case 2: return OWNERS_LIMIT;
    case 3: return OWNERS_LIMIT + 1;
    case 4: return UINT64_MAX;
    case 5: return (uint64_t)value << 32;
    default: return value % OWNERS_LIMIT;
  }
}

/** Lengths of a text that are worth a try. */
static uint32_t text_length(uint32_t size) {
  if (size % 64 == 63) return TEXT_MAX;
  return size % 8 == 7 ? size % (TEXT_MAX + 1) : size % 200;
}

static enum side other_side(const struct shape* shape) { return shape->side == LOW_SIDE ? HIGH_SIDE : LOW_SIDE; }

static enum direction opposite(const struct shape* shape) { return sealing(shape) == UP ? DOWN : UP; }

/* Filling. */

struct shape shape_of(enum side side, uint32_t slot_sides, uint32_t unit, uint32_t length) {
  struct shape shape = {.side = side, .slot_sides = slot_sides, .unit = unit, .length = length, .limit = OWNERS_LIMIT};
  uint32_t split_parts = slot_sides == 1 ? 16 : 2;
  shape.up_base = slots_of(&shape, LOW_SIDE) * SLOT_SIZE;
  shape.down_end = length - slots_of(&shape, HIGH_SIDE) * SLOT_SIZE;
  shape.split = (shape.up_base + (shape.down_end - shape.up_base) / split_parts) & ~(unit - 1);
  memcpy(shape.pad_id, PAD_ID, sizeof shape.pad_id);
  return shape;
}

/** FILL as SPEC section 10 has it: the short form, or the long one with a receipt and two addresses. Its length. */
static uint32_t compose_fill(uint8_t* payload, const struct shape* shape, bool with_money) {
  static const char* const addresses[2] = {"tcp://shop.example:7300", "x"};
  memset(payload, 0, 512);
  payload[0] = (uint8_t)shape->side;
  payload[1] = 1;
  payload[2] = (uint8_t)shape->slot_sides;
  payload[3] = 1;
  put_word(payload + 4, shape->length);
  put_word(payload + 8, shape->split);
  payload[14] = (uint8_t)shape->unit;
  payload[15] = (uint8_t)(shape->unit >> 8);
  memcpy(payload + 16, shape->pad_id, 16);
  draw(payload + 32, 80, 3);
  if (!with_money) return 112;
  memcpy(payload + 112, "EUR\0\0\0\0\0", 8);
  put_long(payload + 120, shape->limit);
  put_word(payload + 128, 1);
  put_long(payload + 136, 5000);
  draw(payload + 144, 16, 4);
  put_word(payload + 160, 2);
  put_word(payload + 164, 1);
  uint32_t at = 168;
  for (int i = 0; i < 2; i++) {
    uint8_t length = (uint8_t)strlen(addresses[i]);
    payload[at++] = length;
    memcpy(payload + at, addresses[i], length);
    at += length;
  }
  return at;
}

/** Sends FILL and, when it is taken, forgets the pad that was. */
static bool ask_fill(struct world* world, const uint8_t* payload, uint32_t length, const struct shape* shape) {
  if (!world_ask(world, FILL, payload, length)) return false;
  struct known* known = &world->known;
  uint32_t longest = known->shape.length > shape->length ? known->shape.length : shape->length;
  if (longest > PAD_MAX) longest = PAD_MAX;
  memset(world->used_for, 0, longest * sizeof *world->used_for);
  memset(world->opened, 0, longest);
  known->shape = *shape;
  known->written = 0;
  known->items = 0;
  known->found = 0;
  known->twin_used = 0;
  known->twin_slot = 0;
  known->receipts = 1;
  known->box = (struct twin_box){0, 0};
  return true;
}

/** WRITE of the next bytes; the pad is drawn from the seed. */
static bool ask_write(struct world* world, uint32_t offset, uint32_t length, uint32_t seed) {
  static uint8_t payload[4 + WRITE_MAX + 256];
  put_word(payload, offset);
  draw(payload + 4, length, PAD_SEED + seed + offset);
  if (!world_ask(world, WRITE, payload, 4 + length)) return false;
  world_write(world, offset, payload + 4, length);
  world->known.written = offset + length;
  return true;
}

static bool write_rest(struct world* world, uint32_t seed) {
  while (world->known.written < world->known.shape.length && world->known.written < PAD_MAX)
    if (!ask_write(world, world->known.written, WRITE_MAX, seed)) return false;
  return true;
}

static bool ask_commit(struct world* world, uint32_t flip) {
  uint8_t payload[48];
  draw(payload, KEY_SIZE, 9);
  uint32_t length = world->known.shape.length;
  poly1305(payload, world->pad, length <= PAD_MAX ? length : 0, payload + KEY_SIZE);
  if (flip) payload[flip % 48] ^= 1;
  return world_ask(world, COMMIT, payload, sizeof payload);
}

void fill_whole(struct world* world, const struct shape* shape, bool with_money) {
  uint8_t payload[512];
  uint32_t length = compose_fill(payload, shape, with_money);
  bool done = ask_fill(world, payload, length, shape);
  world_work(world, WHOLE_WORK);
  done = done && write_rest(world, 1) && ask_commit(world, 0);
  world_work(world, WHOLE_WORK);
  if (!done || !world_look(world) || world->known.marks.state != ACTIVE) finding("a fill does not succeed");
}

/** The shape that a FILL asks for, whatever it was bent to: what the device takes is what it will be. */
static struct shape shape_in(const uint8_t* payload) {
  struct shape shape = {.side = payload[0], .slot_sides = payload[2], .limit = long_at(payload + 120)};
  shape.unit = payload[14] | (uint32_t)payload[15] << 8;
  shape.length = word_at(payload + 4);
  shape.split = word_at(payload + 8);
  shape.up_base = slots_of(&shape, LOW_SIDE) * SLOT_SIZE;
  shape.down_end = shape.length - slots_of(&shape, HIGH_SIDE) * SLOT_SIZE;
  memcpy(shape.pad_id, payload + 16, sizeof shape.pad_id);
  return shape;
}

static void do_fill(struct world* world, struct step_bytes s) {
  static const uint32_t lengths[8] = {8192, 16384, 24576, 12288, 4096, 8193, 0, 0x7ffff000};
  static const uint32_t units[8] = {1, 1, 4, 64, 16, 0, 3, 128};
  struct shape shape = world->known.shape;
  uint8_t payload[512 + 256] = {0};
  if (!shape.length || s.how & 1)
    shape = shape_of(s.value & 1, s.value >> 1 & 3, units[s.value >> 3 & 7], lengths[s.value >> 6 & 7]);
  if (shape.unit == 0) shape.unit = 1;
  uint32_t length = compose_fill(payload, &shape, s.how & 2);
  uint32_t at = s.size % length;
  if (s.how & 4) payload[at] = (uint8_t)(s.value >> 24);
  if (s.how & 8) put_word(payload + (at & ~3u), s.value);
  if (s.how & 16) length += s.value % 256;
  shape = shape_in(payload);
  ask_fill(world, payload, length, &shape);
  if (s.how & 32) world_work(world, WHOLE_WORK);
}

static void do_write(struct world* world, struct step_bytes s) {
  uint32_t length = s.how & 16 ? s.size % (PAYLOAD_MAX - 3) : (s.size % 16 + 1) * 256;
  uint32_t offset = bend(world->known.written, s.how, 256, s.value);
  if (s.how & 32) {
    static uint8_t payload[4 + WRITE_MAX];
    put_word(payload, offset);
    draw(payload + 4, WRITE_MAX, PAD_SEED + 1 + offset);
    memset(payload + 4 + s.size % (WRITE_MAX - 16), 0x77, 1 + s.size % 12);
    if (world_ask(world, WRITE, payload, sizeof payload)) {
      world_write(world, offset, payload + 4, WRITE_MAX);
      world->known.written = offset + WRITE_MAX;
    }
  } else if (s.how & 64) {
    write_rest(world, s.value & 7);
  } else {
    ask_write(world, offset, length, s.value & 7);
  }
}

static void do_commit(struct world* world, struct step_bytes s) {
  ask_commit(world, s.how & 1 ? s.size + 1 : 0);
  if (s.how & 2) world_work(world, WHOLE_WORK);
}

/* Sealing. */

static void do_begin(struct world* world, struct step_bytes s) {
  uint8_t payload[16] = {0};
  uint32_t used = world->known.marks.used[sealing(&world->known.shape)];
  put_word(payload, s.how & 16 ? bend(used, s.how, world->known.shape.unit, s.value) : 0xffffffffu);
  put_word(payload + 4, s.how & 32 ? s.size : 0);
  world_ask(world, BEGIN, payload, s.how & 64 ? s.size % 12 : 8);
}

static void do_seal(struct world* world, struct step_bytes s) {
  static uint8_t payload[4 + TEXT_MAX + 24];
  uint32_t n = text_length(s.size);
  put_word(payload, s.how & 16 ? s.value : 1 + (s.how & 1));
  draw(payload + 4, n + 24, s.value);
  if (s.how & 32) n += s.size % 24;
  world_ask(world, SEAL, payload, 4 + n);
}

/** Seals the longest boxes until there is no room, and shorter ones: what is rare near the end is tried there. */
static void do_exhaust(struct world* world, struct step_bytes s) {
  static uint8_t payload[4 + TEXT_MAX];
  put_word(payload, DATA);
  draw(payload + 4, TEXT_MAX, s.value);
  for (uint32_t n = TEXT_MAX; n > s.size % 64; n /= 2)
    for (int i = 0; i < 32 && world_ask(world, SEAL, payload, 4 + n); i++) continue;
}

static void do_raise(struct world* world, struct step_bytes s) {
  uint8_t payload[4];
  const struct marks* marks = &world->known.marks;
  uint32_t most = world->known.shape.down_end - marks->used[DOWN] - CONTROL_RESERVE;
  put_word(payload, bend(s.how & 16 ? most : marks->split, s.how, world->known.shape.unit, s.value));
  world_ask(world, RAISE, payload, 4);
}

/* Opening. */

/** One bit of an item is wrong. */
static void tamper(uint8_t* item, uint32_t length, struct step_bytes s) {
  item[s.value % length] ^= (uint8_t)(1u << (s.value >> 29));
}

static void do_find(struct world* world, struct step_bytes s) {
  struct known* known = &world->known;
  const struct shape* shape = &known->shape;
  uint32_t slots = slots_of(shape, other_side(shape));
  if (!slots) return;
  if (s.how & 64) known->twin_slot++;
  uint32_t slot = known->twin_slot % slots;
  uint32_t offset = slot_at(shape, other_side(shape), slot);
  struct place place = place_of(world, opposite(shape), offset + SLOT_READY);
  uint8_t payload[52], text[16];
  memcpy(payload, world->pad + offset, 16);
  put_word(text, known->twin_used);
  put_word(text + 4, s.how & 32 ? s.size : known->twin_used);
  put_word(text + 8, s.how & 32 ? s.value : 0);
  uint32_t split = s.how & 16 ? shape->down_end - CONTROL_RESERVE : known->marks.split;
  put_word(text + 12, bend(split, s.how, shape->unit, s.value));
  seal_box(payload + 16, &place, OPENING, text, 16);
  if (s.how & 128) tamper(payload, sizeof payload, s);
  world_ask(world, FIND, payload, sizeof payload);
}

/** What the twin, or the server, says in a control box. */
static uint32_t compose_control(struct world* world, uint32_t kind, uint8_t* text, struct step_bytes s) {
  struct known* known = &world->known;
  uint32_t other = s.size >> 4;
  memset(text, 0, 256);
  if (kind == RECEIPT) {
    put_word(text, bend(++known->receipts, s.size, 1, s.value));
    put_word(text + 4, bend(known->marks.answered, other & 1 ? s.how : 0, 1, s.value));
    put_long(text + 8, 5000 - known->receipts);
    put_long(text + 16, amount(s.size >> 6, s.value));
    put_word(text + 24, bend(known->marks.used[UP], other & 2 ? s.size : 0, known->shape.unit, s.value));
    draw(text + 32, 16, s.value);
    return 48;
  }
  if (kind == GRANT) {
    uint32_t split = other & 1 ? known->shape.down_end - CONTROL_RESERVE : known->marks.split;
    put_word(text, bend(split, s.size, known->shape.unit, s.value));
    return 4;
  }
  /* A list, with a number and a count that need not fit. */
  uint32_t count = other % 17, at = 8;
  put_word(text, bend(2 + s.value % 8, s.size, 1, s.value));
  put_word(text + 4, s.value & 0x80 ? count + 1 : count);
  for (uint32_t i = 0; i < count && at < 228; i++) {
    uint32_t length = 1 + (s.value >> i) % 13;
    if (length > 228 - at - 1) length = 228 - at - 1;
    text[at++] = (uint8_t)length;
    memset(text + at, 'a' + (int)i, length);
    at += length;
  }
  if (s.value & 0x40 && at > 9) text[9] = 0x20;
  return at;
}

static void do_open(struct world* world, struct step_bytes s) {
  struct known* known = &world->known;
  const struct shape* shape = &known->shape;
  static uint8_t payload[4 + TEXT_MAX + BOX_AROUND], text[TEXT_MAX];
  static const uint32_t kinds[8] = {DATA, LAST, DATA, LAST, RECEIPT, GRANT, ADDRESSES, STATE};
  uint32_t kind = kinds[s.how & 7], n = text_length(s.size);
  if (kind >= RECEIPT) n = compose_control(world, kind, text, s);
  else draw(text, n, s.value);
  uint32_t size = consumption(shape, n);
  uint32_t offset = offset_at(shape, opposite(shape), known->twin_used, size);
  if (offset > shape->length || size > shape->length - offset) return;
  struct place place = place_of(world, opposite(shape), offset);
  uint32_t length = seal_box(payload + 4, &place, kind, text, n);
  put_word(payload, s.how & 32 ? bend(offset, s.how >> 3, shape->unit, s.value) : offset);
  if (s.how & 64) tamper(payload + 4, length, s);
  uint32_t end = end_of_opened(world, offset, size);
  if (world_ask(world, OPEN, payload, 4 + length)) known->box = (struct twin_box){offset, end - offset};
  if (!(s.how & 128)) known->twin_used += size;
}

static void do_release(struct world* world, struct step_bytes s) {
  uint8_t payload[8];
  const struct twin_box* box = &world->known.box;
  uint32_t unit = world->known.shape.unit;
  put_word(payload, bend(box->offset, s.how, unit, s.value));
  put_word(payload + 4, bend(box->size, s.how >> 4, unit, s.size));
  world_ask(world, RELEASE, payload, 8);
}

static void do_release_slot(struct world* world, struct step_bytes s) {
  uint8_t payload[4];
  put_word(payload, bend(world->known.found - 1, s.how, 1, s.value));
  world_ask(world, RELEASE_SLOT, payload, 4);
}

/* The link of a token. */

static void do_call(struct world* world, struct step_bytes s) {
  uint8_t payload[4];
  put_word(payload, s.how & 4 ? s.value : s.how & 1);
  world_ask(world, CALL, payload, 4);
}

/** READY with the welcome of the next slot: right, or with one of its numbers bent. */
static bool ask_ready(struct world* world, uint64_t cap, struct step_bytes s) {
  struct known* known = &world->known;
  const struct marks* marks = &known->marks;
  if (!is_token(&known->shape)) return false;
  uint32_t slots = slots_of(&known->shape, LOW_SIDE);
  uint32_t offset = slot_at(&known->shape, LOW_SIDE, marks->next_slot < slots ? marks->next_slot : slots - 1);
  uint32_t which = s.how >> 4, unit = known->shape.unit;
  uint8_t text[48] = {(uint8_t)s.size & 7}, payload[84];
  uint32_t numbers[7] = {marks->used[UP],  marks->used[DOWN], marks->used[DOWN], marks->split,
                         marks->answered, marks->receipt,    0};
  if (which && which < 8) numbers[which - 1] = bend(numbers[which - 1], s.how, unit, s.value);
  for (int i = 0; i < 7; i++) put_word(text + 4 + 4 * i, numbers[i]);
  /* What the server lost: it goes on behind that. */
  uint32_t lost = which == 10 ? marks->used[DOWN] + s.value % 512 * unit : 0;
  if (lost > known->twin_used) known->twin_used = lost;
  put_word(text + 32, lost);
  struct place place = place_of(world, DOWN, offset + SLOT_WELCOME);
  seal_box(payload, &place, WELCOME, text, sizeof text);
  put_word(payload + 68, which == 8 ? bend(marks->used[UP], s.how, unit, s.value) : numbers[0]);
  put_word(payload + 72, s.value);
  put_long(payload + 76, cap);
  if (which == 9) tamper(payload, 68, s);
  return world_ask(world, ANSWER_WELCOME, payload, sizeof payload);
}

static void do_ready(struct world* world, struct step_bytes s) { ask_ready(world, amount(s.size >> 4, s.value), s); }

static void do_state(struct world* world, struct step_bytes s) {
  uint8_t payload[12];
  put_long(payload, amount(s.how, s.value));
  put_word(payload + 8, s.how & 16 ? s.value : s.how >> 3 & 1);
  world_ask(world, SEAL_STATE, payload, sizeof payload);
}

void link_up(struct world* world, uint64_t cap) {
  struct step_bytes plain = {0, 0, 0, 7};
  if (!ask_ready(world, cap, plain) || !world_look(world)) finding("a link does not come up");
  /* A receipt of this call, with what is open of it. */
  do_open(world, (struct step_bytes){0, 4, 6 << 6, (uint32_t)cap});
  if (!world_look(world) || world->known.marks.link != 2) finding("a link does not come up");
}

/* The line. */

static void do_noise(struct world* world, struct step_bytes s) {
  static uint8_t noise[8192];
  uint32_t length = s.how & 1 ? s.size % sizeof noise : s.size % 64;
  draw(noise, length, s.value);
  for (uint32_t i = 0; s.how & 2 && i < length; i += 1 + s.value % 61) noise[i] = 0;
  world_noise(world, noise, length);
}

/** A frame with something wrong in it that its checksum shows, or does not. */
static void do_bad_frame(struct world* world, struct step_bytes s) {
  static uint8_t line[LINE_MAX + 64];
  uint8_t frame[FRAME_HEAD + 64 + 4] = {(uint8_t)(s.value >> 8)};
  uint32_t length = s.size % 64;
  uint32_t session = world->known.session, sequence = world->known.sequence;
  if (s.how & 1) session ^= s.how & 2 ? 1 : 0x10000;
  if (s.how & 4) sequence += s.value % 7 - 3;
  /* Wrong in what it says of itself or of its turn, so that nothing is executed. */
  if (!(s.how & 1) && sequence == world->known.sequence) frame[1] = (uint8_t)(1u << (s.how >> 5));
  frame[2] = (uint8_t)(length + (s.how & 8 ? 1 : 0));
  put_word(frame + 4, sequence);
  put_word(frame + 8, session);
  draw(frame + FRAME_HEAD, length, s.value);
  put_word(frame + FRAME_HEAD + length, crc32(frame, FRAME_HEAD + length) ^ (s.how & 16 ? 1 : 0));
  if (frame[0] >= HELLO && frame[0] <= VALUE) frame[0] = 0x21;
  uint32_t size = stuff(line, frame, FRAME_HEAD + length + 4);
  if (s.how & 64) size = s.value % size;
  world_noise(world, line, size);
}

/** Any command with any payload. */
static void do_any(struct world* world, struct step_bytes s) {
  static uint8_t payload[PAYLOAD_MAX];
  uint32_t length = s.how & 128 ? s.size % (PAYLOAD_MAX + 1) : s.size % 80;
  draw(payload, length, s.value);
  uint8_t type = (uint8_t)(s.value >> 24);
  if (s.how & 64 && length >= 8) {
    put_word(payload, s.value & 0xffff);
    put_word(payload + 4, s.value & 0xff);
  }
  /* Commands that are judged by what they hold have steps of their own. */
  if (type == FILL || type == WRITE) return;
  world_ask(world, type, payload, length);
}

static void do_question(struct world* world, struct step_bytes s) {
  uint8_t payload[8] = {0};
  put_word(payload, s.value);
  if (s.how & 1) world_ask(world, HELLO, payload, s.how & 2 ? s.size % 8 : 4);
  else if (s.how & 4) world_ask(world, s.how & 8 ? INFO : VALUE, payload, s.size % 5);
  else if (s.how & 16) {
    put_word(payload, bend(s.how >> 5, s.how & 8 ? 5 : 0, 1, s.value));
    world_ask(world, SELFTEST, payload, 4);
  } else {
    put_word(payload, s.value % 4);
    world_ask(world, PAGE, payload, s.how & 2 ? s.size % 8 : 4);
  }
}

/* What happens to the device. */

static void do_cut(struct world* world, struct step_bytes s) {
  uint32_t call = 1 + s.size % (s.how & 64 ? 600 : 40);
  world->machine.cut = (struct cut){call, ANY_CALL, s.how % MOMENTS, s.how & 16, s.value % TEARS};
  if (s.how & 32) world->machine.cut.name = s.value >> 8 & 1 ? NOR_PROGRAM : s.value >> 9 & 1 ? NOR_ERASE : TRANSMIT;
}

static void do_power(struct world* world, struct step_bytes s) {
  world->machine.power = POWER_OFF;
  uint32_t traps = s.how & 1 ? s.value % 4 : 0;
  if (traps) world->known.disturbed = true;
  world_wake(world, traps);
}

/** The supply is low now, or from some call on, or well again. */
static void do_supply(struct world* world, struct step_bytes s) {
  struct machine* machine = &world->machine;
  machine->supply_low = s.how & 1;
  machine->supply_falls = s.how & 2 ? machine->calls + s.size % 64 : 0;
  world->known.disturbed = true;
}

/** A sector, the bus, or one of the next programs and erases goes wrong; or all sectors are well again. */
static void do_fault(struct world* world, struct step_bytes s) {
  struct flash* flash = &world->machine.flash;
  if (s.how & 128) {
    flash->mishap_in = 1 + s.size % 24;
    flash->mishap = s.how % FAULTS;
  } else if (s.how & 64) {
    flash->bus = s.how % 3;
  } else if (s.how & 32) {
    enum fault fault = s.how & 16 ? s.how % FAULTS : FAULT_NONE;
    for (uint32_t sector = 0; sector < flash->sectors; sector++) flash->state[sector].fault = fault;
  } else {
    flash->state[(s.how & 16 ? s.size % 6 : s.size) % flash->sectors].fault = s.how % FAULTS;
  }
  world->known.disturbed = true;
}

/** Where the newest whole record lies: the one with the highest sequence. */
static uint32_t newest_record(const struct flash* flash) {
  uint32_t newest = 0, sequence = 0;
  uint32_t end = (flash->sectors >= 256 ? 16u : 4u) * FLASH_SECTOR;
  for (uint32_t at = 0; at < end; at += RECORD_SIZE) {
    const uint8_t* record = flash->bytes + at;
    if (memcmp(record, "TPJ1", 4) || crc32(record, RECORD_SIZE - 4) != word_at(record + RECORD_SIZE - 4)) continue;
    if (word_at(record + 4) < sequence) continue;
    sequence = word_at(record + 4);
    newest = at;
  }
  return newest;
}

/** Where the three pages of an identity copy lie. */
static uint32_t identity_page(const struct flash* flash, uint32_t number) {
  uint32_t base = (flash->sectors >= 256 ? 16u : 4u) * FLASH_SECTOR;
  uint32_t copy = (flash->sectors >= 256 ? 8u : 1u) * FLASH_SECTOR;
  return base + number / 3 % 2 * copy + number % 3 * FLASH_PAGE;
}

/** Puts bytes on the chip; where pad was, it is another pad now. */
static void put(struct world* world, uint32_t address, const uint8_t* bytes, uint32_t length) {
  struct flash* flash = &world->machine.flash;
  uint32_t base = pad_base(world), offset = address - base, end = offset + length;
  bool inside = address >= base && end <= world->known.shape.length && end <= PAD_MAX;
  bool fresh = inside && memcmp(flash->bytes + address, world->pad + offset, length) == 0;
  flash_put(flash, address, bytes, length);
  if (fresh) world_write(world, offset, bytes, length);
}

/** A bit of the chip changes by itself: in the newest record, in an identity, or in the pad. */
static void do_flip(struct world* world, struct step_bytes s) {
  const struct flash* flash = &world->machine.flash;
  if (world->known.flipped == FLIPS_MAX) return;
  world->known.flipped++;
  uint32_t address = s.value % (flash->sectors * FLASH_SECTOR);
  if (s.how & 1) address = newest_record(flash) + s.value % RECORD_SIZE;
  else if (s.how & 2) address = identity_page(flash, s.value >> 16) + s.value % FLASH_PAGE;
  uint8_t byte = flash->bytes[address] ^ (uint8_t)(1u << (s.size & 7));
  put(world, address, &byte, 1);
}

/** Cells of the pad that hold one byte, as if they were never filled: where the next box or slot lies. */
static void do_smear(struct world* world, struct step_bytes s) {
  const struct shape* shape = &world->known.shape;
  const struct marks* marks = &world->known.marks;
  if (!shape->length || marks->state != ACTIVE || world->known.forged) return;
  enum side side = s.how & 1 ? shape->side : other_side(shape);
  enum direction direction = s.how & 1 ? sealing(shape) : opposite(shape);
  uint32_t slot = s.how & 1 ? marks->next_slot : world->known.twin_slot;
  uint32_t offset = offset_at(shape, direction, marks->used[direction], 64) + s.size % 64;
  if (s.how & 2 && slot < slots_of(shape, side)) offset = slot_at(shape, side, slot) + s.size % SLOT_SIZE;
  uint8_t bytes[SMEAR];
  memset(bytes, (int)(s.value & 0xff), sizeof bytes);
  if (offset > shape->length || sizeof bytes > shape->length - offset) return;
  /* What is burned stays so: it may not come back. */
  uint32_t address = pad_base(world) + offset;
  if (memcmp(world->machine.flash.bytes + address, world->pad + offset, SMEAR)) return;
  put(world, address, bytes, sizeof bytes);
}

/** A record or an identity page with one number changed and its checksum made right: what no core wrote. */
static void do_forge(struct world* world, struct step_bytes s) {
  const struct flash* flash = &world->machine.flash;
  uint32_t size = s.how & 1 ? RECORD_SIZE : FLASH_PAGE;
  uint32_t address = s.how & 1 ? newest_record(flash) : identity_page(flash, s.how >> 1 & 7);
  uint8_t bytes[FLASH_PAGE];
  memcpy(bytes, flash->bytes + address, size);
  uint32_t at = s.size % 64 * 4 % (size - 4);
  if (s.size & 64) put_word(bytes + at, bend(word_at(bytes + at), s.size >> 7, 64, s.value));
  else bytes[at + (s.size >> 7 & 3)] = (uint8_t)s.value;
  put_word(bytes + size - 4, crc32(bytes, size - 4));
  if (s.how & 16) address += RECORD_SIZE;
  if (address + size <= pad_base(world)) put(world, address, bytes, size);
  world->known.forged = true;
  do_power(world, (struct step_bytes){0, 0, 0, 0});
}

static void do_step(struct world* world, struct step_bytes s) {
  switch (s.what % 28) {
    case 0: do_noise(world, s); break;
    case 1: do_bad_frame(world, s); break;
    case 2: do_any(world, s); break;
    case 3: do_question(world, s); break;
    case 4: world_repeat(world); break;
    case 5: do_fill(world, s); break;
    case 6: do_write(world, s); break;
    case 7: do_commit(world, s); break;
    case 8: world_work(world, s.size % 64); break;
    case 9: do_begin(world, s); break;
    case 10: case 11: do_seal(world, s); break;
    case 12: do_exhaust(world, s); break;
    case 13: do_raise(world, s); break;
    case 14: do_find(world, s); break;
    case 15: case 16: do_open(world, s); break;
    case 17: do_release(world, s); break;
    case 18: do_release_slot(world, s); break;
    case 19: do_call(world, s); break;
    case 20: do_ready(world, s); break;
    case 21: do_state(world, s); break;
    case 22: do_cut(world, s); break;
    case 23: do_power(world, s); break;
    case 24: do_supply(world, s); break;
    case 25: s.how & 8 ? do_flip(world, s) : do_fault(world, s); break;
    case 26: s.how & 8 ? do_smear(world, s) : (void)(world->machine.button = s.how % 3); break;
    case 27: do_forge(world, s); break;
  }
}

void step(struct world* world, const uint8_t bytes[STEP_SIZE]) {
  do_step(world, (struct step_bytes){bytes[0], bytes[1], bytes[2] | (uint32_t)bytes[3] << 8, word_at(bytes + 4)});
  if (world->machine.power != POWER_ON) world_wake(world, 0);
  while (!world_look(world)) world_wake(world, 0);
}
