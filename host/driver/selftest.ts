// What a device that holds no pad is worth before it gets one: its chip is erased, programmed and burned once in a sector that
// nothing depends on, its times are held against the data sheet, and its supply, its button and its line are looked at. The
// findings are numbers and a verdict each, so that one report says what is wrong with a board that nobody here can touch.

import {
  type BodyFacts,
  type ChipFindings,
  type ChipStep,
  commands,
  type DeviceBody,
  type Info,
  isDeviceError,
  type Section,
} from "../protocol/index.ts";
import { sleep } from "./clock.ts";
import type { Device } from "./device.ts";
import { DriverError } from "./errors.ts";

/** `untried`: there is nothing to try, or nobody who did it. */
export type Verdict = "good" | "bad" | "untried";

/** One thing that was tried, in the order in which it was. */
export interface Trial {
  readonly name: "starts" | "core" | "chip" | "supply" | "erase" | "program" | "zero" | "re-erase" | "button" | "line";
  readonly verdict: Verdict;
  /** What was found, in one sentence. */
  readonly found: string;
  /** What to do; null where nothing needs to be done. */
  readonly advice: string | null;
  /** The numbers behind it; times of the chip in microseconds, of the line in milliseconds. */
  readonly numbers?: ChipFindings | RoundTrips | Starts;
}

/** How the device came up (INFO). */
export interface Starts {
  /** Starts since its chip was blank; null for a faulty device, which does not say. */
  readonly boots: number | null;
  /** How often the core trapped, or the watchdog ran out, since power-on. */
  readonly traps: number;
  /** Why it last did, as SPEC section 12 numbers it; 0 when it never did. */
  readonly trapReason: number;
}

/** How long HELLO took there and back, in milliseconds. */
export interface RoundTrips {
  readonly count: number;
  readonly least: number;
  readonly median: number;
  readonly most: number;
}

export interface SelfTest {
  /** The version that the core says it has. */
  readonly core: string;
  readonly body: DeviceBody;
  readonly chip: Omit<BodyFacts, "body" | "supplyOk"> & { readonly name: string | null };
  readonly trials: readonly Trial[];
  /** Bad when one trial is. */
  readonly verdict: "good" | "bad";
}

interface Times {
  readonly typical: number;
  readonly most: number;
}

interface Sheet {
  readonly name: string;
  readonly program: Times;
  readonly erase: Times;
}

/** W25Q-JV data sheets, AC characteristics: tPP of a page and tSE of 4 KiB, in microseconds; the same for these chips. */
const JV = { program: { typical: 400, most: 3000 }, erase: { typical: 45_000, most: 400_000 } };
/** By JEDEC id. */
const SHEETS: Readonly<Record<string, Sheet>> = {
  ef4015: { name: "W25Q16JV", ...JV },
  ef7015: { name: "W25Q16JV-IM", ...JV },
  ef4016: { name: "W25Q32JV", ...JV },
  ef4017: { name: "W25Q64JV", ...JV },
  ef4018: { name: "W25Q128JV", ...JV },
  ef7018: { name: "W25Q128JV-IM", ...JV },
};

/** Of what is typical: a body looks at its chip now and then, and finds it ready a little late. */
const TYPICAL = 1.1;
const ROUND_TRIPS = 20;
const BUTTON_SECONDS = 10;
const LOOK_MS = 200;
const SECTOR_BITS = 32_768;
const PAGES = 16;

const CHIP_ADVICE =
  "Check the chip's wires, its supply, and that /CS, /WP and /HOLD are pulled up; plug the device in again and repeat this. If it stays, take another chip.";
const SUPPLY_ADVICE = "Use another port or cable, without a hub, and repeat this; check the supply supervisor.";

/**
 * Tries a device that has no pad.
 * @param askForButton asks a person to press the button within the seconds; null to leave the button out
 * @throws DriverError NOT_BLANK for one that has a pad, NO_SELFTEST for a core that knows no such thing, and what a lost device gives
 */
