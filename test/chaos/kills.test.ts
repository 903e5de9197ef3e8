// kill -9 of the whole server under twenty runs, again and again on the same storage. `npm run test:kills -- 500`
// does more of the same.
import { expect, test } from "vitest";
import { sizeOf } from "../support/sizes.ts";
import { AIMS, killLoop } from "./kill-loop.ts";

const KILLS = sizeOf("KILLS");

test(
  `${KILLS} kills: nothing acknowledged is lost, nothing committed is called again, all goes on by itself`,
  async () => {
    const report = await killLoop(KILLS, 20_261_123);
    console.log(JSON.stringify({ histogram: report.histogram, underWay: report.underWay }));
    expect(report.faults).toEqual([]);
    expect(report.kills).toBe(KILLS);
    expect(report.slowestRecoveryMs).toBeLessThan(1_000);
    // The kills fell where they were meant to: no phase went untried.
    for (const phase of AIMS) expect(report.underWay[phase], phase).toBeGreaterThan(0);
  },
  60_000 + KILLS * 4_000,
);
