// When the index's entry of a run without storage expires, and of one that is queued.
import { expect, test } from "vitest";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import { indexEntry } from "../../../src/core/monitoring/index-entry.ts";
import { decide } from "../../../src/core/execution/decide.ts";
import { evolve } from "../../../src/core/execution/evolve.ts";
import { startExecution } from "../../../src/core/execution/rules/start.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { Bench } from "../../engine/simulation/fair-weather.ts";
import { makeSpec, makeStage } from "../simulation/spec.ts";

function runOf(storage: "memory" | "durable_object"): ExecutionState {
  const spec = { ...makeSpec([makeStage("a")], { pipeline_timeout_seconds: 3_600 }), storage };
  return startExecution(spec, 0).state;
}

test("a run without storage is listed two minutes after its last report, and a minute after its end", () => {
  expect(indexEntry(runOf("memory"), 10_000).expires).toBe(10_000 + 2 * TIMINGS.MEMORY_LISTED_MS);
  expect(indexEntry(runOf("durable_object"), 10_000).expires).toBe(3_600_000 + TIMINGS.INDEX_GRACE_MS);
  const state = runOf("memory");
  const ended = evolve(state, {
    execution_id: state.spec.execution_id,
    seq: state.seq + 1,
    timestamp: new Date(60_000).toISOString(),
    type: "execution.cancelled",
    status: "cancelled",
    message: "",
    data: { error_info: null },
  });
  expect(indexEntry(ended, 999_000).expires).toBe(60_000 + TIMINGS.MEMORY_KEPT_MS);
});

test("the entry of a queued run expires when it has waited for as long as it may", () => {
  const spec = makeSpec([makeStage("one")], { max_pause_seconds: 3_600, pipeline_timeout_seconds: 1 });
  const { state } = decide(null, { type: "start", spec, queued: { behind: "a", position: 1 } }, 5_000);
  if (state === null) throw new Error("not queued");
  const { summary, expires } = indexEntry(state, 10_000);
  expect([summary.status, expires]).toEqual(["queued", 3_605_000 + TIMINGS.INDEX_GRACE_MS]);
});

test("the entry says what the run has used, where it has used something", async () => {
  const summaryOf = async (usage?: Record<string, unknown>) => {
    const answer = { data: {}, ...(usage === undefined ? {} : { usage }) };
    const bench = new Bench(async () => ({ ok: true, answer, bytes: 2 }));
    await (await bench.start(makeSpec([makeStage("a")]))).until();
    return indexEntry(bench.driver.state as ExecutionState).summary;
  };
  expect(await summaryOf()).not.toHaveProperty("usage");
  const tokens = { input_tokens: 2, output_tokens: 0 };
  expect((await summaryOf({ ...tokens, cost_usd: 0.5, model: "m" })).usage).toEqual({
    ...tokens,
    cost_usd: 0.5,
  });
  expect((await summaryOf({ input_tokens: 2 })).usage).toEqual({ ...tokens, cost_usd: null });
  const unpriced = { ...tokens, cost_usd: null, unpriced_tokens: 2 };
  expect((await summaryOf(unpriced)).usage).toEqual(unpriced);
});