export async function selftest(device: Device, askForButton: ((seconds: number) => void) | null): Promise<SelfTest> {
  const { firmware: core } = await device.hello();
  const info = await device.info();
  const { state, faultySection } = info;
  if (state !== "blank" && state !== "faulty") throw new DriverError("NOT_BLANK", { state });
  const body = await facts(device, core);
  const sheet = SHEETS[body.chipId ?? ""] ?? null;
  const trials = [judgeStarts(info), judgeChip(body, sheet), judgeSupply(body)];
  if (state === "faulty") trials.splice(1, 0, judgeFault(faultySection));
  else {
    trials.push(...(await tryChip(device, sheet)));
    trials.push(await tryButton(device, body, askForButton));
  }
  trials.push(await tryLine(device));
  const { body: name, supplyOk: _, ...chip } = body;
  const verdict = trials.some((trial) => trial.verdict === "bad") ? "bad" : "good";
  return { core, body: name, chip: { ...chip, name: sheet?.name ?? null }, trials, verdict };
}

/** A core without SELFTEST says that it does not know it, or, when it is faulty, that it is. */
async function facts(device: Device, core: string): Promise<BodyFacts> {
  try {
    return await device.request(commands.selftestBody, undefined);
  } catch (error) {
    if (isDeviceError(error, "UNKNOWN_COMMAND") || isDeviceError(error, "FAULTY")) {
      throw new DriverError("NO_SELFTEST", { core }, error);
    }
    throw error;
  }
}

function good(name: Trial["name"], found: string): Trial {
  return { name, verdict: "good", found, advice: null };
}

function bad(name: Trial["name"], found: string, advice: string): Trial {
  return { name, verdict: "bad", found, advice };
}

function untried(name: Trial["name"], found: string): Trial {
  return { name, verdict: "untried", found, advice: null };
}

/** SPEC section 12. */
const TRAPS: Readonly<Record<number, string>> = {
  ...{ 1: "unreachable", 2: "memory out of bounds", 3: "division by zero", 4: "overflow", 5: "conversion", 6: "stack" },
  255: "another, such as a watchdog that ran out",
};

function judgeStarts({ state, bootEpoch, traps, trapReason }: Info): Trial {
  const numbers: Starts = { boots: state === "faulty" ? null : bootEpoch, traps, trapReason };
  const count = numbers.boots === null ? "how often it started is not known" : `start ${numbers.boots} of this chip`;
  if (traps === 0) return { ...good("starts", `${count}, no trap since power-on`), numbers };
  const why = `the last for reason ${trapReason} (${TRAPS[trapReason] ?? "not in the specification"})`;
  const found = `${count}, ${traps} ${traps === 1 ? "trap" : "traps"} since power-on, ${why}`;
  return {
    ...bad("starts", found, "Plug the device in again and repeat this. If it traps again, send this report."),
    numbers,
  };
}

function judgeFault(section: Section): Trial {
  return bad(
    "core",
    `faulty: its section "${section}" cannot be trusted; the chip was not tried`,
    FAULT_ADVICE[section],
  );
}

const REPLACED = "Erase the whole chip from outside and repeat this; whatever pad was on it is lost.";
const FAULT_ADVICE: Readonly<Record<Section, string>> = {
  ...{ none: CHIP_ADVICE, unknown: CHIP_ADVICE, chip: CHIP_ADVICE, supply: SUPPLY_ADVICE },
  ...{ journal: REPLACED, identity: REPLACED, connection: REPLACED, encryption: REPLACED, pad: REPLACED },
  core: "Plug the device in again and repeat this; if it stays, flash it again and send this report.",
};

function judgeChip({ body, chipId, chipSize, burnUnit, overprogram }: BodyFacts, sheet: Sheet | null): Trial {
  const onBoard = body === "pico" || body === "pico-bare";
  if (onBoard && (chipId === null || chipId === "ffffff")) {
    return bad("chip", "nothing answers where the chip should be", CHIP_ADVICE);
  }
  const name =
    chipId === null ? "no chip to ask for its id" : `${sheet?.name ?? "not a chip that is known here"}, id ${chipId}`;
  const found = `${name}, ${chipSize.toLocaleString("en-US")} bytes for the device, burned by ${burnUnit}`;
  if (onBoard && chipSize === 0) {
    return bad("chip", `${found}; the firmware cannot use it`, `Take a W25Q128JV. If this is one: ${CHIP_ADVICE}`);
  }
  if (overprogram) return good("chip", found);
  return bad(
    "chip",
    `${found}; used bytes cannot be destroyed on it`,
    "Take a chip without error correction of its own, such as a W25Q128JV.",
  );
}

