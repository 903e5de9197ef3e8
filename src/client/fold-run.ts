// What the events of the run itself change in its view: its beginning and end, pauses, and the status that follows from its
// stages'. Pure.
import type { EventOf } from "../contract/event.ts";
import type { PipelineExecution } from "../contract/execution.ts";
import {
  isRunOver,
  pendingStage,
  type RunBudget,
  type RunView,
  type StageSpan,
  type StageView,
} from "./run-view.ts";

const UNENDED: ReadonlySet<StageView["status"]> = new Set(["pending", "running", "waiting", "retrying"]);

export function begin(event: EventOf<"execution.queued" | "execution.started">): RunView {
  const { query, pipeline, stages, forked_from = null } = event.data;
  return {
    execution_id: event.execution_id,
    query,
    pipeline,
    status: event.status,
    queue:
      event.type === "execution.queued" ? { behind: event.data.behind, position: event.data.position } : null,
    forked_from,
    superseded_by: null,
    started_at: Date.parse(event.timestamp),
    ended_at: null,
    stages: stages.map(pendingStage),
    pauses: [],
    budget: null,
    usage: {},
    answer: null,
    events: [event],
    seq: event.seq,
    execution: null,
  };
}

/** In mode abort the stages in flight are stopped, to run again after the resume; a question stays open. */
export function pause(view: RunView, at: number, data: EventOf<"execution.paused">["data"]): RunView {
  const stages = view.stages.map((stage): StageView => {
    const isInFlight = stage.status === "running" || stage.wait?.reason === "callback";
    if (data.mode !== "abort" || !isInFlight) return stage;
    return { ...stage, status: "pending", wait: null, spans: closed(stage.spans, at, "cancelled") };
  });
  return {
    ...view,
    status: "paused",
    stages,
    pauses: [...view.pauses, { from: at, to: null }],
    budget: "spent" in data ? spentBudget(data) : null,
  };
}

type SpentData = Extract<EventOf<"execution.paused">["data"], { reason: "budget" }>;

function spentBudget({ spent, limit, by_stage, scope }: SpentData): RunBudget {
  return { spent, limit, by_stage, scope: scope ?? null };
}

export function resume(view: RunView, at: number): RunView {
  return { ...view, status: "running", pauses: endedPauses(view, at), budget: null };
}

export function end(view: RunView, at: number, execution: PipelineExecution): RunView {
  const stages = view.stages.map((stage) => ({
    ...stage,
    retry_at: null,
    wait: null,
    queue: null,
    spans: closed(stage.spans, at, "cancelled"),
    result: stage.result ?? execution.stage_results[stage.name] ?? null,
  }));
  return {
    ...view,
    status: execution.status,
    queue: null,
    superseded_by: execution.execution_metadata?.superseded_by ?? null,
    ended_at: at,
    stages,
    pauses: endedPauses(view, at),
    budget: null,
    usage: execution.usage ?? view.usage,
    execution,
  };
}

/** The status of a run that goes on: it waits while nothing but an answer from outside makes it go on. */
export function settled(view: RunView): RunView {
  if (view.status === "paused" || view.status === "queued" || isRunOver(view.status)) return view;
  const status = isWaiting(view.stages) ? "waiting" : "running";
  return status === view.status ? view : { ...view, status };
}

/** True where some stage waits for the outside, and no other is at work, delayed or ready. */
function isWaiting(stages: readonly StageView[]): boolean {
  if (!stages.some(({ status }) => status === "waiting")) return false;
  const open = new Set(stages.filter(({ status }) => UNENDED.has(status)).map(({ name }) => name));
  return stages.every(({ status, definition }) => {
    if (status === "pending") return definition.depends_on.some((name) => open.has(name));
    return status !== "running" && status !== "retrying";
  });
}

function endedPauses({ pauses }: RunView, at: number): RunView["pauses"] {
  return pauses.map((span) => ({ ...span, to: span.to ?? at }));
}

/** The spans with those that last ended here; a wait ends where the next thing begins. */
export function closed(spans: readonly StageSpan[], at: number, outcome: StageSpan["outcome"]): StageSpan[] {
  return spans.map((span) => {
    if (span.kind === "wait") return span.to !== null && span.to <= at ? span : { ...span, to: at };
    if (span.to !== null) return span;
    // The wait for the agent is over where its call is made, or is not needed any more.
    return { ...span, to: at, outcome: span.kind === "queued" ? "completed" : outcome };
  });
}
