// src/contract/README.md sections 2 and 8: what a definition and a request's pipeline_config may say. Each test's
// name is the rule.
import { describe, expect, test } from "vitest";
import { type CoordinatorConfig, DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { PipelineStage, StageOverride } from "../../../src/contract/stage.ts";
import { planStages } from "../../../src/core/pipeline/plan.ts";
import { validatePipeline } from "../../../src/core/pipeline/validate.ts";

const stages = (...written: object[]) =>
  written.map((fields) => PipelineStage.parse({ agent_type: "x", ...fields }));

function plan(
  written: object[],
  overrides: Record<string, object> = {},
  config: Partial<CoordinatorConfig> = {},
) {
  const parsed = Object.fromEntries(
    Object.entries(overrides).map(([name, fields]) => [name, StageOverride.parse(fields)]),
  );
  return planStages(stages(...written), parsed, { ...DEFAULT_CONFIG, ...config });
}

const faults = (...written: object[]) =>
  validatePipeline(stages(...written)).map(({ code, stage }) => [code, stage]);

test("PipelineStage: required=true, parallel=false, depends_on=[], config={}.", () => {
  expect(stages({ name: "a" })[0]).toEqual({
    name: "a",
    agent_type: "x",
    required: true,
    parallel: false,
    depends_on: [],
    config: {},
  });
});

test("timeout_seconds, retry_attempts: absent, the config's values when a run starts, 60 and 3.", () => {
  const first = (config?: Partial<CoordinatorConfig>, fields = {}) => {
    const planned = plan([{ name: "a", ...fields }], {}, config);
    return planned.ok ? planned.value[0] : null;
  };
  expect(first()).toMatchObject({ timeout_seconds: 60, retry_attempts: 3 });
  expect(first({ stage_timeout_seconds: 7, max_retry_attempts: 2 })).toMatchObject({
    timeout_seconds: 7,
    retry_attempts: 2,
  });
  expect(first({}, { timeout_seconds: 1, retry_attempts: 1 })).toMatchObject({
    timeout_seconds: 1,
    retry_attempts: 1,
  });
});

test("pipeline_config: config is merged key by key, the rest replaced.", () => {
  const planned = plan(
    [
      { name: "a", config: { keep: 1, change: 1 }, depends_on: [] },
      { name: "b", depends_on: ["a"] },
    ],
    {
      a: { config: { change: 2, add: 3 }, required: false, agent_type: "y", timeout_seconds: 5 },
      b: { depends_on: [] },
    },
  );
  expect(planned).toMatchObject({
    ok: true,
    value: [
      { config: { keep: 1, change: 2, add: 3 }, required: false, agent_type: "y", timeout_seconds: 5 },
      { depends_on: [] },
    ],
  });
});

test('{"enabled": false} leaves the stage out (its dependants lose that edge).', () => {
  const planned = plan(
    [{ name: "a" }, { name: "b", depends_on: ["a"] }, { name: "c", depends_on: ["a", "b"] }],
    { b: { enabled: false } },
  );
  expect(planned.ok && planned.value.map(({ name, depends_on }) => [name, depends_on])).toEqual([
    ["a", []],
    ["c", ["a"]],
  ]);
  expect(plan([{ name: "a" }], { a: { enabled: true } }).ok).toBe(true);
});

test("pipeline_config that leaves no stage, or names none of the pipeline's, is INVALID_PIPELINE_CONFIG.", () => {
  expect(plan([{ name: "a" }], { a: { enabled: false } })).toMatchObject({
    ok: false,
    error: { code: "INVALID_PIPELINE_CONFIG" },
  });
  expect(plan([{ name: "a" }], { b: {} })).toMatchObject({
    ok: false,
    error: { code: "INVALID_PIPELINE_CONFIG", errors: [{ stage: "b" }] },
  });
});

test("pipeline_config cannot name a URL or raise a limit of section 8.", () => {
  for (const fields of [
    { url: "https://x.example" },
    { name: "b" },
    { retry_attempts: 101 },
    { timeout_seconds: 86_401 },
    { timeout_seconds: 0 },
  ]) {
    expect(StageOverride.safeParse(fields).success).toBe(false);
  }
});

test("A stage's name may be that of something every object inherits.", () => {
  const planned = plan([{ name: "toString" }, { name: "valueOf", depends_on: ["toString"] }]);
  expect(planned).toMatchObject({
    ok: true,
    value: [{ name: "toString", required: true }, { depends_on: ["toString"] }],
  });
  for (const name of ["__proto__", "constructor", "prototype"])
    expect(PipelineStage.safeParse({ name, agent_type: "x" }).success).toBe(false);
});

test("Overrides are validated as a whole: a cycle that an override makes is CIRCULAR_DEPENDENCY.", () => {
  const planned = plan([{ name: "a" }, { name: "b", depends_on: ["a"] }], { a: { depends_on: ["b"] } });
  expect(planned).toMatchObject({ ok: false, error: { code: "CIRCULAR_DEPENDENCY" } });
});

describe("every error of a definition is reported, with its stage", () => {
  test("MISSING_DEPENDENCY", () => {
    expect(faults({ name: "a", depends_on: ["b", "c"] })).toEqual([
      ["MISSING_DEPENDENCY", "a"],
      ["MISSING_DEPENDENCY", "a"],
    ]);
  });
  test("CIRCULAR_DEPENDENCY, also of a stage that waits for itself", () => {
    expect(faults({ name: "a", depends_on: ["a"] })).toEqual([["CIRCULAR_DEPENDENCY", "a"]]);
    const cycle = validatePipeline(
      stages(
        { name: "a", depends_on: ["c"] },
        { name: "b", depends_on: ["a"] },
        { name: "c", depends_on: ["b"] },
      ),
    );
    expect(cycle[0]?.message).toContain("a → b → c → a");
  });
  test("a duplicate name, a duplicate dependency", () => {
    expect(faults({ name: "a" }, { name: "a" })).toEqual([["INVALID_PIPELINE_CONFIG", "a"]]);
    expect(faults({ name: "a" }, { name: "b", depends_on: ["a", "a"] })).toEqual([
      ["INVALID_PIPELINE_CONFIG", "b"],
    ]);
  });
  test("no stage, 65 stages, 257 edges", () => {
    expect(faults()).toHaveLength(1);
    const many = Array.from({ length: LIMITS.STAGES + 1 }, (_, at) => ({ name: `s${at}` }));
    expect(validatePipeline(stages(...many))[0]?.message).toContain("64 stages, not 65");
    expect(faults(...many.slice(1))).toEqual([]);
    const layers = Array.from({ length: 33 }, (_, at) => ({ name: `s${at}` }));
    const dense = [
      ...layers.slice(0, 17),
      ...layers
        .slice(17)
        .map((stage) => ({ ...stage, depends_on: layers.slice(0, 16).map(({ name }) => name) })),
    ];
    expect(faults(...dense)).toEqual([]);
    const denser = [
      ...dense.slice(0, -1),
      { ...dense.at(-1), name: "s32", depends_on: layers.slice(0, 17).map(({ name }) => name) },
    ];
    expect(validatePipeline(stages(...denser))[0]?.message).toContain("256 edges, not 257");
  });
  test("a condition that does not parse, gives no bool or may not end", () => {
    for (const when of [
      "1 +",
      "1 + 1",
      'query.matches("(a+)+$")',
      "results.a.all(x, results.b.all(y, x == y))",
      "nobody == 1",
    ]) {
      expect(faults({ name: "a", when }), when).toEqual([["INVALID_PIPELINE_CONFIG", "a"]]);
    }
    for (const when of ["true", "results.a.list.exists(x, x > 1)", "has(results.a.b)"]) {
      expect(faults({ name: "a" }, { name: "b", depends_on: ["a"], when }), when).toEqual([]);
    }
  });
});
