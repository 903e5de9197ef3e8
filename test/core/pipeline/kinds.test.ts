// The kinds of stages: which fields one of each kind may have, and where stages that wait cannot run.
import { describe, expect, test } from "vitest";
import { PipelineStage } from "../../../src/contract/stage.ts";
import { kindFaults, memoryFaults } from "../../../src/core/pipeline/kinds.ts";

const stage = (fields: object) => PipelineStage.parse({ name: "one", ...fields });
const agent = (fields: object = {}) => stage({ agent_type: "a", ...fields });
const wait = (fields: object = {}, spec: object = {}) => stage({ wait: spec, ...fields });
const pointers = (of: PipelineStage) => kindFaults(of, 2).map(({ pointer }) => pointer);

test("A question waits for a day and fails then, unless it says otherwise.", () => {
  expect(wait().wait).toEqual({ timeout_seconds: 86_400, on_timeout: "fail" });
});

describe("exactly one kind", () => {
  test("Neither of them, and both.", () => {
    expect(kindFaults(stage({}), 0)).toMatchObject([
      { code: "INVALID_PIPELINE_CONFIG", stage: "one", pointer: "/stages/0" },
    ]);
    expect(pointers(agent({ wait: {} }))).toEqual(["/stages/2/agent_type"]);
    expect(pointers(agent())).toEqual([]);
    expect(pointers(wait())).toEqual([]);
  });

  test.each([
    ["timeout_seconds", 5],
    ["retry_attempts", 1],
    ["cache", true],
    ["hedge_after_ms", 5],
    ["idle_timeout_seconds", 5],
    ["callback_timeout_seconds", 5],
  ])("What only the call of an agent uses is no field of a question: %s.", (field, value) => {
    expect(pointers(wait({ [field]: value }))).toEqual([`/stages/2/${field}`]);
    expect(pointers(agent({ [field]: value }))).toEqual([]);
  });

  test("Heartbeats are for agents that answer later.", () => {
    expect(pointers(agent({ heartbeat_seconds: 5 }))).toEqual(["/stages/2/heartbeat_seconds"]);
    expect(pointers(agent({ heartbeat_seconds: 5, callback_timeout_seconds: 60 }))).toEqual([]);
  });

  test("A question falls back by a default alone.", () => {
    expect(pointers(wait({ fallback: "use_cached_results" }))).toEqual(["/stages/2/fallback"]);
    expect(pointers(wait({ fallback: { strategy: "use_simple_model" } }))).toEqual(["/stages/2/fallback"]);
    expect(pointers(wait({ fallback: { strategy: "use_default", data: {} } }))).toEqual([]);
  });
});

test("The data of on_timeout must satisfy the schema.", () => {
  const schema = { type: "object", required: ["approved"], properties: { approved: { type: "boolean" } } };
  const given = (data: object) => pointers(wait({}, { schema, on_timeout: { data } }));
  expect(given({ approved: false })).toEqual([]);
  expect(given({ approved: "no" })).toEqual(["/stages/2/wait/on_timeout/data/approved"]);
  expect(given({})).toHaveLength(1);
});

test("Without storage nothing waits for the outside.", () => {
  const stages = [agent(), wait(), agent({ callback_timeout_seconds: 5 })];
  const kept = { context_storage_backend: "durable_object", enable_context_persistence: true } as const;
  for (const change of [
    { context_storage_backend: "memory" },
    { enable_context_persistence: false },
  ] as const) {
    expect(memoryFaults(stages, { ...kept, ...change })).toMatchObject([
      { code: "INVALID_PIPELINE_CONFIG", pointer: "/stages/1/wait" },
      { code: "INVALID_PIPELINE_CONFIG", pointer: "/stages/2/callback_timeout_seconds" },
    ]);
  }
  expect(memoryFaults(stages, kept)).toEqual([]);
});
