// The pure parts of the management surface: the verdict on a definition, changes of one, config patches, the
// environment, conditions.
import { array, assert, jsonValue, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULT_CONFIG } from "../../src/contract/config.ts";
import { PipelineStage } from "../../src/contract/stage.ts";
import { configFromEnvironment, mergePatch, patchConfig } from "../../src/core/config/config.ts";
import { changedStages } from "../../src/core/pipeline/edit.ts";
import { checkDefinition } from "../../src/core/pipeline/verdict.ts";
import { etagOf, isUnchanged, writeCondition } from "../../src/http/request/etag.ts";

const stage = (name: string, ...depends_on: string[]) =>
  PipelineStage.parse({ name, agent_type: name, depends_on });

describe("judgeDefinition", () => {
  test("returns the graph of a valid one", () => {
    expect(checkDefinition([stage("a"), stage("b", "a"), stage("c", "a"), stage("d", "c")])).toEqual({
      valid: true,
      errors: [],
      hints: expect.any(Array),
      dependencies: { a: [], b: ["a"], c: ["a"], d: ["c"] },
      layers: [["a"], ["b", "c"], ["d"]],
      critical_path: ["a", "c", "d"],
    });
  });

  test("reports every error at once, each with its stage", () => {
    const verdict = checkDefinition([
      { name: "a", agent_type: "x", depends_on: ["b"] },
      { name: "b", agent_type: "x", depends_on: ["a"] },
      { name: "p", agent_type: "x", depends_on: ["q"] },
      { name: "q", agent_type: "x", depends_on: ["r"] },
      { name: "r", agent_type: "x", depends_on: ["p"] },
      { name: "lost", agent_type: "x", depends_on: ["nowhere"] },
      { name: "bad", agent_type: "", timeout_seconds: -1, colour: "red", depends_on: ["lost"] },
      { name: "when", agent_type: "x", when: "query ==" },
      { name: "when", agent_type: "x" },
      { agent_type: "x" },
      null,
      7,
    ]);
    expect(verdict.valid).toBe(false);
    const told = verdict.errors.map(({ code, stage }) => `${code} ${stage ?? "-"}`);
    expect(told).toContain("CIRCULAR_DEPENDENCY a");
    expect(told).toContain("CIRCULAR_DEPENDENCY p");
    expect(told).toContain("MISSING_DEPENDENCY lost");
    expect(told.filter((line) => line === "INVALID_PIPELINE_CONFIG bad")).toHaveLength(3);
    expect(told.filter((line) => line === "INVALID_PIPELINE_CONFIG when")).toHaveLength(2);
    expect(verdict.errors.filter(({ message }) => /^stage (9|10|11): /.test(message))).toHaveLength(3);
    const cycles = verdict.errors.filter(({ code }) => code === "CIRCULAR_DEPENDENCY");
    expect(cycles.map(({ message }) => message.split(": ")[1])).toEqual(["a → b → a", "p → r → q → p"]);
    expect(verdict).toMatchObject({ layers: [], critical_path: [] });
  });

  test("lists the first fifty of many faults, and says how many there are", () => {
    const fields = Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`unknown_${at}`, at]));
    const many = Array.from({ length: 60 }, (_, at) => ({
      name: `s${at}`,
      agent_type: "x",
      depends_on: ["lost", "gone"],
      when: "query ==",
      ...fields,
    }));
    const verdict = checkDefinition(many);
    expect(verdict.valid).toBe(false);
    expect(verdict.errors).toHaveLength(50);
    expect(verdict.error_count).toBeGreaterThanOrEqual(240);
    expect(checkDefinition(many.slice(0, 1))).toMatchObject({ error_count: 4 });
    expect(checkDefinition(Array.from({ length: 100 }, () => stage("a"))).error_count).toBe(1);
  });

  test("never throws, for any input", () => {
    assert(
      property(array(jsonValue()), (stages) => {
        expect(typeof checkDefinition(stages).valid).toBe("boolean");
      }),
      { seed: 20261123 },
    );
  });
});

describe("changedStages", () => {
  const two = [stage("a"), stage("b", "a")];
  const names = (result: ReturnType<typeof changedStages>) =>
    result.ok ? result.value.map((s) => s.name) : result;

  test("adds at the end or before a stage", () => {
    expect(names(changedStages("p", two, { kind: "add_stage", stage: stage("c"), before: null }))).toEqual([
      "a",
      "b",
      "c",
    ]);
    expect(names(changedStages("p", two, { kind: "add_stage", stage: stage("c"), before: "b" }))).toEqual([
      "a",
      "c",
      "b",
    ]);
  });

  test.each([
    [{ kind: "add_stage", stage: stage("c"), before: "nobody" }, "STAGE_NOT_FOUND"],
    [{ kind: "add_stage", stage: stage("a"), before: null }, "INVALID_PIPELINE_CONFIG"],
    [{ kind: "add_stage", stage: stage("c", "d"), before: null }, "MISSING_DEPENDENCY"],
    [{ kind: "remove_stage", stage: "nobody" }, "STAGE_NOT_FOUND"],
    [{ kind: "remove_stage", stage: "a" }, "MISSING_DEPENDENCY"],
  ] as const)("refuses %o with %s", (change, code) => {
    expect(changedStages("p", two, change)).toMatchObject({ ok: false, error: { code } });
  });

  test("an unknown pipeline is reported, and a pipeline keeps its last stage", () => {
    const remove = { kind: "remove_stage", stage: "a" } as const;
    expect(changedStages("p", null, remove)).toMatchObject({
      ok: false,
      error: { code: "PIPELINE_NOT_FOUND" },
    });
    expect(changedStages("p", [stage("a")], remove)).toMatchObject({
      ok: false,
      error: { code: "INVALID_PIPELINE_CONFIG" },
    });
  });
});

