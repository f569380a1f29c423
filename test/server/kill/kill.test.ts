// SIGKILL for a server that has work in its hands.

import { expect, it } from "vitest";
import { killServers } from "./kills.ts";

const KILLS = 12;

it("a server that is killed with boxes in flight loses nothing that it acknowledged, and charges nothing twice", async () => {
  const { failures, kills, betweenWriteAndAnswer, leastInFlight, acknowledged } = await killServers(KILLS, 1);
  expect(failures).toEqual([]);
  expect(leastInFlight).toBeGreaterThanOrEqual(8);
  expect(betweenWriteAndAnswer / kills).toBeGreaterThanOrEqual(0.3);
  expect(acknowledged).toBeGreaterThan(KILLS * 8);
  console.log(
    `${kills} kills, ${betweenWriteAndAnswer} between the first write and the answer, ${acknowledged} acknowledged`,
  );
});
