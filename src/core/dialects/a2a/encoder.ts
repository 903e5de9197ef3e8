// A2A's stream of a task: stages as status updates, the answer as artifacts that grow. A text that takes the place of
// another replaces its artifact. The stream ends with the task, or where it needs input.
import type { EventOf, LifecycleEvent } from "../../../contract/event.ts";
import type { JsonObject } from "../../../contract/json.ts";
import { AnswerFold, type StreamEvent, type TextOperation } from "../answer-fold.ts";
import { type Encoder, spentBudget, sseMessage } from "../encoder.ts";
import { RunStages } from "../run-stages.ts";
import { agentMessage, askedParts, JSON_MEDIA, MARKDOWN, PLAIN, taskState, textPart } from "./task.ts";

export interface A2aStream {
  /** Of the JSON-RPC request. */
  id: string | number;
  contextId: string;
  /** The `seq` up to which the client has answered what the task had asked; 0 where it has asked nothing. */
  answeredUpTo: number;
}

export class A2aEncoder implements Encoder {
  isOver = false;
  private readonly stream: A2aStream;
  private readonly fold = new AnswerFold();
  private readonly stages = new RunStages();
  private task_id = "";
  private hasStarted = false;

  constructor(stream: A2aStream) {
    this.stream = stream;
  }

  push(event: StreamEvent): string {
    this.task_id = event.execution_id;
    this.stages.push(event);
    const results = this.fold.push(event).flatMap((operation) => this.artifact(operation));
    results.push(...this.resultsOf(event));
    if (!this.isOver && "seq" in event) results.push(...this.restsHere(event));
    return results.map((result) => this.message({ result })).join("");
  }

  lost(): string {
    this.isOver = true;
    const error = {
      code: -32_603,
      message: "the stream broke off before the end of the task: subscribe to it again",
    };
    return this.message({ error });
  }

  private message(of: JsonObject): string {
    return sseMessage({ jsonrpc: "2.0", id: this.stream.id, ...of });
  }

  private artifact(operation: TextOperation): JsonObject[] {
    const { stage, text } = operation.part;
    const update = (parts: JsonObject[], append: boolean, lastChunk: boolean) => ({
      artifactUpdate: {
        taskId: this.task_id,
        contextId: this.stream.contextId,
        artifact: { artifactId: stage, name: stage, parts },
        append,
        lastChunk,
      },
    });
    switch (operation.type) {
      case "append":
        // The first piece replaces what a try before had said.
        return [update([textPart(operation.text, MARKDOWN)], text.length > operation.text.length, false)];
      case "close": {
        const data = operation.result?.data ?? null;
        return data === null ? [] : [update([{ data, mediaType: JSON_MEDIA }], true, true)];
      }
      case "void":
        // Nothing may follow: a further try need not say anything.
        return [update([textPart("", MARKDOWN)], false, false)];
      case "open":
        return [];
    }
  }

  private resultsOf(event: StreamEvent): JsonObject[] {
    switch (event.type) {
      case "stage.delta":
      case "stage.signalled":
        return [];
      case "stage.progress":
        return [this.working(`${event.execution_id}.p`, event.message, event.stage, event.type, null)];
      case "execution.queued":
      case "execution.started":
        return this.start(event);
      case "execution.paused":
        if (!this.isNew(event)) return [];
        this.isOver = true;
        return [this.status("paused", event, pausedParts(event))];
      case "execution.resumed":
      case "execution.recovered":
        return [];
      case "execution.completed":
      case "execution.failed":
      case "execution.cancelled": {
        this.isOver = true;
        const { error_info } = event.data;
        return [
          this.status(event.status, event, error_info === null ? [] : [textPart(error_info.message, PLAIN)]),
        ];
      }
      default:
        if (!this.isNew(event)) return [];
        return [
          this.working(
            `${event.execution_id}.${event.seq}`,
            event.message,
            event.stage,
            event.type,
            event.timestamp,
          ),
        ];
    }
  }

  private start({
    execution_id,
    status,
    timestamp,
  }: EventOf<"execution.queued" | "execution.started">): JsonObject[] {
    if (this.hasStarted) return [];
    this.hasStarted = true;
    const { contextId } = this.stream;
    return [{ task: { id: execution_id, contextId, status: { state: taskState(status), timestamp } } }];
  }

  private working(
    messageId: string,
    words: string,
    stage: string,
    type: string,
    timestamp: string | null,
  ): JsonObject {
    const { contextId } = this.stream;
    const message = agentMessage(this.task_id, contextId, messageId, [textPart(words, PLAIN)]);
    const at = timestamp === null ? {} : { timestamp };
    return {
      statusUpdate: {
        taskId: this.task_id,
        contextId,
        status: { state: "TASK_STATE_WORKING", message, ...at },
        metadata: { "coordinator/stage": stage, "coordinator/type": type },
      },
    };
  }

  private status(
    status: Parameters<typeof taskState>[0],
    { execution_id, seq, timestamp }: LifecycleEvent,
    parts: readonly JsonObject[],
  ): JsonObject {
    const { contextId } = this.stream;
    const said =
      parts.length === 0
        ? {}
        : { message: agentMessage(execution_id, contextId, `${execution_id}.${seq}`, parts) };
    return {
      statusUpdate: {
        taskId: execution_id,
        contextId,
        status: { state: taskState(status), ...said, timestamp },
      },
    };
  }

  /** The questions of a run that goes on by their answers alone. */
  private restsHere(event: LifecycleEvent): JsonObject[] {
    const asked = this.stages.asked.filter(({ seq }) => seq > this.stream.answeredUpTo);
    if (asked.length === 0) return [];
    this.isOver = true;
    const waits = asked.map(({ stage, data: { prompt, schema } }) => ({ stage, prompt, schema }));
    return [this.status("waiting", event, askedParts("waiting", waits))];
  }

  private isNew({ seq }: LifecycleEvent): boolean {
    return seq > this.stream.answeredUpTo;
  }
}

function pausedParts(event: EventOf<"execution.paused">): JsonObject[] {
  const budget = spentBudget(event);
  const asked = askedParts("paused", []);
  return budget === null ? asked : [...asked, { data: { budget }, mediaType: JSON_MEDIA }];
}
