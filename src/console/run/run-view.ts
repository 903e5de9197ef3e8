// What the page knows of a run: the fold of its events, live or replayed, so that whoever reloads sees what they saw.
// Pure; times are the events' own, in ms since the epoch.
import type { ExecutionEvent } from "../../client/index.ts";
import type { LifecycleEvent } from "../../contract/event.ts";
import type { ExecutionStatus, PipelineExecution } from "../../contract/execution.ts";
import type { PipelineStage, StageResult, StageStatus } from "../../contract/stage.ts";

/** A try, or the wait before the next one. `to` is null while it lasts, and may lie ahead for a wait. */
export interface Span {
  kind: "try" | "wait";
  attempt: number;
  from: number;
  to: number | null;
  /** How a try ended. */
  outcome: "running" | "completed" | "failed" | "cancelled";
}

export interface StageStory {
  name: string;
  definition: PipelineStage;
  status: StageStatus | "retrying";
  attempt: number;
  spans: readonly Span[];
  /** When the next try begins. */
  retry_at: number | null;
  /** The last thing to be said of it: what it does, why it waits, why it ended so. */
  note: string;
  /** 0 to 1, where the agent tells. */
  fraction: number | null;
  fallback: string | null;
  result: StageResult | null;
  text: string;
}

export interface Story {
  execution_id: string;
  query: string;
  pipeline: string;
  status: ExecutionStatus;
  started_at: number;
  ended_at: number | null;
  stages: readonly StageStory[];
  pauses: readonly { from: number; to: number | null }[];
  /** The stage whose text is read as the answer: the last one that wrote. */
  speaker: string | null;
  /** Everything that was logged, in order. */
  events: readonly LifecycleEvent[];
  seq: number;
  /** The whole, once it has ended. */
  execution: PipelineExecution | null;
}

interface Started {
  query: string;
  pipeline: string;
  stages: readonly PipelineStage[];
}

export function tell(before: Story | null, event: ExecutionEvent): Story | null {
  if (event.type === "execution.started") return begin(event);
  if (before === null) return null;
  if (event.type === "stage.delta") {
    const { stage, text } = event;
    return { ...change(before, stage, (known) => ({ ...known, text })), speaker: stage };
  }
  if (event.type === "stage.progress") {
    const { message, fraction } = event.data;
    return change(before, event.stage, (known) => ({ ...known, note: message, fraction: fraction ?? null }));
  }
  const at = Date.parse(event.timestamp);
  const story = { ...before, events: [...before.events, event as LifecycleEvent], seq: event.seq };
  switch (event.type) {
    case "execution.paused":
      return pause(story, at, event.data["mode"] === "abort");
    case "execution.resumed":
      return {
        ...story,
        status: "running",
        pauses: story.pauses.map((span) => ({ ...span, to: span.to ?? at })),
      };
    case "execution.recovered":
      return story;
    case "execution.completed":
    case "execution.failed":
    case "execution.cancelled":
      return end(story, at, event.data);
    case "stage.started":
      return change(story, event.stage, (known) => start(known, at, event.attempt ?? 1));
    case "stage.retrying": {
      const { delay_ms, next_attempt, error } = event.data;
      const wait: Span = {
        kind: "wait",
        attempt: next_attempt,
        from: at,
        to: at + delay_ms,
        outcome: "running",
      };
      return change(story, event.stage, (known) => ({
        ...known,
        status: "retrying",
        retry_at: at + delay_ms,
        note: error.message,
        spans: [...closed(known.spans, at, "failed"), wait],
      }));
    }
    case "stage.fallback":
      return change(story, event.stage, (known) => ({
        ...known,
        fallback: event.data.strategy,
        note: event.data.reason,
        spans: closed(known.spans, at, "failed"),
      }));
    case "stage.skipped":
      return change(story, event.stage, (known) => ({
        ...known,
        status: "skipped",
        note: event.data.reason,
      }));
    case "stage.cancelled":
      return change(story, event.stage, (known) => ({
        ...known,
        status: "cancelled",
        retry_at: null,
        spans: closed(known.spans, at, "cancelled"),
      }));
    case "stage.completed":
    case "stage.failed":
      return change(story, event.stage, (known) => finish(known, at, event.data));
  }
}

/** The whole of an execution, where its last event was too large to bring it. */
export function complete(story: Story, execution: PipelineExecution): Story {
  const stages = story.stages.map((stage) => ({
    ...stage,
    result: execution.stage_results[stage.name] ?? stage.result,
  }));
  return { ...story, execution, stages };
}

export function isOver(status: ExecutionStatus): boolean {
  return status !== "running" && status !== "paused";
}

function begin(event: LifecycleEvent): Story {
  const { query, pipeline, stages } = event.data as unknown as Started;
  return {
    execution_id: event.execution_id,
    query,
    pipeline,
    status: "running",
    started_at: Date.parse(event.timestamp),
    ended_at: null,
    stages: stages.map(waiting),
    pauses: [],
    speaker: null,
    events: [event],
    seq: event.seq,
    execution: null,
  };
}

export function waiting(definition: PipelineStage): StageStory {
  return {
    name: definition.name,
    definition,
    status: "pending",
    attempt: 0,
    spans: [],
    retry_at: null,
    note: "",
    fraction: null,
    fallback: null,
    result: null,
    text: "",
  };
}

function start(known: StageStory, at: number, attempt: number): StageStory {
  const span: Span = { kind: "try", attempt, from: at, to: null, outcome: "running" };
  return {
    ...known,
    status: "running",
    attempt,
    retry_at: null,
    fraction: null,
    note: "",
    text: "",
    // A try that nothing ended was cut short, by a crash of the coordinator or a pause.
    spans: [...closed(known.spans, at, "cancelled"), span],
  };
}

function finish(known: StageStory, at: number, result: StageResult): StageStory {
  const failed = result.status === "failed";
  return {
    ...known,
    status: result.status,
    attempt: result.attempts,
    retry_at: null,
    fraction: null,
    fallback: result.fallback?.strategy ?? known.fallback,
    note: failed ? (result.error?.message ?? "") : "",
    result,
    spans: closed(known.spans, at, failed ? "failed" : "completed"),
  };
}

function pause(story: Story, at: number, aborts: boolean): Story {
  const stages = aborts
    ? story.stages.map((stage) =>
        stage.status === "running"
          ? { ...stage, status: "pending" as const, spans: closed(stage.spans, at, "cancelled") }
          : stage,
      )
    : story.stages;
  return { ...story, status: "paused", stages, pauses: [...story.pauses, { from: at, to: null }] };
}

function end(story: Story, at: number, execution: PipelineExecution): Story {
  const stages = story.stages.map((stage) => ({
    ...stage,
    retry_at: null,
    spans: closed(stage.spans, at, "cancelled"),
    result: stage.result ?? execution.stage_results[stage.name] ?? null,
  }));
  const pauses = story.pauses.map((span) => ({ ...span, to: span.to ?? at }));
  return { ...story, status: execution.status, ended_at: at, stages, pauses, execution };
}

/** The spans with whatever still lasts ended here; a wait ends where the next thing begins. */
function closed(spans: readonly Span[], at: number, outcome: Span["outcome"]): Span[] {
  return spans.map((span) => {
    if (span.kind === "wait") return span.to !== null && span.to <= at ? span : { ...span, to: at };
    return span.to === null ? { ...span, to: at, outcome } : span;
  });
}

function change(story: Story, name: string, by: (stage: StageStory) => StageStory): Story {
  return { ...story, stages: story.stages.map((stage) => (stage.name === name ? by(stage) : stage)) };
}
