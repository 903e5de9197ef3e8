// runStage: one call of one stage, from the state to its outcome: what the result cache knows, else the agent as its
// breaker allows it, hedged where the stage asks for it. Owns the try's clock (timeout_seconds, and the silence of
// idle_timeout_seconds); a later answer is dropped.
import type { AgentCall } from "../../contract/agent.ts";
import type { AgentStage } from "../../contract/stage.ts";
import { shownAgent } from "../../core/security/agent-target.ts";
import { type CacheKey, cacheKey } from "../../core/caching/cache-key.ts";
import { cachePolicy } from "../../core/caching/cached-result.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import { dataOf } from "../../core/execution/evolve.ts";
import type { Invocation } from "../../core/execution/next-actions.ts";
import { conforming } from "../../core/execution/output.ts";
import { agentStageOf, specOf } from "../../core/execution/schedule.ts";
import type { UnitName } from "../../core/execution/units/unit-name.ts";
import { stageInput } from "../../core/execution/stage-input.ts";
import { fieldMessage } from "../../core/expressions/field.ts";
import { type ExecutionState, stageOf } from "../../core/execution/state.ts";
import { unitScope } from "../../core/execution/units/unit-scope.ts";
import type { CallFailure } from "../../core/resilience/classify.ts";
import { callTraceparent } from "../../core/monitoring/tracing/trace-context.ts";
import { type Fallback, fallbackOf } from "../../core/resilience/fallback.ts";
import { callbackUrl } from "./callback.ts";
import { hedgedCall } from "./hedged-call.ts";
import { runChild } from "./run-child.ts";
import { guardedCall } from "./guarded-call.ts";
import type {
  AgentHealth,
  AgentPlaces,
  AgentRequest,
  Ports,
  RunSpending,
  StageCache,
  StageHooks,
} from "../ports.ts";
import { lastResult, throughCache } from "./cached-call.ts";

/** The ports of one run's calls. */
export interface StagePorts extends Pick<Ports, "agents" | "clock" | "callbackToken" | "children"> {
  shared?: { cache: StageCache; health: AgentHealth; places?: AgentPlaces; spending?: RunSpending };
}

const REJECTED: CallOutcome = { ok: false, failure: { kind: "rejected" } };

/** Calls the stage's agent; resolves with the outcome, also when the try's time is over or `signal` aborts. */
export async function runStage(
  ports: StagePorts,
  state: ExecutionState,
  invocation: Invocation,
  hooks: StageHooks,
): Promise<CallOutcome> {
  const unit = invocation.stage;
  if (specOf(state, unit).pipeline !== undefined) return runChild(ports, state, invocation, hooks);
  const stage = agentStageOf(state, unit);
  const fallback = invocation.kind === "fallback" ? fallbackOf(stage, state.spec.config) : null;
  const input = stageInput(state, unit);
  // A fallback may be there because of it.
  if (input !== null && !input.ok && fallback === null) {
    return { ok: false, failure: { kind: "input", detail: fieldMessage(input.error) } };
  }
  const request = agentRequest(state, invocation, fallback, ports.clock.now());
  if (input?.ok === true) request.call.input = input.value;
  const { previous_error, reply, questions } = stageOf(state, unit);
  if (stage.on_input_required === "wait" && fallback === null) request.may_ask = true;
  if (reply !== null && fallback === null) {
    request.answer = reply;
    // Another request than the one that has asked.
    request.idempotency_key = `${request.idempotency_key}.answer${questions}`;
  }
  if (previous_error !== null && fallback === null) {
    const { code, message } = previous_error;
    request.call.previous_error = { code, message };
  }
  if (invocation.kind === "lookup") {
    return conforming(stage, await lastResult(ports.shared?.cache, request, hooks));
  }
  if (stage.callback_timeout_seconds !== undefined) {
    request.callback_url = await callbackUrl(ports, state, { stage: unit, call: invocation.call });
  }
  const call = (ownHooks: StageHooks, waited_ms: number): Promise<CallOutcome> => {
    // What the cache was to answer is to be called after all.
    if (hooks.unplaced === true) return Promise.resolve({ ok: "queued", reason: "concurrency", until: null });
    const timed = waited_ms === 0 ? request : withoutWait(request, waited_ms);
    const time_ms = stage.timeout_seconds * 1_000 - waited_ms;
    return guardedCall(ports, state, unit, timed, ownHooks.signal, () =>
      tryCall(ports, stage, timed, time_ms, ownHooks),
    );
  };
  // An answer of a person's is no input that another run has.
  if (invocation.kind === "fallback" || request.answer !== undefined) return call(hooks, 0);
  return throughCache(ports, state, stage, request, invocation.call, hooks, call);
}

