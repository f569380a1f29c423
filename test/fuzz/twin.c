/* Frames and boxes from SPEC. See twin.h. */
#include "twin.h"

#include <string.h>

uint32_t word_at(const uint8_t* bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

uint64_t long_at(const uint8_t* bytes) {
  uint64_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

void put_word(uint8_t* bytes, uint32_t value) {
  for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(value >> (8 * i));
}

void put_long(uint8_t* bytes, uint64_t value) {
  put_word(bytes, (uint32_t)value);
  put_word(bytes + 4, (uint32_t)(value >> 32));
}

/* Frames. */

uint32_t crc32(const uint8_t* bytes, uint32_t length) {
  static uint32_t table[256];
  if (!table[1]) {
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
      table[i] = value;
    }
  }
  uint32_t sum = 0xffffffffu;
  for (uint32_t i = 0; i < length; i++) sum = sum >> 8 ^ table[(sum ^ bytes[i]) & 255];
  return ~sum;
}

uint32_t stuff(uint8_t* line, const uint8_t* bytes, uint32_t length) {
  uint32_t group = 0;
  uint32_t out = 1;
  for (uint32_t i = 0; i < length; i++) {
    if (bytes[i]) line[out++] = bytes[i];
    bool full = out - group == 255;
    if (bytes[i] && !(full && i + 1 < length)) continue;
    line[group] = (uint8_t)(out - group);
    group = out++;
  }
  line[group] = (uint8_t)(out - group);
  line[out++] = 0;
  return out;
}

uint32_t encode_frame(uint8_t* line, uint8_t type, uint32_t sequence, uint32_t session, const uint8_t* payload,
                      uint32_t length) {
  uint8_t frame[FRAME_MAX] = {type, 0, (uint8_t)length, (uint8_t)(length >> 8)};
  put_word(frame + 4, sequence);
  put_word(frame + 8, session);
  if (length) memcpy(frame + FRAME_HEAD, payload, length);
  put_word(frame + FRAME_HEAD + length, crc32(frame, FRAME_HEAD + length));
  return stuff(line, frame, FRAME_HEAD + length + 4);
}

/** Undoes the stuffing as far as the line goes. Returns the bytes of the line up to and with the ending zero. */
static uint32_t unstuff(struct frame* frame, const uint8_t* line, uint32_t length) {
  uint32_t at = 0;
  while (at < length && line[at]) {
    uint32_t group = line[at++];
    for (uint32_t i = 1; i < group && at < length && line[at]; i++, at++)
      if (frame->length < FRAME_MAX) frame->bytes[frame->length++] = line[at];
    if (group < 255 && at < length && line[at] && frame->length < FRAME_MAX) frame->bytes[frame->length++] = 0;
  }
  frame->whole = at < length;
  return frame->whole ? at + 1 : at;
}

uint32_t decode_frame(struct frame* frame, const uint8_t* line, uint32_t length) {
  frame->length = 0;
  frame->payload_length = 0;
  frame->payload = frame->bytes + FRAME_HEAD;
  uint32_t taken = unstuff(frame, line, length);
  frame->type = frame->length ? frame->bytes[0] : 0;
  frame->sound = false;
  if (frame->length <= FRAME_HEAD) return taken;
  uint32_t stated = frame->bytes[2] | (uint32_t)frame->bytes[3] << 8;
  frame->payload_length = frame->length - FRAME_HEAD;
  if (!frame->whole || frame->payload_length < 4) {
    /* What a cut left may reach into the CRC-32. */
    if (frame->payload_length > stated) frame->payload_length = stated;
    return taken;
  }
  frame->payload_length -= 4;
  frame->sequence = word_at(frame->bytes + 4);
  frame->session = word_at(frame->bytes + 8);
  uint32_t sum = word_at(frame->payload + frame->payload_length);
  bool intact = sum == crc32(frame->bytes, frame->length - 4);
  frame->sound = intact && frame->bytes[1] == 0 && stated == frame->payload_length;
  return taken;
}

/* Boxes. */

/** h := h * r modulo 2^130 - 5, not fully reduced; h in five words, r in four. */
static void multiply(uint32_t h[5], const uint32_t r[4]) {
  uint32_t product[9] = {0};
  for (int i = 0; i < 5; i++) {
    uint64_t carry = 0;
    for (int j = 0; j < 4; j++) {
      carry += product[i + j] + (uint64_t)h[i] * r[j];
      product[i + j] = (uint32_t)carry;
      carry >>= 32;
    }
    product[i + 4] = (uint32_t)carry;
  }
  uint64_t sum = 0;
  for (int i = 0; i < 5; i++) {
    uint32_t low = i < 4 ? product[i] : product[4] & 3;
    uint32_t high = product[i + 4] >> 2 | (i < 4 ? product[i + 5] << 30 : 0);
    sum += low + (uint64_t)high * 5;
    h[i] = (uint32_t)sum;
    sum >>= 32;
  }
}

/** h := h + x, x in four words and one above them. */
static void add(uint32_t h[5], const uint32_t x[4], uint32_t above) {
  uint64_t sum = 0;
  for (int i = 0; i < 5; i++) {
    sum += h[i] + (uint64_t)(i < 4 ? x[i] : above);
    h[i] = (uint32_t)sum;
    sum >>= 32;
  }
}

void poly1305(const uint8_t key[KEY_SIZE], const uint8_t* message, uint32_t length, uint8_t tag[16]) {
  static const uint32_t clamp[4] = {0x0fffffff, 0x0ffffffc, 0x0ffffffc, 0x0ffffffc};
  uint32_t h[5] = {0};
  uint32_t r[4], s[4], block[4];
  for (uint32_t i = 0; i < 4; i++) r[i] = word_at(key + 4 * i) & clamp[i];
  for (uint32_t i = 0; i < 4; i++) s[i] = word_at(key + 16 + 4 * i);
  for (uint32_t at = 0; at < length; at += 16) {
    for (uint32_t i = 0; i < 4; i++) block[i] = word_at(message + at + 4 * i);
    add(h, block, 1);
    multiply(h, r);
  }
  /* Twice, for what the first time left above 2^130. */
  static const uint32_t one[4] = {1, 0, 0, 0};
  multiply(h, one);
  static const uint32_t five[4] = {5, 0, 0, 0};
  uint32_t more[5];
  memcpy(more, h, sizeof more);
  add(more, five, 0);
  if (more[4] >= 4) memcpy(h, more, sizeof more);
  add(h, s, 0);
  for (uint32_t i = 0; i < 4; i++) put_word(tag + 4 * i, h[i]);
}

static void compute_tag(const struct place* place, uint32_t kind, const uint8_t* text, uint32_t n, uint8_t tag[16]) {
  static uint8_t message[32 + TEXT_MAX + 16 + 16];
  uint32_t padded = (n + 15) & ~15u;
  memset(message, 0, 32 + padded + 16);
  message[0] = 1;
  message[1] = (uint8_t)place->direction;
  message[2] = (uint8_t)kind;
  message[4] = (uint8_t)n;
  message[5] = (uint8_t)(n >> 8);
  put_word(message + 8, place->offset);
  memcpy(message + 16, place->pad_id, 16);
  memcpy(message + 32, text, n);
  put_long(message + 32 + padded, 32);
  put_long(message + 32 + padded + 8, n);
  poly1305(place->slice, message, 32 + padded + 16, tag);
}

uint32_t seal_box(uint8_t* item, const struct place* place, uint32_t kind, const uint8_t* text, uint32_t n) {
  put_word(item, n | kind << 16);
  compute_tag(place, kind, text, n, item + 4 + n);
  for (uint32_t i = 0; i < n; i++) item[4 + i] = text[i] ^ place->slice[KEY_SIZE + i];
  return n + BOX_AROUND;
}

bool open_box(const uint8_t* item, uint32_t length, const struct place* place, uint8_t* text) {
  uint8_t tag[16];
  uint32_t n = item[0] | (uint32_t)item[1] << 8;
  if (n > TEXT_MAX || length != n + BOX_AROUND || item[3]) return false;
  for (uint32_t i = 0; i < n; i++) text[i] = item[4 + i] ^ place->slice[KEY_SIZE + i];
  compute_tag(place, item[2], text, n, tag);
  return memcmp(tag, item + 4 + n, 16) == 0;
}
