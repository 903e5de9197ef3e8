// Which fallback a stage has, and the agents that a run needs for it.
import { expect, test } from "vitest";
import { agentTypesOf, fallbackOf } from "../../../src/core/resilience/fallback.ts";
import { makeStage } from "../simulation/spec.ts";

test("a stage's own fallback comes before the config's for its name, and names the agents that a run needs", () => {
  const config = { fallback_strategies: { s: "use_cached_results" as const } };
  expect(fallbackOf(makeStage("s"), config)).toEqual({ strategy: "use_cached_results" });
  expect(fallbackOf(makeStage("toString"), config)).toBeNull();
  const simple = makeStage("s", { config: { a: 1 }, fallback: "use_simple_model" });
  expect(fallbackOf(simple, config)).toMatchObject({
    agent_type: "agent_s",
    config: { a: 1, model: "simple" },
  });
  const other = makeStage("s", {
    fallback: { strategy: "use_simple_model", agent_type: "b", config: { c: 1 } },
  });
  expect(fallbackOf(other, config)).toMatchObject({ agent_type: "b", config: { c: 1 } });
  expect(agentTypesOf([simple, other], config)).toEqual(["agent_s", "b"]);
});
