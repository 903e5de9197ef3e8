// The report of a run: of stages that map and repeat its shape has what a simulation needs, and no more.
import { expect, test } from "vitest";
import type { ResolvedStage } from "../../../../src/contract/stage.ts";
import type { ExecutionState } from "../../../../src/core/execution/state.ts";
import { runReport } from "../../../../src/core/monitoring/metrics/report.ts";
import { simulate } from "../../../../src/core/monitoring/metrics/analysis/simulate.ts";
import { Bench, BUSY, later, said } from "../../../engine/simulation/fair-weather.ts";
import { makeSpec, makeStage } from "../../simulation/spec.ts";

/** @param ms how long a call takes, by item and attempt; below 0 it fails after as long */
async function shapeOf(
  stages: ResolvedStage[],
  ms: (item: number, attempt: number) => number,
  count = 0,
): Promise<NonNullable<NonNullable<ReturnType<typeof runReport>>["shape"]>> {
  let calls = 0;
  const bench = new Bench((request, _hooks, own) => {
    const took = ms(request.call.index ?? 0, request.call.attempt);
    calls += 1;
    return later(own, Math.abs(took), took < 0 ? BUSY : said({ n: calls }));
  });
  const context = { list: Array.from({ length: count }, (_, at) => at) };
  await bench.start(makeSpec(stages, { retry_delay_seconds: 0.1 }, { context }));
  await bench.until();
  const shape = runReport(bench.driver.state as ExecutionState)?.shape;
  if (shape == null) throw new Error("the run has no shape");
  return shape;
}

const each = (concurrency: number, fields: object = {}) =>
  makeStage("each", {
    map: { over: "context.list", max_items: 1_000, concurrency, on_error: "fail" },
    retry_attempts: 2,
    ...fields,
  });

test("a map has its concurrency and what each item took, with its delays", async () => {
  const { stages } = await shapeOf(
    [each(2), makeStage("last", { depends_on: ["each"] })],
    (at) => (at + 1) * 10,
    3,
  );
  expect(stages[0]?.map).toEqual({ concurrency: 2, items: 3, items_ms: [10, 20, 30] });
  expect(stages[1]).not.toHaveProperty("map");
  expect(stages[1]).not.toHaveProperty("iterations");
});

test("delays of items that wait at a time are counted once, and not while another is called", async () => {
  const { stages } = await shapeOf([each(4)], (_, attempt) => (attempt === 1 ? -10 : 10), 4);
  const { tries_ms = [], waits_ms = 0, map } = stages[0] ?? {};
  expect(tries_ms).toHaveLength(1);
  // Four delays of 100 ms at once.
  expect(waits_ms).toBeGreaterThan(0);
  expect(waits_ms).toBeLessThanOrEqual(130);
  expect(map?.items_ms.every((ms) => ms > 20)).toBe(true);
});

test("of many items evenly spaced ones are kept, of all stages of a run together", async () => {
  const wide = (name: string) => ({ ...each(500), name, agent_type: name });
  const { stages } = await shapeOf([wide("a"), wide("b")], (at) => at, 500);
  for (const { map } of stages) {
    expect(map?.items).toBe(500);
    expect(map?.items_ms).toHaveLength(100);
    expect(map?.items_ms.slice(0, 3)).toEqual([0, 5, 10]);
  }
});

test("a repeat has one time, and how many iterations there were", async () => {
  const until = { until: "result.n == 3", max: 5, on_max: "accept" as const };
  const shape = await shapeOf([makeStage("loop", { repeat: until, retry_attempts: 2 })], () => 40);
  const [stage] = shape.stages;
  expect(stage).toMatchObject({ tries_ms: [120], iterations: 3 });
  expect(stage).not.toHaveProperty("map");
  expect(simulate(shape)).toBeGreaterThanOrEqual(120);
});
