// The places at one agent: what is granted, to whom, and what a restart or a changed registration leaves.
import { describe, expect, test } from "vitest";
import type { AgentLimits } from "../../../../src/contract/agent.ts";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { PlaceTable } from "../../../../src/core/resilience/places/place-table.ts";
import { TIMINGS } from "../../../../src/core/timings.ts";

const NOW = 1_800_000_000_000;
const LEASE_MS = 10_000;
const VALID_MS = 100;

function tableWith(limits: AgentLimits): PlaceTable {
  const table = new PlaceTable();
  table.observe(NOW);
  table.adopt(limits, 1);
  return table;
}

let stamp = 0;
function enter(table: PlaceTable, holder: string, given = (stamp += 1), isolate = "i") {
  const ask = { holder, conversation_id: "c", priority: 0, lease_ms: LEASE_MS, valid_ms: VALID_MS };
  return table.enter(ask, { stamp: given, isolate, poll: 1 });
}
const served = (table: PlaceTable, now = NOW) => table.serve(now).map(({ holder }) => holder);

describe("places", () => {
  test("are as many as `concurrency`", () => {
    const table = tableWith({ concurrency: 2 });
    for (const holder of ["a", "b", "c"]) enter(table, holder);
    expect(served(table)).toEqual(["a", "b"]);
    expect(table.why(NOW, true)).toEqual({ reason: "concurrency", at: null });
    expect(table.nextAt(NOW)).toBe(NOW + LEASE_MS);
    expect(served(table, NOW + LEASE_MS - 1)).toEqual([]);
    expect(served(table, NOW + LEASE_MS)).toEqual(["c"]);
  });

  test("come back with a release", () => {
    const table = tableWith({ concurrency: 1 });
    enter(table, "a");
    enter(table, "b");
    const [grant] = table.serve(NOW);
    expect(table.release(grant?.id ?? 0)).toBe(NOW + LEASE_MS);
    expect(served(table)).toEqual(["b"]);
  });

  test("are as many in a period as `rate`, and it is known when the next one is", () => {
    const table = tableWith({ rate: { calls: 2, per_seconds: 1 } });
    for (const holder of ["a", "b", "c"]) enter(table, holder);
    expect(served(table)).toEqual(["a", "b"]);
    const at = NOW + VALID_MS + 1_000;
    expect(table.why(NOW, true)).toEqual({ reason: "rate", at });
    expect(table.nextAt(NOW)).toBe(at);
    expect(served(table, at - 1)).toEqual([]);
    expect(served(table, at)).toEqual(["c"]);
  });

  test("need both where both are limited", () => {
    const table = tableWith({ concurrency: 1, rate: { calls: 1, per_seconds: 60 } });
    enter(table, "a");
    enter(table, "b");
    const [grant] = table.serve(NOW);
    table.release(grant?.id ?? 0);
    expect(served(table)).toEqual([]);
    expect(table.why(NOW, true)).toEqual({ reason: "rate", at: null });
    expect(served(table, NOW + 60_000 + VALID_MS)).toEqual(["b"]);
  });

  test("of the same holder are one, whose release by the earlier call changes nothing", () => {
    const table = tableWith({ concurrency: 1 });
    enter(table, "a");
    const [first] = table.serve(NOW);
    enter(table, "other");
    enter(table, "a");
    expect(served(table, NOW + 5_000)).toEqual(["a"]);
    table.release(first?.id ?? 0);
    expect(table.load(NOW + 5_000)).toEqual({ in_use: 1, queued: 1 });
    expect(table.load(NOW + 5_000 + LEASE_MS - 1).in_use).toBe(1);
  });

  test("are not taken over by an earlier request that comes late", () => {
    const table = tableWith({ concurrency: 1 });
    enter(table, "a", 1_000_010);
    table.serve(NOW);
    expect(enter(table, "a", 1_000_009)).toBe("stale");
    expect(table.stampOf(["a", "unknown"])).toBe(1_000_010);
    expect(table.load(NOW)).toEqual({ in_use: 1, queued: 0 });
  });

  test("are given back to their holder in another isolate once no earlier request of it can come", () => {
    for (const [age, in_use] of [
      [TIMINGS.PLACE_LATE_MS - 1, 2],
      [TIMINGS.PLACE_LATE_MS, 1],
    ] as const) {
      const table = new PlaceTable();
      table.observe(NOW);
      table.adopt({ concurrency: 2 }, 1);
      const ask = { holder: "a", conversation_id: "c", priority: 0, lease_ms: 60_000, valid_ms: 100 };
      table.enter(ask, { stamp: 9, isolate: "one", poll: 1 });
      table.serve(NOW);
      table.observe(NOW + age);
      table.enter(ask, { stamp: 8, isolate: "another", poll: 2 });
      expect(served(table, NOW + age)).toEqual(["a"]);
      expect(table.load(NOW + age).in_use).toBe(in_use);
    }
  });

  test("are waited for in one position, however often it asks", () => {
    const table = tableWith({ concurrency: 1 });
    enter(table, "a");
    const [grant] = table.serve(NOW);
    for (const holder of ["b", "c", "b"]) enter(table, holder);
    expect(table.queued).toBe(2);
    table.release(grant?.id ?? 0);
    expect(served(table)).toEqual(["b"]);
  });

  test("are not waited for by those that did not ask again", () => {
    const table = tableWith({ concurrency: 1 });
    enter(table, "a");
    table.serve(NOW);
    enter(table, "b");
    table.pollEnded(1, NOW);
    expect(table.nextAt(NOW)).toBeNull();
    table.observe(NOW + TIMINGS.PLACE_POSITION_MS - 1);
    expect(table.queued).toBe(1);
    table.observe(NOW + TIMINGS.PLACE_POSITION_MS);
    expect(table.queued).toBe(0);
  });

  test("are waited for by so many calls at most", () => {
    const table = tableWith({ concurrency: 1 });
    enter(table, "a");
    table.serve(NOW);
    for (let at = 0; at < LIMITS.AGENT_QUEUE; at += 1) expect(enter(table, `b${at}`)).toBe("waits");
    expect(enter(table, "one more")).toBe("full");
    expect(enter(table, "b7")).toBe("waits");
    expect(table.pollOf("b7")).toBe(1);
    table.leave("b7");
    expect(table.pollOf("b7")).toBeNull();
    expect(enter(table, "one more")).toBe("waits");
  });
});

