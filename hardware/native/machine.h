/*
 * A whole device in a program of this machine: the translated core, a strict chip, a line that is a buffer, and a hand on the power.
 *
 * What SPEC section 12 calls the body: HAL calls block until they are done, nothing leaves after the power is gone, a trap resets the
 * core and tells it why. The power can be cut before, during or after any HAL call.
 *
 * The core's memory is one for the program (hardware/core/body.c), so one machine is awake at a time: the one that was used last.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "flash.h"

/** The core keeps its whole state below this address of its memory. */
#define CORE_STATICS (24u * 1024u)
/** Most bytes of what the core sent that are kept until somebody takes them; what comes behind ends the program. */
#define SENT_MAX (256u * 1024u)
#define ENTROPY_MAX 64u

/** The calls of the core to its body, in the order of SPEC section 12. */
enum call { NOR_GEOMETRY, NOR_READ, NOR_PROGRAM, NOR_ERASE, TRANSMIT, ENTROPY, BUTTON, SUPPLY_OK, TICKS, ANY_CALL = 255 };

/** `POWER_HELD`: power on, the controller in reset. `POWER_DEAD`: the core traps at boot, and only a power cycle helps. */
enum power { POWER_OFF, POWER_HELD, POWER_ON, POWER_DEAD };

enum moment { MOMENT_BEFORE, MOMENT_DURING, MOMENT_AFTER, MOMENTS };

/** An appointment: at the `call`-th call from now, the next one being 1. */
struct cut {
  /** 0: no cut is armed. */
  uint32_t call;
  /** Counts calls of this name only, or of every name. */
  enum call name;
  /** Only program, erase and transmit have a middle; with another call it is the end. */
  enum moment when;
  /** The controller is reset, and the chip completes its command. Otherwise everything stops. */
  bool reset;
  /** What is left of a program or erase; of a transmit, how much of it left. */
  enum tear tear;
};

struct machine {
  struct flash flash;
  enum power power;
  /** Traps since power-on. */
  uint32_t traps;
  /** What the core is told of the chip. */
  uint32_t burn_unit;
  bool overprogram;
  bool large_erase;
  /** What the next look at the button finds: once, or as long as it stays so. */
  uint32_t button;
  bool button_stays;
  bool supply_low;
  /** The HAL call, counted from the first, from which on the supply is low; 0 for none. */
  uint64_t supply_falls;
  /** What the core gets for entropy, over and over; none: the system's. For tests that replay, never for a pad. */
  uint8_t entropy[ENTROPY_MAX];
  uint32_t entropy_length;
  uint32_t entropy_next;
  /** What the calls took so far, in microseconds of the data sheet. */
  uint32_t clock;
  struct cut cut;
  /** HAL calls so far. */
  uint64_t calls;
  /** Whether the last poll had more to do. */
  bool more;
  uint32_t sent_length;
  uint8_t sent[SENT_MAX];
};

/** A device without power around the chip that `flash_open` gives for the rest. */
void machine_open(struct machine* machine, uint32_t sectors, uint32_t burn_unit, uint64_t seed, const char* path);

/** Lets go of the chip. */
void machine_close(struct machine* machine);

/** Boots, as after so many traps since power-on. True when the core serves. */
bool machine_start(struct machine* machine, uint32_t traps);

/** Hands bytes to the core as the line would: at most a window at a time, one poll after each. What comes without power is lost. */
void machine_feed(struct machine* machine, const uint8_t* bytes, uint32_t length);

/** At most `polls` steps of background work. */
void machine_pump(struct machine* machine, uint32_t polls);

/** The state of the core: `CORE_STATICS` bytes. */
const uint8_t* core_statics(void);

/** Puts the core back to an earlier state, as nothing but a test may. The chip is the caller's. */
void machine_put_back(struct machine* machine, enum power power, uint32_t traps, const uint8_t* statics, uint32_t length);

/** Whether the core kept to its statics: everything above them is zero. */
bool core_kept_statics(void);

#endif
