// The fallback of a stage: its own, else the config's for its name.
import type { CoordinatorConfig } from "../../contract/config.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { AgentStage, FallbackStrategy, ResolvedStage } from "../../contract/stage.ts";

export type Fallback =
  /** The last good result of the stage. */
  | { strategy: "use_cached_results" }
  /** One more call, of this agent with this config. */
  | { strategy: "use_simple_model"; agent_type: string; config: JsonObject }
  | { strategy: "use_default"; data: JsonObject };

type Configured = Pick<CoordinatorConfig, "fallback_strategies">;

/** The effective fallback of a stage; null if it has none. */
export function fallbackOf(stage: ResolvedStage, config: Configured): Fallback | null {
  const own = stage.fallback ?? configured(config, stage.name);
  if (own === undefined) return null;
  const given = typeof own === "string" ? ({ strategy: own } as const) : own;
  // Nothing but a default can replace a person, or a pipeline.
  if (stage.agent_type === undefined) return given.strategy === "use_default" ? given : null;
  switch (given.strategy) {
    case "use_cached_results":
      return { strategy: given.strategy };
    case "use_default":
      return given;
    case "use_simple_model":
      return simpleModel(stage, given);
  }
}

function simpleModel(
  stage: AgentStage,
  {
    agent_type,
    config,
  }: { strategy: string; agent_type?: string | undefined; config?: JsonObject | undefined },
): Fallback {
  // Another agent takes the config that it is given; the same one is asked to use its simple model.
  const simple = agent_type === undefined ? { model: "simple" } : {};
  return {
    strategy: "use_simple_model",
    agent_type: agent_type ?? stage.agent_type,
    config: { ...stage.config, ...simple, ...config },
  };
}

/** Every agent type that a run of these stages may call. */
export function agentTypesOf(stages: readonly ResolvedStage[], config: Configured): string[] {
  const types = stages.flatMap((stage) => {
    if (stage.agent_type === undefined) return [];
    const fallback = fallbackOf(stage, config);
    return fallback?.strategy === "use_simple_model"
      ? [stage.agent_type, fallback.agent_type]
      : [stage.agent_type];
  });
  return [...new Set(types)];
}

/** By own keys only: `toString` is a stage's name like any other. */
function configured({ fallback_strategies }: Configured, stage: string): FallbackStrategy | undefined {
  return Object.hasOwn(fallback_strategies, stage) ? fallback_strategies[stage] : undefined;
}
