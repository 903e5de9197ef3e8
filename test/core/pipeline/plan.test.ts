// What a run is pinned to may be planned again, as a fork of it does.
import { expect, test } from "vitest";
import { DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import { PipelineStage } from "../../../src/contract/stage.ts";
import { planStages } from "../../../src/core/pipeline/plan.ts";

const STAGES = [
  { name: "agent", agent_type: "a", input: { q: "query" }, map: { over: "[query]" } },
  { name: "question", wait: {}, depends_on: ["agent"] },
  { name: "nested", pipeline: "p", query: "query", repeat: { until: "true", max: 2 } },
].map((stage) => PipelineStage.parse(stage));

test("stages of every kind are the same when they are planned again", () => {
  const planned = planStages(STAGES, {}, DEFAULT_CONFIG);
  if (!planned.ok) throw new Error(JSON.stringify(planned.error));
  expect(planned.value.map(({ retry_attempts }) => retry_attempts)).toEqual([3, undefined, 1]);
  expect(planStages(planned.value, {}, DEFAULT_CONFIG)).toEqual(planned);
});

test("a request gives a stage that runs a pipeline no tries, whether it is planned again or not", () => {
  const overrides = { nested: { retry_attempts: 2 } };
  const refused = {
    ok: false,
    error: {
      errors: [{ pointer: "/stages/2/retry_attempts", message: expect.stringContaining("runs a pipeline") }],
    },
  };
  expect(planStages(STAGES, overrides, DEFAULT_CONFIG)).toMatchObject(refused);
  const planned = planStages(STAGES, {}, DEFAULT_CONFIG);
  const again = planStages(planned.ok ? planned.value : [], overrides, DEFAULT_CONFIG);
  expect(again).toMatchObject(refused);
});
