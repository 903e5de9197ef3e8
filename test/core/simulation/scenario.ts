// Scenario: everything that chance decides about one simulated run, drawn from its seed: the pipeline, what each call
// comes to, which commands come when, where the coordinator crashes.
import type { CoordinatorConfig } from "../../../src/contract/config.ts";
import type { AgentStage, ResolvedStage } from "../../../src/contract/stage.ts";
import type { CallEnding, Command } from "../../../src/core/execution/command.ts";
import type { Invocation } from "../../../src/core/execution/next-actions.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import type { CallFailure } from "../../../src/core/resilience/classify.ts";
import { forUnits, withUnits } from "./mapped/draw.ts";
import {
  answeringLater,
  asking,
  drawLater,
  drawSaid,
  drawUnasked,
  type Later,
  type Said,
} from "./outside/draw.ts";
import { Random } from "./random.ts";
import { makeSpec, makeStage } from "./spec.ts";

export type Verb = Extract<Command, { type: "pause" | "resume" | "cancel" }>;

/** What a call comes to, and after how long. */
export interface CallPlan {
  duration_ms: number;
  outcome: CallEnding;
  /** An aborted call's answer comes all the same, this much after the abort. */
  late_ms: number | null;
  /** The agent answers 202 instead of `outcome`. */
  later?: Later;
}

export interface Scenario {
  spec: RunSpec;
  started_at: number;
  /** Ascending. */
  verbs: { at: number; command: Verb }[];
  /** Answers that do not wait for their question. */
  unasked: ReturnType<typeof drawUnasked>;
  /** What is said when a stage asks. */
  said(stage: string): Said[];
  plan(stage: AgentStage, attempt: number, kind: Invocation["kind"]): CallPlan;
  /** Whether the coordinator dies at its n-th point, counted from 1 over all its lives. */
  crashAt(point: number, kind: "decided" | "written" | "acted", during: Command["type"]): boolean;
  downtime_ms(): number;
  /** How much later than it was set a timer fires. */
  lateness_ms(): number;
  /** How far the clock is set back after this step; 0 nearly always. */
  setBack_ms(): number;
  /** Whether a turn's events wait for the next turn. */
  groups(): boolean;
  chance(): number;
}

// Names that every object inherits, and names that objects put first: none may be special.
const ODD_NAMES = ["toString", "valueOf", "hasOwnProperty", "7", "0", "a.b-c_d", "__defineGetter__"];
const FALLBACKS: NonNullable<AgentStage["fallback"]>[] = [
  "use_cached_results",
  "use_simple_model",
  { strategy: "use_simple_model", agent_type: "simple", config: {} },
  { strategy: "use_default", data: { sorry: true } },
  { strategy: "use_default", data: { much: "x".repeat(900) } },
];
const WHENS = [
  "true",
  "false",
  "query.size() > 3",
  "context.seen == 1",
  "1 / 0 == 1",
  'results["first"] != null',
  "results.nobody.field",
];

/**
 * @param shared with what executions share: fallbacks, a result cache, breakers, retry budgets
 * @param outside with stages that ask, and agents that answer later
 * @param units some with stages that map a list, and that repeat
 */
export function drawScenario(
  seed: number,
  size: number,
  shared = false,
  outside = false,
  units = false,
): Scenario {
  const random = new Random(seed);
  const agents = drawSpec(random, size, shared && random.odds(0.5) ? 0.5 : 0);
  const askers = outside ? withOutside(random, agents) : agents;
  const hasUnits = units && random.odds(0.5);
  const spec = hasUnits ? withUnits(random, askers) : askers;
  const draw = (stage: AgentStage): CallPlan => {
    const drawn = drawCall(random, stage, failing);
    return hasUnits ? { ...drawn, outcome: forUnits(random, drawn.outcome) } : drawn;
  };
  const started_at = 1_764_000_000_000 + random.int(0, 999);
  const crash = random.pick(["every", "often", "sometimes", "once", "never"] as const);
  const failing = random.pick([0, 0.05, 0.2, 0.5]);
  const once = random.int(1, 4 + size * 3);
  const jittery = random.odds(0.3);
  const backwards = random.odds(0.2) ? 0.05 : 0;
  const grouping = random.pick([0, 0.5, 0.9]);
  const after = random.pick(["written", "acted"] as const);
  return {
    spec,
    started_at,
    verbs: drawVerbs(random, started_at),
    unasked: outside ? drawUnasked(random, spec.stages) : [],
    said: () => drawSaid(random),
    plan: (stage, _attempt, kind) => {
      if (kind === "lookup") return drawLookup(random);
      const drawn = draw(stage);
      if (stage.callback_timeout_seconds !== undefined) {
        const later = drawLater(random, () => draw(stage).outcome);
        if (later !== null) return { ...drawn, duration_ms: Math.min(drawn.duration_ms, 900), later };
      }
      return shared && random.odds(0.1) ? drawShared(random, stage, drawn, kind) : drawn;
    },
    crashAt: (point, kind, during) => {
      // After every effect that was committed; a recovery is let through, else it would not be one.
      if (crash === "every") return kind === after && during !== "recover";
      if (crash === "once") return point === once;
      return crash !== "never" && random.odds(crash === "often" ? 0.15 : 0.03);
    },
    downtime_ms: () => random.pick([0, 0, 1, 30, 2_000, 20_000]),
    lateness_ms: () => (jittery ? random.pick([0, 0, 1, 7, 400]) : 0),
    setBack_ms: () => (random.odds(backwards) ? random.int(1, 5_000) : 0),
    groups: () => random.odds(grouping),
    chance: () => random.next(),
  };
}

