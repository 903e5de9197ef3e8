// Questions and later answers while the whole server is killed again and again: what was acknowledged is what the run has,
// no question has two answers, the agent of a committed 202 is not called again, and the inbox has no question of a run
// that has ended. `WAIT_KILLS` says how many kills.
import { expect, test } from "vitest";
import { sizeOf } from "../../support/sizes.ts";
import { waitKillLoop } from "./loop.ts";

const KILLS = sizeOf("WAIT_KILLS");

test(
  `${KILLS} kills under questions and callbacks: what was acknowledged is what the runs have`,
  async () => {
    const { faults, ...report } = await waitKillLoop(KILLS, 11);
    console.log(JSON.stringify(report));
    expect(faults).toEqual([]);
    expect(report.kills).toBe(KILLS);
    // Each of what is judged has happened.
    const { interrupted, early, callbacks, heartbeats, repeats, inboxMost, runs } = report;
    for (const [name, count] of Object.entries({
      interrupted,
      early,
      callbacks,
      heartbeats,
      repeats,
      inboxMost,
      ...runs,
    }))
      expect(count, name).toBeGreaterThan(0);
  },
  90_000 + KILLS * 5_000,
);