function judgeSupply({ body, supplyOk }: BodyFacts): Trial {
  if (!supplyOk) return bad("supply", "too low to change the flash", SUPPLY_ADVICE);
  if (body === "pico-bare") return untried("supply", "nothing on this board watches it");
  return good("supply", "well");
}

const STEPS: readonly { readonly name: Trial["name"]; readonly step: ChipStep }[] = [
  { name: "erase", step: "erase" },
  { name: "program", step: "program" },
  { name: "zero", step: "zero" },
  { name: "re-erase", step: "erase" },
];

async function tryChip(device: Device, sheet: Sheet | null): Promise<Trial[]> {
  const trials: Trial[] = [];
  for (const { name, step } of STEPS) {
    try {
      const findings = await device.request(commands.selftestChip, { step });
      trials.push({ ...judgeStep(name, step, findings, sheet), numbers: findings });
    } catch (error) {
      if (!isDeviceError(error, "SUPPLY_LOW")) throw error;
      trials.push(bad(name, "the supply was too low for it", SUPPLY_ADVICE));
    }
  }
  return trials;
}

function judgeStep(name: Trial["name"], step: ChipStep, findings: ChipFindings, sheet: Sheet | null): Trial {
  const { operations, status, leastUs, mostUs, sumUs, wrongBits, readUs } = findings;
  const mean = sumUs / operations;
  const each =
    operations === 1 ? `${ms(mean)} ms` : `${operations} pages, ${ms(mean)} ms each (${ms(leastUs)} to ${ms(mostUs)})`;
  const found = `${each}; read back in ${ms(readUs)} ms`;
  if (status !== 0)
    return bad(name, `refused or timed out at operation ${operations}, after ${ms(mostUs)} ms`, CHIP_ADVICE);
  if (wrongBits > 0) return bad(name, `${found}; ${wrongBits} of ${SECTOR_BITS} bits are wrong`, CHIP_ADVICE);
  if (sheet === null) return good(name, found);
  // Of what a program takes, its bytes are on the way to the chip for about as long as others are when they are read.
  const onTheWay = step === "erase" ? 0 : readUs / PAGES;
  const { typical, most } = step === "erase" ? sheet.erase : sheet.program;
  const limits = `its data sheet says ${ms(typical)}, at most ${ms(most)}`;
  if (mostUs - onTheWay > most) return bad(name, `${found}; slower than ${limits}`, CHIP_ADVICE);
  return good(name, `${found}; ${mean - onTheWay > TYPICAL * typical ? "slower than typical" : "typical"}: ${limits}`);
}

/** Microseconds in milliseconds, with two digits behind the point where these say something. */
function ms(us: number): string {
  return (us / 1000).toFixed(us < 100_000 ? 2 : 0);
}

async function tryButton(
  device: Device,
  { body }: BodyFacts,
  askForButton: ((seconds: number) => void) | null,
): Promise<Trial> {
  if (body === "pico-bare") return untried("button", "there is none: what is above the owner's limit is refused");
  if (askForButton === null) return untried("button", "left out");
  await device.request(commands.selftestButton, undefined); // A press from before the question does not count.
  askForButton(BUTTON_SECONDS);
  for (let waited = 0; waited < BUTTON_SECONDS * 1000; waited += LOOK_MS) {
    const look = await device.request(commands.selftestButton, undefined);
    if (look !== "none") return good("button", look);
    await sleep(device.clock, LOOK_MS);
  }
  return untried("button", `not pressed within ${BUTTON_SECONDS} seconds`);
}

async function tryLine(device: Device): Promise<Trial> {
  const times: number[] = [];
  for (let trip = 0; trip < ROUND_TRIPS; trip++) {
    const began = performance.now();
    await device.hello();
    times.push(Math.round((performance.now() - began) * 100) / 100);
  }
  times.sort((a, b) => a - b);
  const [least, median, most] = [times[0]!, times[ROUND_TRIPS / 2]!, times.at(-1)!];
  const found = `${ROUND_TRIPS} round trips of ${least.toFixed(1)} to ${most.toFixed(1)} ms, half of them within ${median.toFixed(1)}`;
  return { ...good("line", found), numbers: { count: ROUND_TRIPS, least, median, most } };
}
