// What a run keeps of the config: the keys that have an effect on it, and of the fallback strategies those of stages
// that would use one.
import { expect, test } from "vitest";
import { type CoordinatorConfig, DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import { runConfig } from "../../../src/core/execution/run-config.ts";
import { makeStage } from "../simulation/spec.ts";

const STRATEGY = { strategy: "use_default" as const, data: { text: "x".repeat(1_000) } };

test("keeps every key but those that concern all runs together", () => {
  const { alert_thresholds, metrics_export_interval, ...rest } = DEFAULT_CONFIG;
  expect(runConfig(DEFAULT_CONFIG, [makeStage("a")], { pipelines: ["p"] })).toEqual(rest);
  expect([alert_thresholds, metrics_export_interval]).not.toContain(undefined);
});

test("keeps the strategies of its own stages alone, where no fallback of the stage's own comes before", () => {
  const config: CoordinatorConfig = {
    ...DEFAULT_CONFIG,
    fallback_strategies: { a: STRATEGY, b: "use_simple_model", elsewhere: STRATEGY },
  };
  const stages = [
    makeStage("a"),
    makeStage("b", { fallback: "use_cached_results" }),
    makeStage("c"),
    makeStage("toString"),
  ];
  expect(runConfig(config, stages, { pipelines: ["p"] }).fallback_strategies).toEqual({ a: STRATEGY });
});

test("keeps the budgets that it may be in alone", () => {
  const budgets = ["tenant", "pipeline:p", "pipeline:q", "tag:user", "tag:team"].map((scope) => ({
    scope,
    cost_usd: 1,
    window_seconds: 60,
  }));
  const of = { pipelines: ["p"], tags: { user: "u1" } };
  const kept = runConfig({ ...DEFAULT_CONFIG, budgets }, [makeStage("a")], of);
  expect(kept.budgets.map(({ scope }) => scope)).toEqual(["tenant", "pipeline:p", "tag:user"]);
});