function drawSpec(random: Random, size: number, rescued: number): RunSpec {
  const stages = random.shuffle(drawStages(random, size)).map((stage) => {
    return random.odds(rescued) ? { ...stage, fallback: random.pick(FALLBACKS) } : stage;
  });
  const config: Partial<CoordinatorConfig> = {
    max_concurrent_stages: random.int(1, 6),
    enable_parallel_execution: random.odds(0.85),
    pipeline_timeout_seconds: random.pick([0.5, 20, 60, 300, 300, 3_000]),
    retry_delay_seconds: random.pick([0, 0.01, 0.5, 1, 20]),
    retry_backoff_factor: random.pick([1, 2, 3]),
    max_pause_seconds: random.pick([0.1, 5, 60, 604_800]),
    enable_state_recovery: random.odds(0.9),
    memory_limit_mb: random.odds(0.2) ? 0.001 : 16,
  };
  const context = random.odds(0.5) ? { seen: 1, note: "ü".repeat(random.int(0, 20)) } : {};
  return makeSpec(stages, config, { context });
}

/** Some stages ask, and some agents answer later. */
function withOutside(random: Random, spec: RunSpec): RunSpec {
  const asks = random.pick([0, 0, 0.2, 0.6]);
  const late = random.pick([0, 0, 0.3, 0.8]);
  const stages = spec.stages.map((stage): ResolvedStage => {
    if (stage.agent_type === undefined) return stage;
    if (random.odds(asks)) return asking(random, stage);
    return random.odds(late) ? answeringLater(random, stage) : stage;
  });
  return { ...spec, stages };
}

function drawStages(random: Random, size: number): AgentStage[] {
  const odd = random.odds(0.3) ? random.shuffle(ODD_NAMES) : [];
  const names = Array.from({ length: size }, (_, at) => odd[at] ?? (at === 0 ? "first" : `s${at}`));
  const density = random.pick([0, 0.1, 0.3, 0.8]);
  const parallel = random.pick([0.2, 0.7, 1]);
  const optional = random.pick([0.2, 0.6, 0.95]);
  const conditional = random.pick([0, 0, 0.3]);
  let edges = 0;
  return names.map((name, at) => {
    const depends_on = names
      .slice(0, at)
      .filter(() => edges < 256 && random.odds(density) && (edges += 1) > 0);
    return makeStage(name, {
      depends_on: random.shuffle(depends_on),
      required: !random.odds(optional),
      parallel: random.odds(parallel),
      timeout_seconds: random.pick([2, 10, 60, 60]),
      retry_attempts: random.pick([1, 2, 3, 4, 10]),
      ...(random.odds(conditional) ? { when: random.pick(WHENS) } : {}),
    });
  });
}

function drawVerbs(random: Random, started_at: number): Scenario["verbs"] {
  const count = random.odds(0.5) ? 0 : random.int(1, 6);
  const span = random.pick([100, 2_000, 20_000]);
  const verbs = Array.from({ length: count }, () => ({
    at: started_at + random.int(0, span),
    command: drawVerb(random),
  }));
  return verbs.toSorted((a, b) => a.at - b.at);
}

function drawVerb(random: Random): Verb {
  const kind = random.int(1, 10);
  if (kind === 1) return { type: "cancel", reason: "cancelled by its caller" };
  if (kind <= 5) return { type: "resume" };
  return { type: "pause", mode: random.pick(["drain", "abort"] as const) };
}

