// The end of retention: one rule for the execution and for what it leaves.
import { expect, test } from "vitest";
import { retainedUntil, retentionEnd } from "../../../../src/core/execution/alarm/retention.ts";
import { indexEntry } from "../../../../src/core/monitoring/index-entry.ts";
import { turnOf } from "../../../../src/core/monitoring/conversation-turn.ts";
import { TIMINGS } from "../../../../src/core/timings.ts";
import { Play, stage } from "../../rules/play.ts";

test("the execution, its entry in the index and its turn have the same end of retention", () => {
  const { state, now } = new Play([stage("a")], { retention_seconds: 7, context_memory_size: 3 })
    .after(5)
    .answer("a");
  expect(retainedUntil(state)).toBe(now + 7_000);
  expect(indexEntry(state).expires).toBe(now + 7_000);
  expect(turnOf(state)?.expires).toBe(now + 7_000);
});

test("without storage the execution goes a minute after its end, its turn at the end of retention", () => {
  const play = new Play([stage("a")], { retention_seconds: 700 }, { storage: "memory" }).after(5).answer("a");
  expect(retainedUntil(play.state)).toBe(play.now + TIMINGS.MEMORY_KEPT_MS);
  expect(turnOf(play.state)?.expires).toBe(play.now + 700_000);
});

test("the end of retention is whole, as an alarm's time is", () => {
  const { spec } = new Play([stage("a")], { retention_seconds: 1.0005 }).state;
  expect(retentionEnd(10, spec)).toBe(1_010);
});
