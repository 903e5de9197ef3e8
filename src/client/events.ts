// The events of an execution as a reader of the client gets them: src/contract/README.md section 3 in types, with the
// rule of deltas applied (every delta carries the stage's whole text so far) and with the answer where something
// completes.
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

type CompletedStageEvent = ToldOfStage<"stage.completed", StageResult>;

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
  | CompletedStageEvent
  | ToldOfStage<"stage.failed", StageResult>
  | StageProgress
  | TextEvent;

/** An event as it came over the wire. */
export type WireEvent = Exclude<ExecutionEvent, TextEvent> | StageDelta;

/**
 * Whether the event is the execution's last one; its data is then the execution.
 *
 * @example
 * for await (const update of client.stream(execution_id)) {
 *   if (isTerminalEvent(update)) console.log(update.data.final_result);
 * }
 */
export function isTerminalEvent(event: ExecutionEvent): event is TerminalEvent {
  return (
    event.type === "execution.completed" ||
    event.type === "execution.failed" ||
    event.type === "execution.cancelled"
  );
}

/**
 * An event as callbacks and `stream` get it: the coordinator's own, and on some of them `partial_answer` in the
 * specification's sense. It is added by the client and is not on the wire.
 * - `stage.delta`: the whole text of the stage's attempt so far; the new piece alone is `data.partial_answer`.
 * - `stage.completed` (status `completed`): the stage's `data.answer` where it is a string, else the text that it
 *   wrote; absent where it has neither.
 * - `execution.completed` (status `completed`): the answer of the final result, else that of the last final stage that
 *   has one; absent where there is none.
 */
export type StreamUpdate =
  | (TextEvent & { partial_answer: string })
  | (Exclude<ExecutionEvent, TextEvent> & { partial_answer?: string });

/** Reads one run's events in their order and adds what `StreamUpdate` adds. */
export class UpdateReader {
  /** Each stage's text: a new attempt empties it; then it is cut at `offset` and appended to. */
  private readonly texts = new Map<string, { attempt: number; text: string }>();
  /** The answers of the stages that have completed. */
  private readonly answers = new Map<string, string>();

  update(event: WireEvent): StreamUpdate {
    switch (event.type) {
      case "stage.delta": {
        const text = this.append(event);
        return { ...event, text, partial_answer: text };
      }
      case "stage.completed": {
        const answer = answerIn(event.data.data) ?? this.textOf(event);
        if (answer === undefined) return event;
        this.answers.set(event.stage, answer);
        return { ...event, partial_answer: answer };
      }
      case "execution.completed": {
        const answer = answerIn(event.data.final_result) ?? this.lastAnswer(event.data.final_stages);
        return answer === undefined ? event : { ...event, partial_answer: answer };
      }
      default:
        return event;
    }
  }

  private append({ stage, attempt, data: { partial_answer, offset } }: StageDelta): string {
    const known = this.texts.get(stage);
    const before = known?.attempt === attempt ? known.text : "";
    const text = before.slice(0, offset) + partial_answer;
    this.texts.set(stage, { attempt, text });
    return text;
  }

  /** The text that led to this result; a fallback's and the cache's results were not written by the attempt. */
  private textOf({ stage, attempt, data }: CompletedStageEvent): string | undefined {
    if (data.cached || data.fallback !== null) return undefined;
    const known = this.texts.get(stage);
    return known?.attempt === attempt && known?.text !== "" ? known?.text : undefined;
  }

  /** @param stages absent in events of version 0.1.0 */
  private lastAnswer(stages: readonly string[] | undefined): string | undefined {
    const last = stages?.findLast((stage) => this.answers.has(stage));
    return last === undefined ? undefined : this.answers.get(last);
  }
}

/** What is shown to people of an agent's data (src/contract/README.md section 4), where it has that. */
function answerIn(data: unknown): string | undefined {
  const { answer } = Object(data) as { answer?: unknown };
  return typeof answer === "string" ? answer : undefined;
}