function drawCall(random: Random, stage: AgentStage, failing: number): CallPlan {
  const late_ms = random.odds(0.3) ? random.int(0, 2_000) : null;
  const timeout_ms = stage.timeout_seconds * 1_000;
  const worked = random.pick([0, 0, 1, 10, 10, 100, 100, 900, 3_000, 30_000]);
  if (!random.odds(failing) && worked < timeout_ms) {
    return { duration_ms: worked, outcome: success(random), late_ms };
  }
  const failure = worked >= timeout_ms ? timedOut(timeout_ms) : drawFailure(random, stage, timeout_ms);
  const duration_ms = failure.kind === "timeout" ? timeout_ms : Math.min(worked, timeout_ms);
  const usage = random.odds(0.3) ? { usage: { tokens: random.int(0, 9), model: "m" } } : {};
  return { duration_ms, outcome: { ok: false, failure, ...usage }, late_ms };
}

function success(random: Random): CallEnding {
  const data = { said: "word ".repeat(random.int(0, 8)) };
  const context = random.odds(0.3) ? { seen: random.int(0, 2) } : undefined;
  const usage = random.odds(0.3) ? { tokens: random.int(0, 9), toString: 1, model: "m" } : undefined;
  return {
    ok: true,
    answer: {
      data,
      ...(context === undefined ? {} : { context }),
      ...(usage === undefined ? {} : { usage }),
    },
    bytes: random.odds(0.2) ? random.int(100, 900) : JSON.stringify(data).length,
  };
}

/** The last good result, looked for: found, or not there. */
function drawLookup(random: Random): CallPlan {
  const found = random.odds(0.5);
  return {
    duration_ms: random.pick([0, 5]),
    late_ms: null,
    outcome: found
      ? { ok: true, answer: { data: { kept: 1 } }, bytes: 10, cached: true }
      : { ok: false, failure: { kind: "nothing_cached" } },
  };
}

/** An answer from the cache, a breaker that refuses, a retry budget that is spent. */
function drawShared(random: Random, stage: AgentStage, drawn: CallPlan, kind: "call" | "fallback"): CallPlan {
  const { outcome } = drawn;
  if (!outcome.ok) {
    const budget_wait_ms = random.pick([300, 4_500, 29_700, 30_000]);
    return { ...drawn, outcome: { ...outcome, budget_wait_ms } };
  }
  if (kind === "call" && random.odds(0.5)) {
    return { duration_ms: 0, late_ms: null, outcome: { ...outcome, cached: true } };
  }
  const failure: CallFailure = { kind: "refused", agent_type: stage.agent_type, retry_at: 1_764_000_000_000 };
  return { duration_ms: 0, late_ms: null, outcome: { ok: false, failure } };
}

function timedOut(timeout_ms: number): CallFailure {
  return { kind: "timeout", timeout_ms, idle: false };
}

export const STATUSES = [400, 404, 302, 408, 413, 422, 425, 429, 500, 501, 502, 503, 504, 505];

function drawFailure(random: Random, stage: AgentStage, timeout_ms: number): CallFailure {
  const retryable = random.pick([null, null, true, false]);
  // Statuses and what is retried come most often: they are where a run may go wrong slowly.
  switch (random.int(1, 16)) {
    case 1:
      return { kind: "unregistered", agent_type: stage.agent_type };
    case 2:
      return { kind: "not_callable", detail: "the secret is not set" };
    case 3:
      return { kind: "rejected" };
    case 4:
      return { kind: "timeout", timeout_ms, idle: random.odds(0.5) };
    case 5:
      return { kind: "truncated", detail: "the stream ended without a result" };
    case 6:
      return { kind: "contract", detail: "data is missing", status: 200 };
    case 7:
      return { kind: "body_too_large", limit_bytes: 5_242_880 };
    case 8:
      return { kind: "result_too_large", limit_bytes: 1_048_576, bytes: 1_048_577 };
    case 9: {
      const status = random.pick([null, 400, 429, 500, 503]);
      return { kind: "stream_error", status, detail: "went wrong", retryable };
    }
    default: {
      const status = random.pick(STATUSES);
      const retry_after_ms = random.odds(0.4) ? random.pick([0, 500, 3_000, 3_600_000]) : null;
      return { kind: "status", status, detail: null, retryable, retry_after_ms };
    }
  }
}
