// upcast: what a run is pinned to, from the first event of a log of any released version (I16). A key that came later
// has its default: of the contract's schemas and DEFAULT_CONFIG where it is the contract's, of the table here where it
// is the log's own. The event stays as it is: a reader is sent the bytes that were stored (I7).
import { AgentRegistration } from "../../../contract/agent.ts";
import { CoordinatorConfig, DEFAULT_CONFIG } from "../../../contract/config.ts";
import { withDefaults } from "../../../contract/defaults.ts";
import { PipelineStage, type ResolvedStage } from "../../../contract/stage.ts";
import * as z from "../../../contract/zod.ts";
import { jsonBytes } from "../../json/weight.ts";
import { resolveStage } from "../../pipeline/plan.ts";
import type { LogEventOf } from "../log-event.ts";
import { isOfAllRuns, type RunConfig } from "../run-config.ts";
import type { PrivateSpec, PublicSpec, RunSpec } from "../run-spec.ts";

type Required<T> = { [K in keyof T as Record<string, never> extends Pick<T, K> ? never : K]: T[K] };

/** A new key of PrivateSpec that may not be absent needs its default here: the compiler asks for it. */
const SPEC_DEFAULTS: Omit<Required<PrivateSpec>, "tenant" | "config"> = {
  context: {},
  inputs: {},
  on_disconnect: "continue",
  watched: false,
  agents: {},
  history: [],
  digest: null,
  traceparent: null,
  storage: "durable_object",
};

const Agents = z.record(z.string(), z.nullable(AgentRegistration));

interface Begun {
  spec: RunSpec;
  /** UTF-8 bytes of the context that the run began with. */
  context_bytes: number;
}

/** @throws RangeError where the event lacks its internal part */
export function upcast(event: LogEventOf<"execution.started" | "execution.queued">): Begun {
  const shown = publicSpec(event.data as PublicSpec);
  const kept = event.internal?.spec;
  if (kept === undefined) throw new RangeError("the first event of a log lacks what its run is pinned to");
  const config = upcastConfig(kept.config ?? {});
  const spec: RunSpec = {
    ...SPEC_DEFAULTS,
    execution_id: event.execution_id,
    ...shown,
    ...kept,
    stages: shown.stages.map((stage) => upcastStage(stage, config)),
    agents: withDefaults(Agents, kept.agents ?? SPEC_DEFAULTS.agents),
    config,
  };
  return { spec, context_bytes: event.internal?.bytes ?? jsonBytes(spec.context) };
}

/** Without the place in the queue. */
function publicSpec(data: PublicSpec): PublicSpec {
  const { query, conversation_id, pipeline, pipeline_version, stages, forked_from } = data;
  const fork = forked_from === undefined ? {} : { forked_from };
  return { query, conversation_id, pipeline, pipeline_version, stages, ...fork };
}

function upcastConfig(pinned: RunConfig): RunConfig {
  return withDefaults(CoordinatorConfig, under<RunConfig>(DEFAULT_CONFIG, pinned));
}

/** The pinned values over the defaults, at every depth. What concerns all runs is pinned by earlier versions alone. */
function under<T extends object>(defaults: T, pinned: T): T {
  let whole = pinned;
  for (const key in defaults) {
    const otherwise = defaults[key];
    const value = pinned[key];
    if (value === undefined) {
      if (!isOfAllRuns(key)) whole = { ...whole, [key]: otherwise };
    } else if (isObject(otherwise) && isObject(value)) {
      const inner = under(otherwise, value);
      if (inner !== value) whole = { ...whole, [key]: inner };
    }
  }
  return whole;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function upcastStage(pinned: ResolvedStage, config: RunConfig): ResolvedStage {
  const stage = withDefaults(PipelineStage, pinned);
  const isResolved =
    stage.wait !== undefined || (stage.timeout_seconds !== undefined && stage.retry_attempts !== undefined);
  return isResolved ? (stage as ResolvedStage) : resolveStage(stage, config);
}
