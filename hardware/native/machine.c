/* The body's side of the core's calls. See machine.h. */
#include "machine.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "body.h"
#include "hal.h"
#include "wasm-rt.h"

/** Traps after which a boot that traps again has no way out. */
#define TRAPS_MAX 3u
/** What unwinds the core when the power goes; traps are 1 to 255. */
#define CUT 256

/** Typical times of a W25Q128JV in microseconds (data sheet, AC characteristics). */
#define PROGRAM_US 400u
#define ERASE_SECTOR_US 45000u
#define ERASE_BLOCK_US 150000u
/** No program takes as long as the one before; a mask. */
#define JITTER_US 63u
/** A byte at 20.8 MHz, in 1/256 microseconds. */
#define READ_BYTE 98u

/** The machine that is awake, and where it goes when the core has to stop. */
static struct machine* awake;
static jmp_buf stop;

/* Running the core. */

enum entry { BOOT, RECEIVE, POLL };

/** Runs one entry of the core. 0, the reason of a trap, or CUT. */
static int run(struct machine* machine, enum entry entry, const uint8_t* bytes, uint32_t first, uint32_t second) {
  awake = machine;
  int stopped = setjmp(stop);
  if (stopped) return stopped;
  if (entry == BOOT) body_boot(first, second);
  if (entry == RECEIVE) body_receive(bytes, first);
  if (entry == POLL) machine->more = body_poll();
  return 0;
}

/** Boots until the core serves, the power goes, or nothing helps. */
static bool boot(struct machine* machine, uint32_t reason) {
  for (;;) {
    flash_boot(&machine->flash);
    machine->power = POWER_ON;
    machine->more = false;
    int stopped = run(machine, BOOT, NULL, machine->traps, reason);
    if (stopped == 0) return true;
    if (stopped == CUT) return false;
    if (machine->traps >= TRAPS_MAX) {
      machine->power = POWER_DEAD;
      return false;
    }
    machine->traps++;
    reason = (uint32_t)stopped;
  }
}

/** True when the core goes on; after a trap it was booted again and what it did is over. */
static bool survive(struct machine* machine, int stopped) {
  if (stopped == 0) return true;
  if (stopped == CUT) return false;
  machine->traps++;
  boot(machine, (uint32_t)stopped);
  return false;
}

void machine_open(struct machine* machine, uint32_t sectors, uint32_t burn_unit, uint64_t seed, const char* path) {
  memset(machine, 0, sizeof *machine);
  flash_open(&machine->flash, sectors, seed, path);
  machine->burn_unit = burn_unit;
  machine->overprogram = true;
  machine->large_erase = true;
}

void machine_close(struct machine* machine) { flash_close(&machine->flash); }

bool machine_start(struct machine* machine, uint32_t traps) {
  machine->traps = traps;
  return boot(machine, 0);
}

void machine_pump(struct machine* machine, uint32_t polls) {
  machine->more = machine->power == POWER_ON;
  while (polls-- && machine->more && machine->power == POWER_ON)
    if (!survive(machine, run(machine, POLL, NULL, 0, 0))) break;
  if (machine->power != POWER_ON) machine->more = false;
}

void machine_feed(struct machine* machine, const uint8_t* bytes, uint32_t length) {
  for (uint32_t done = 0; done < length && machine->power == POWER_ON; done += BODY_WINDOW) {
    uint32_t count = length - done < BODY_WINDOW ? length - done : BODY_WINDOW;
    if (!survive(machine, run(machine, RECEIVE, bytes + done, count, 0))) break;
    machine_pump(machine, 1);
  }
}

const uint8_t* core_statics(void) { return core_memory; }

void machine_put_back(struct machine* machine, enum power power, uint32_t traps, const uint8_t* statics, uint32_t length) {
  if (length != CORE_STATICS) panic("the core keeps %u bytes, not %u", CORE_STATICS, length);
  memcpy(core_memory, statics, length);
  memset(core_memory + length, 0, CORE_PAGE - length);
  machine->power = power;
  machine->traps = traps;
  machine->cut.call = 0;
}

bool core_kept_statics(void) {
  uint64_t some = 0, word;
  for (uint32_t at = CORE_STATICS; at < CORE_PAGE; at += sizeof word) {
    memcpy(&word, core_memory + at, sizeof word);
    some |= word;
  }
  return some == 0;
}

/* Cuts. */

static _Noreturn void leave(bool reset) {
  awake->power = reset ? POWER_HELD : POWER_OFF;
  awake->more = false;
  awake->cut.call = 0;
  longjmp(stop, CUT);
}