describe("places for calls to come", () => {
  const terms = { lease_ms: LEASE_MS, valid_ms: VALID_MS };

  test("are a fraction of what is free", () => {
    const table = tableWith({ concurrency: 100, rate: { calls: 40, per_seconds: 1 } });
    expect(table.extra(50, terms, NOW)).toHaveLength(10);
    expect(table.extra(3, terms, NOW)).toHaveLength(3);
    expect(table.load(NOW).in_use).toBe(13);
  });

  test("are not given while a call waits", () => {
    const table = tableWith({ concurrency: 8 });
    enter(table, "a");
    expect(table.extra(5, terms, NOW)).toEqual([]);
    table.serve(NOW);
    expect(table.extra(5, terms, NOW)).toHaveLength(1);
  });
});

describe("the limits of the latest registration hold", () => {
  test("also for requests of earlier ones", () => {
    const table = tableWith({ concurrency: 3 });
    table.adopt({ concurrency: 1 }, 2);
    table.adopt({ concurrency: 3 }, 1);
    enter(table, "a");
    enter(table, "b");
    expect(served(table)).toEqual(["a"]);
  });

  test("and calls that have a place keep it", () => {
    const table = tableWith({ concurrency: 3 });
    for (const holder of ["a", "b", "c", "d"]) enter(table, holder);
    const grants = table.serve(NOW);
    table.adopt({ concurrency: 2 }, 2);
    const ids = grants.map(({ id }) => id);
    table.release(ids[0] ?? 0);
    expect(served(table)).toEqual([]);
    table.release(ids[1] ?? 0);
    expect(served(table)).toEqual(["d"]);
  });

  test("of which either may be dropped", () => {
    const table = tableWith({ rate: { calls: 1, per_seconds: 3_600 } });
    enter(table, "a");
    enter(table, "b");
    table.serve(NOW);
    table.adopt({ concurrency: 5 }, 2);
    expect(table.parts).toEqual({ leased: true, rated: false });
    expect(served(table)).toEqual(["b"]);
  });
});

describe("a clock that was set back", () => {
  test("makes nothing last longer, and nothing end sooner", () => {
    const table = tableWith({ concurrency: 1, rate: { calls: 1, per_seconds: 1 } });
    enter(table, "a");
    enter(table, "b");
    table.serve(NOW);
    const back = NOW - 3_600_000;
    expect(table.observe(back)).toBe(3_600_000);
    expect(served(table, back + LEASE_MS - 1)).toEqual([]);
    expect(served(table, back + LEASE_MS)).toEqual(["b"]);
  });

  test("is met after a restart too", () => {
    const table = tableWith({ concurrency: 1 });
    enter(table, "a");
    table.serve(NOW);
    const after = new PlaceTable(structuredClone(table.stored()));
    const back = NOW - 3_600_000;
    after.observe(back);
    expect(after.load(back + LEASE_MS - 1).in_use).toBe(1);
    expect(after.load(back + LEASE_MS).in_use).toBe(0);
  });
});

describe("after a restart", () => {
  test("leases, passes, limits and the last number are known", () => {
    const table = tableWith({ concurrency: 2, rate: { calls: 3, per_seconds: 1 } });
    enter(table, "a");
    enter(table, "b");
    const grants = table.serve(NOW);
    const after = new PlaceTable(structuredClone(table.stored()));
    after.observe(NOW);
    after.adopt({ concurrency: 9 }, 1);
    expect(after.load(NOW)).toEqual({ in_use: 2, queued: 0 });
    after.release(grants[0]?.id ?? 0);
    enter(after, "c");
    enter(after, "d");
    const [next, ...rest] = after.serve(NOW);
    expect(next?.holder).toBe("c");
    expect(next?.id).toBeGreaterThan(Math.max(...grants.map(({ id }) => id)));
    expect(rest).toEqual([]);
  });
});