/** What the result cache may answer in place of the unit's first call; null where nothing can. */
export function cacheableCall(
  state: ExecutionState,
  unit: UnitName,
  now: number,
): { key: CacheKey; ttl_seconds: number } | null {
  const stage = agentStageOf(state, unit);
  const policy = cachePolicy(stage, state.spec.config);
  if (policy?.serve !== true || state.spec.bypass_cache === true) return null;
  const input = stageInput(state, unit);
  if (input?.ok === false) return null;
  const invocation = { stage: unit, call: 0, attempt: 1, repeated: false, kind: "call" as const };
  const { tenant, registration, call } = agentRequest(state, invocation, null, now);
  const asked = input === null ? call : { ...call, input: input.value };
  return { key: cacheKey(tenant, registration, asked, stage.output_schema), ttl_seconds: policy.ttl_seconds };
}

/** The request with the time that is left of its try. */
function withoutWait(request: AgentRequest, waited_ms: number): AgentRequest {
  const { call } = request;
  return { ...request, call: { ...call, timeout_ms: Math.max(1, call.timeout_ms - waited_ms) } };
}

/** One try: its answer, or its timeout. @param time_ms the time left */
function tryCall(
  ports: StagePorts,
  stage: AgentStage,
  request: AgentRequest,
  time_ms: number,
  hooks: StageHooks,
): Promise<CallOutcome> {
  // The steps before the try may have taken so long that the run no longer waits for it.
  if (hooks.signal.aborted) return Promise.resolve(REJECTED);
  const cut = new AbortController();
  const idleMs = stage.idle_timeout_seconds === undefined ? null : stage.idle_timeout_seconds * 1_000;
  return new Promise<CallOutcome>((resolve) => {
    let stopIdle = () => {};
    const end = (outcome: CallOutcome) => {
      stopTry();
      stopIdle();
      const ended = conforming(stage, outcome);
      resolve(ended.ok ? ended : withUrl(ended, request));
    };
    let failed: CallFailure | null = null;
    const timeUp = (timeout_ms: number, idle: boolean) => {
      end({ ok: false, failure: failed ?? { kind: "timeout", timeout_ms, idle } });
      cut.abort();
    };
    const failing = (failure: CallFailure) => {
      failed = failure;
    };
    const watchSilence = () => {
      if (idleMs === null) return;
      stopIdle();
      stopIdle = ports.clock.after(idleMs, () => timeUp(idleMs, true));
    };
    const stopTry = ports.clock.after(time_ms, () => timeUp(time_ms, false));
    watchSilence();
    hooks.signal.addEventListener("abort", () => {
      cut.abort();
      // The outcome is unused: awaiting it frees the connection's slot, even if the agent is still working.
      end(REJECTED);
    });
    const ownHooks = {
      ...hooks,
      signal: cut.signal,
      alive: watchSilence,
      failing,
      hears_silence: idleMs !== null,
    };
    const answer =
      stage.hedge_after_ms === undefined || ports.shared === undefined
        ? ports.agents.call(request, ownHooks)
        : hedgedCall(ports, ports.shared, request, stage.hedge_after_ms, ownHooks);
    void answer.then(end);
  });
}

/** The failure with the agent's URL, as it may be shown. */
function withUrl(outcome: Extract<CallOutcome, { ok: false }>, { registration }: AgentRequest): CallOutcome {
  if (registration === null) return outcome;
  return { ...outcome, failure: { ...outcome.failure, url: shownAgent(registration) } };
}

function agentRequest(
  state: ExecutionState,
  invocation: Invocation,
  fallback: Fallback | null,
  now: number,
): AgentRequest {
  const { spec } = state;
  const stage = agentStageOf(state, invocation.stage);
  const simple = fallback?.strategy === "use_simple_model" ? fallback : null;
  const agent_type = simple?.agent_type ?? stage.agent_type;
  const call: AgentCall = {
    execution_id: spec.execution_id,
    conversation_id: spec.conversation_id,
    stage: stage.name,
    agent_type,
    attempt: invocation.attempt,
    query: spec.query,
    config: simple?.config ?? stage.config,
    inputs: {
      ...spec.inputs,
      ...Object.fromEntries(stage.depends_on.map((name) => [name, dataOf(state, name)])),
    },
    context: state.context,
    ...unitScope(state, invocation.stage),
    history: spec.history,
    timeout_ms: Math.max(1, Math.min(stage.timeout_seconds * 1_000, state.deadline_at - now)),
  };
  const iteration = (call.iteration ?? 1) > 1 ? `.${call.iteration}` : "";
  return {
    tenant: spec.tenant,
    registration: spec.agents[agent_type] ?? null,
    call,
    idempotency_key: `${spec.execution_id}.${invocation.stage}${iteration}${simple === null ? "" : ".fallback"}`,
    traceparent:
      spec.traceparent === null
        ? null
        : callTraceparent(spec.traceparent, spec.execution_id, invocation.call),
    callback_url: null,
  };
}
