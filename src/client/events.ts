// The events of an execution as a reader of the client gets them: API.md section 3 in types, and the one rule of
// deltas, applied: every delta carries the stage's whole text so far.
import type { StageDelta, StageProgress } from "../contract/event.ts";
import type { LIFECYCLE_TYPES } from "../contract/lifecycle.ts";
import type { PipelineExecution } from "../contract/execution.ts";
import type { JsonObject } from "../contract/json.ts";
import type { StageError, StageResult } from "../contract/stage.ts";

type LifecycleType = (typeof LIFECYCLE_TYPES)[number];
type TerminalType = "execution.completed" | "execution.failed" | "execution.cancelled";

interface Told<Type extends LifecycleType, Data> {
  execution_id: string;
  /** 1, 2, 3 … without a gap. */
  seq: number;
  timestamp: string;
  type: Type;
  status: string;
  message: string;
  data: Data;
}

interface ToldOfStage<Type extends LifecycleType, Data> extends Told<Type, Data> {
  stage: string;
  attempt?: number;
}

/** The last event of every execution. Its data is the PipelineExecution, without its bulk where `truncated`. */
export type TerminalEvent = Told<TerminalType, PipelineExecution>;

/** A piece of a stage's text, with all of that text. */
export type TextEvent = StageDelta & {
  /** The whole text of the stage's attempt so far. */
  text: string;
};

export type ExecutionEvent =
  | Told<"execution.started" | "execution.paused" | "execution.resumed" | "execution.recovered", JsonObject>
  | TerminalEvent
  | ToldOfStage<"stage.started" | "stage.cancelled", JsonObject>
  | ToldOfStage<"stage.retrying", { error: StageError; delay_ms: number; next_attempt: number }>
  | ToldOfStage<"stage.fallback", { strategy: string; reason: string }>
  | ToldOfStage<"stage.skipped", { reason: string }>
  | ToldOfStage<"stage.completed" | "stage.failed", StageResult>
  | StageProgress
  | TextEvent;

/** An event as it came over the wire. */
export type WireEvent = Exclude<ExecutionEvent, TextEvent> | StageDelta;

export function isTerminalEvent(event: ExecutionEvent): event is TerminalEvent {
  return (
    event.type === "execution.completed" ||
    event.type === "execution.failed" ||
    event.type === "execution.cancelled"
  );
}

/** The texts of a run's stages: a new attempt empties the text; then it is cut at `offset` and appended to. */
export class StageTexts {
  private readonly stages = new Map<string, { attempt: number; text: string }>();

  /** The stage's whole text with this delta. */
  apply({ stage, attempt, data: { partial_answer, offset } }: StageDelta): string {
    const known = this.stages.get(stage);
    const before = known?.attempt === attempt ? known.text : "";
    const text = before.slice(0, offset) + partial_answer;
    this.stages.set(stage, { attempt, text });
    return text;
  }
}