/** Counts a call, and cuts before it when that is due. True when a cut is due in its middle. */
static bool before(enum call name) {
  struct cut* cut = &awake->cut;
  awake->calls++;
  if (!cut->call || (cut->name != ANY_CALL && cut->name != name) || --cut->call) return false;
  if (cut->when == MOMENT_BEFORE) leave(cut->reset);
  bool divisible = name == NOR_PROGRAM || name == NOR_ERASE || name == TRANSMIT;
  if (cut->when == MOMENT_DURING && divisible) return true;
  /* Due behind this call. */
  cut->call = 1;
  cut->name = ANY_CALL;
  cut->when = MOMENTS;
  return false;
}

static void after(void) {
  if (awake->cut.call && awake->cut.when == MOMENTS) leave(awake->cut.reset);
}

/* The calls. */

void hal_trap(uint32_t reason) { longjmp(stop, (int)reason); }

uint32_t hal_nor_geometry(uint32_t what) {
  before(NOR_GEOMETRY);
  uint32_t answer = 0;
  if (what == GEOMETRY_SECTORS) answer = awake->flash.sectors;
  else if (what == GEOMETRY_OVERPROGRAM) answer = awake->overprogram;
  else if (what == GEOMETRY_BURN_UNIT) answer = awake->burn_unit;
  else if (what == GEOMETRY_BLOCK) answer = awake->large_erase;
  else if (what == GEOMETRY_BODY) answer = BODY_NATIVE;
  else if (what != GEOMETRY_CHIP) panic("norGeometry has no answer for %u", what);
  after();
  return answer;
}

void hal_nor_read(uint32_t address, uint8_t* into, uint32_t length) {
  before(NOR_READ);
  flash_read(&awake->flash, address, into, length);
  awake->clock += (length + 5) * READ_BYTE / 256;
  after();
}

uint32_t hal_nor_program(uint32_t address, const uint8_t* from, uint32_t length) {
  if (before(NOR_PROGRAM)) {
    if (awake->cut.reset) flash_program(&awake->flash, address, from, length);
    else flash_tear_program(&awake->flash, address, from, length, awake->cut.tear);
    leave(awake->cut.reset);
  }
  uint32_t status = flash_program(&awake->flash, address, from, length);
  awake->clock += PROGRAM_US + (uint32_t)(awake->flash.random & JITTER_US);
  after();
  return status;
}

uint32_t hal_nor_erase(uint32_t address, uint32_t size) {
  if (before(NOR_ERASE)) {
    if (awake->cut.reset) flash_erase(&awake->flash, address, size);
    else flash_tear_erase(&awake->flash, address, size, awake->cut.tear);
    leave(awake->cut.reset);
  }
  uint32_t status = flash_erase(&awake->flash, address, size);
  awake->clock += size == FLASH_SECTOR ? ERASE_SECTOR_US : ERASE_BLOCK_US;
  after();
  return status;
}

static void send(const uint8_t* from, uint32_t length) {
  if (length > SENT_MAX - awake->sent_length) panic("nobody takes what the core sends");
  memcpy(awake->sent + awake->sent_length, from, length);
  awake->sent_length += length;
}

/** How much of a transmit is out when the power goes. */
static uint32_t prefix(uint32_t length, enum tear tear) {
  if (tear == TEAR_WHOLE) return length;
  if (tear == TEAR_FIRST_HALF) return length / 2;
  if (tear == TEAR_LAST_BITS) return length - 1;
  return tear == TEAR_RANDOM ? flash_draw(&awake->flash) % (length + 1) : 0;
}

void hal_transmit(const uint8_t* from, uint32_t length) {
  bool torn = before(TRANSMIT);
  flash_sync(&awake->flash);
  if (torn) {
    send(from, prefix(length, awake->cut.tear));
    leave(awake->cut.reset);
  }
  send(from, length);
  after();
}

void hal_entropy(uint8_t* into, uint32_t length) {
  before(ENTROPY);
  if (awake->entropy_length) {
    for (uint32_t i = 0; i < length; i++) into[i] = awake->entropy[awake->entropy_next++ % awake->entropy_length];
  } else if (getrandom(into, length, 0) != (ssize_t)length) {
    panic("the system gives no entropy");
  }
  after();
}

uint32_t hal_button(void) {
  before(BUTTON);
  uint32_t found = awake->button;
  if (!awake->button_stays) awake->button = BUTTON_NONE;
  after();
  return found;
}

uint32_t hal_supply_ok(void) {
  before(SUPPLY_OK);
  if (awake->supply_falls && awake->calls >= awake->supply_falls) awake->supply_low = true;
  after();
  return !awake->supply_low;
}

uint32_t hal_ticks(void) {
  before(TICKS);
  after();
  return awake->clock;
}