describe("config", () => {
  test("merges as RFC 7396 says (its appendix A)", () => {
    const cases: [unknown, unknown, unknown][] = [
      [{ a: "b" }, { a: "c" }, { a: "c" }],
      [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
      [{ a: "b" }, { a: null }, {}],
      [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
      [{ a: ["b"] }, { a: "c" }, { a: "c" }],
      [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
      [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
      [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
      [
        ["a", "b"],
        ["c", "d"],
        ["c", "d"],
      ],
      [{ a: "b" }, ["c"], ["c"]],
      [{ a: "foo" }, null, null],
      [{ a: "foo" }, "bar", "bar"],
      [{ e: null }, { a: 1 }, { e: null, a: 1 }],
      [[1, 2], { a: "b", c: null }, { a: "b" }],
      [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    ];
    for (const [target, patch, result] of cases) expect(mergePatch(target, patch)).toEqual(result);
  });

  test("what a patch would make of the config is judged as a whole", () => {
    const kept = { fallback_strategies: { answer: { strategy: "use_default", data: {} } } };
    const half = { fallback_strategies: { answer: { strategy: "use_simple_model" } } };
    expect(patchConfig(DEFAULT_CONFIG, kept, half)).toMatchObject({ ok: false });
    expect(patchConfig(DEFAULT_CONFIG, {}, half)).toEqual({ ok: true, value: half });
    expect(patchConfig(DEFAULT_CONFIG, kept, {})).toEqual({ ok: true, value: kept });
  });

  test("the environment sets what the specification names, before the defaults", () => {
    const read = configFromEnvironment({
      AGENT_COORDINATOR_MAX_CONCURRENT: "5",
      AGENT_COORDINATOR_STAGE_TIMEOUT: 7,
      AGENT_COORDINATOR_RETRY_DELAY: "0.25",
      AGENT_COORDINATOR_CACHING: "FALSE",
      AGENT_COORDINATOR_STREAMING: true,
      AGENT_COORDINATOR_LOG_LEVEL: "Debug",
      AGENT_COORDINATOR_MAX_RETRIES: "",
    });
    expect(read).toEqual({
      ok: true,
      value: {
        ...DEFAULT_CONFIG,
        max_concurrent_stages: 5,
        stage_timeout_seconds: 7,
        retry_delay_seconds: 0.25,
        enable_caching: false,
        enable_streaming: true,
        log_level: "DEBUG",
      },
    });
  });

  test.each([
    ["AGENT_COORDINATOR_MAX_CONCURRENT", "7"],
    ["AGENT_COORDINATOR_MAX_CONCURRENT", "many"],
    ["AGENT_COORDINATOR_MAX_CONCURRENT", "2.5"],
    ["AGENT_COORDINATOR_STAGE_TIMEOUT", "0"],
    ["AGENT_COORDINATOR_STAGE_TIMEOUT", "0x10"],
    ["AGENT_COORDINATOR_PIPELINE_TIMEOUT", "1e9"],
    ["AGENT_COORDINATOR_MAX_RETRIES", "-1"],
    ["AGENT_COORDINATOR_RETRY_DELAY", " "],
    ["AGENT_COORDINATOR_CIRCUIT_BREAKER", "yes"],
    ["AGENT_COORDINATOR_PERFORMANCE_MONITORING", "2"],
    ["AGENT_COORDINATOR_CACHING", "on"],
    ["AGENT_COORDINATOR_STREAMING", "nope"],
    ["AGENT_COORDINATOR_LOG_LEVEL", "loud"],
    ["AGENT_COORDINATOR_LOG_LEVEL", "3"],
  ])("%s=%s is refused by name and value", (variable, value) => {
    expect(configFromEnvironment({ [variable]: value })).toMatchObject({
      ok: false,
      error: { variable, shown: value },
    });
  });
});

describe("conditions", () => {
  const etag = etagOf({ name: "p", version: 3, stages: [] }, DEFAULT_CONFIG);
  const current = { etag, version: 3 };

  test("the tag is strong, and changes with what GET shows", () => {
    expect(etag).toMatch(/^"[^"]+"$/);
    expect(etagOf({ name: "p", version: 4, stages: [] }, DEFAULT_CONFIG)).not.toBe(etag);
    expect(
      etagOf({ name: "p", version: 3, stages: [] }, { ...DEFAULT_CONFIG, stage_timeout_seconds: 1 }),
    ).not.toBe(etag);
  });

  test.each([
    [undefined, undefined, current, null],
    ["*", undefined, current, "exists"],
    ["*", undefined, null, "fails"],
    [etag, undefined, current, 3],
    [`"x", ${etag}`, undefined, current, 3],
    ['"x"', undefined, current, "fails"],
    [`W/${etag}`, undefined, current, "fails"],
    [etag, undefined, null, "fails"],
    [undefined, "*", null, 0],
    [undefined, "*", current, "fails"],
    [undefined, etag, current, "fails"],
    [undefined, '"x"', current, 3],
  ] as const)("If-Match %s, If-None-Match %s", (ifMatch, ifNoneMatch, there, expected) => {
    expect(writeCondition(ifMatch, ifNoneMatch, there)).toBe(expected);
  });

  test("GET's If-None-Match compares weakly", () => {
    expect(isUnchanged(`W/${etag}`, etag)).toBe(true);
    expect(isUnchanged('"x"', etag)).toBe(false);
    expect(isUnchanged(undefined, etag)).toBe(false);
  });
});
