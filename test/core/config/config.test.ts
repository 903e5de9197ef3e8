// The config of a tenant: patches, and what the environment sets.
import { describe, expect, test } from "vitest";
import { DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import { configFromEnvironment, mergePatch, patchConfig } from "../../../src/core/config/config.ts";

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
