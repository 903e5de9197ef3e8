// The events of an execution as the client yields them: src/contract/README.md section 3 in types, with the rule of
// deltas applied (every delta carries the stage's whole text so far) and with the answer where something completes.
import type { EventOf, LifecycleEvent, StageDelta, StageProgress } from "../contract/event.ts";

/**
 * The last event of every execution. Its data is the PipelineExecution, without its bulk where `truncated`.
 *
 * @example
 * const answerOf = (event: TerminalEvent) => (event.type === "execution.completed" ? event.data.final_result : null);
 */
export type TerminalEvent = EventOf<"execution.completed" | "execution.failed" | "execution.cancelled">;

/**
 * A piece of a stage's text, with all of that text. `data.offset` is in UTF-16 units from the start of the text.
 *
 * @example
 * const lengthOf = ({ stage, attempt, text }: TextEvent) => `${stage}, try ${attempt}: ${text.length} characters`;
 */
export type TextEvent = StageDelta & {
  /** The whole text of the stage's attempt so far. */
  text: string;
};

/**
 * An event of an execution; its `type` says which. Logged ones have a `seq` and a `timestamp` (RFC 3339); deltas and
 * progress have neither. A later version of the coordinator may send types that are not among these: pass over them.
 *
 * @example
 * const errorOf = (event: ExecutionEvent) => (event.type === "stage.retrying" ? event.data.error.message : null);
 */
export type ExecutionEvent = LifecycleEvent | StageProgress | TextEvent;

/** An event as it came over the wire. */
export type WireEvent = Exclude<ExecutionEvent, TextEvent> | StageDelta;

/**
 * Whether the event is the execution's last one; its data is then the execution.
 *
 * @param event as `stream` and callbacks give it
 * @returns true for `execution.completed`, `execution.failed` and `execution.cancelled`. Nothing is thrown
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
 *
 * @example
 * const shown = ({ status, partial_answer }: StreamUpdate) => `${status}: ${partial_answer ?? ""}`;
 */
export type StreamUpdate =
  | (TextEvent & { partial_answer: string })
  | (Exclude<ExecutionEvent, TextEvent> & { partial_answer?: string });

/** Reads one run's events in their order and adds what `StreamUpdate` adds. */
export class UpdateReader {
  /** The text of each stage, and of each item of one that maps: a new attempt empties it; then it is cut at `offset` and appended to. */
  private readonly texts = new Map<string, { attempt: number; text: string }>();
  /** The answers of the stages that have completed. */
  private readonly answers = new Map<string, string>();

  update(event: WireEvent): StreamUpdate {
    switch (event.type) {
      case "stage.started":
        this.texts.delete(unitOf(event));
        return event;
      case "stage.delta": {
        const text = this.append(event);
        return { ...event, text, partial_answer: text };
      }
      case "stage.completed": {
        const answer = answerIn(event.data.data) ?? this.textOf(event);
        if (answer === undefined) return event;
        if (event.item === undefined) this.answers.set(event.stage, answer);
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

  private append(event: StageDelta): string {
    const { attempt, data } = event;
    const { partial_answer, offset } = data;
    const unit = unitOf(event);
    const known = this.texts.get(unit);
    const before = known?.attempt === attempt ? known.text : "";
    const text = before.slice(0, offset) + partial_answer;
    this.texts.set(unit, { attempt, text });
    return text;
  }

  /** The text that led to this result; a fallback's and the cache's results were not written by the attempt. */
  private textOf(event: EventOf<"stage.completed">): string | undefined {
    const { attempt, data } = event;
    if (data.cached || data.fallback !== null) return undefined;
    const known = this.texts.get(unitOf(event));
    return known?.attempt === attempt && known?.text !== "" ? known?.text : undefined;
  }

  /** @param stages absent in events of version 0.1.0 */
  private lastAnswer(stages: readonly string[] | undefined): string | undefined {
    const last = stages?.findLast((stage) => this.answers.has(stage));
    return last === undefined ? undefined : this.answers.get(last);
  }
}

/** The displayable text of an agent's data (src/contract/README.md section 4), if it has one. */
function answerIn(data: unknown): string | undefined {
  const { answer } = Object(data) as { answer?: unknown };
  return typeof answer === "string" ? answer : undefined;
}

/** What has a text of its own. */
function unitOf({ stage, item }: { stage: string; item?: number | undefined }): string {
  return item === undefined ? stage : `${stage}[${item}]`;
}
