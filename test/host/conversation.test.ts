// Two people talk while the power of both devices comes and goes at random: what was sealed is read, whole and once.

import { randomInt } from "node:crypto";
import { describe, expect, it } from "vitest";
import { isDeviceError, openBundle, openDevice, sealRun, type TextSink } from "../../host/driver/index.ts";
import { type Machine, Random } from "../../simulator/index.ts";
import { fastClock, makePair, plugRestarting, plugVanishing, scratchOutbox, talkTo } from "./pair.ts";

const seed = Number(process.env.SEED ?? randomInt(2 ** 32));

describe("a conversation", () => {
  it(`goes on through any number of restarts (SEED=${seed})`, async () => {
    const random = new Random(seed);
    const pair = await makePair(128);
    const outbox = await scratchOutbox();
    const machines = [pair.low, pair.high] as const;
    let said = 0;

    const unsteady = async (machine: Machine) => {
      machine.disarm();
      const device = await openDevice(random.below(2) === 0 ? plugRestarting(machine) : plugVanishing(machine), {
        clock: fastClock,
      });
      await device.info();
      const cut = () => {
        const when = (["before", "during", "after"] as const)[random.below(3)]!;
        machine.cutAt({
          call: 3 + random.below(300),
          when,
          kind: random.below(2) === 0 ? "power" : "reset",
          tear: "random",
        });
      };
      if (random.below(2) === 0) cut();
      return { device, cut };
    };

    for (let round = 0; round < 60; round++) {
      const speaker = random.below(2);
      const text = new Uint8Array(random.below(4) === 0 ? random.below(20_000) : random.below(300));
      random.fill(text);
      const from = await unsteady(machines[speaker]!);
      const sealed = await sealRun(from.device, text, outbox, {
        ...(speaker === 1 && random.below(8) === 0 ? { grant: random.below(5000) } : {}),
        onProgress: () => random.below(2) === 0 && from.cut(),
      }).catch((error: unknown) => error);
      if (isDeviceError(sealed, "NEED_GRANT") || isDeviceError(sealed, "EXHAUSTED")) continue;
      if (sealed instanceof Error) throw sealed;
      const { id } = sealed as Awaited<ReturnType<typeof sealRun>>;

      const to = await unsteady(machines[1 - speaker]!);
      const read: Uint8Array[] = [];
      const sink: TextSink = {
        write: async (part) => void read.push(part),
        finish: async () => {},
        abort: async () => {},
      };
      const opened = await openBundle(to.device, outbox.read(id), sink, {
        onProgress: () => random.below(3) === 0 && to.cut(),
      });
      expect(opened).toMatchObject({ alreadyDelivered: false, textBytes: text.length });
      expect(Buffer.compare(Buffer.concat(read), text)).toBe(0);
      await outbox.remove(id);
      said++;
    }

    expect(said).toBeGreaterThan(20);
    const infos = [];
    for (const machine of machines) {
      machine.disarm();
      if (machine.state !== "on") machine.powerOn();
      infos.push(await (await talkTo(machine)).info());
    }
    const [low, high] = infos;
    // A sealer may have used bytes at the end that it never sent, the opener counts what it released.
    expect(low!.up.used).toBeGreaterThanOrEqual(high!.up.used);
    expect(high!.down.used).toBeGreaterThanOrEqual(low!.down.used);
    expect(low!.split).toBeLessThanOrEqual(high!.split);
    expect(low!.bootEpoch + high!.bootEpoch).toBeGreaterThan(5);
  });
});
