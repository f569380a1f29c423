/*
 * The other end of a device, for the fuzzer: frames and boxes as docs/SPEC.md has them (sections 2 and 7), written from there in C and in no
 * haste. It shares no line with the core, so what both say alike is right, or SPEC is wrong.
 */
#ifndef TWIN_H
#define TWIN_H

#include <stdbool.h>
#include <stdint.h>

#define PAYLOAD_MAX 4128u
#define FRAME_HEAD 12u
/** Decoded: head, payload, CRC-32. */
#define FRAME_MAX (FRAME_HEAD + PAYLOAD_MAX + 4u)
/** On the line: a group byte for every 254 begun, and the ending zero. */
#define LINE_MAX (FRAME_MAX + FRAME_MAX / 254 + 2u)

#define TEXT_MAX 4096u
#define BOX_AROUND 20u
#define KEY_SIZE 32u

enum direction { UP, DOWN };
enum kind { SLOT, DATA, LAST, OPENING, WELCOME, READY, RECEIPT, GRANT, ADDRESSES, STATE };

/** What of a frame is there: all of it, or as much as left before a cut. */
struct frame {
  uint8_t bytes[FRAME_MAX];
  uint32_t length;
  bool whole;
  /** Of a whole one. */
  bool sound;
  uint8_t type;
  uint32_t sequence;
  uint32_t session;
  const uint8_t* payload;
  uint32_t payload_length;
};

uint32_t word_at(const uint8_t* bytes);
uint64_t long_at(const uint8_t* bytes);
void put_word(uint8_t* bytes, uint32_t value);
void put_long(uint8_t* bytes, uint64_t value);

/** CRC-32 of IEEE 802.3. */
uint32_t crc32(const uint8_t* bytes, uint32_t length);

/** Stuffs `length` bytes with their ending zero into `line`. Returns how many bytes that makes. */
uint32_t stuff(uint8_t* line, const uint8_t* bytes, uint32_t length);

/** A frame with its CRC-32, stuffed. Returns the length on the line. */
uint32_t encode_frame(uint8_t* line, uint8_t type, uint32_t sequence, uint32_t session, const uint8_t* payload,
                      uint32_t length);

/** The frame at the start of what the line brought. Returns how many bytes of the line it takes. */
uint32_t decode_frame(struct frame* frame, const uint8_t* line, uint32_t length);

/** The one-time MAC of whole blocks: RFC 8439 section 2.5. */
void poly1305(const uint8_t key[KEY_SIZE], const uint8_t* message, uint32_t length, uint8_t tag[16]);

/** Where a box lies. */
struct place {
  const uint8_t* pad_id;
  enum direction direction;
  uint32_t offset;
  /** Its slice of the pad. */
  const uint8_t* slice;
};

/** Seals a text; returns the length of the item. */
uint32_t seal_box(uint8_t* item, const struct place* place, uint32_t kind, const uint8_t* text, uint32_t n);

/** Opens an item of `length` bytes into `text` when it is what the other end sealed at this place. */
bool open_box(const uint8_t* item, uint32_t length, const struct place* place, uint8_t* text);

#endif
