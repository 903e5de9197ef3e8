// AG-UI's events of a run: its stages as steps and as state, its answer as messages. What was said is taken back by a
// snapshot of the messages without it. A pause, and a question to a person, end the AG-UI run with an interrupt; the
// execution is taken up again by another run, from its first event on.
import type { EventOf } from "../../../contract/event.ts";
import type { PipelineExecution } from "../../../contract/execution.ts";
import type { JsonObject } from "../../../contract/json.ts";
import { timeOf } from "../../time.ts";
import { AnswerFold, type StreamEvent, type TextOperation, type TextPart } from "../answer-fold.ts";
import { type Citation, citationId, citationMediaType, citationsIn } from "../citations.ts";
import { type Encoder, spentBudget, sseMessage } from "../encoder.ts";
import { tokenCounts, tokensOf } from "../tokens.ts";
import { headingOf, type OpenQuestion, RunStages } from "../run-stages.ts";
import { type PatchOperation, RunState } from "./state.ts";

export interface AgUiRun {
  threadId: string;
  /** As the client has it: events repeat it. */
  runId: string;
  /** Null for clients before 1.0, which refuse an outcome that they do not know. */
  protocolVersion: string | null;
  /** The application's own state. */
  state: JsonObject;
  messages: readonly JsonObject[];
  /** Null where the run begins. */
  resumed: Resumption | null;
}

/** That an execution is taken up again. */
export interface Resumption {
  /** The `seq` of each interrupt that was answered. */
  answered: readonly number[];
  /** The last `seq` before the answers: what came before it was an interrupt of an earlier run. */
  after: number;
}

/** A member that is undefined is not written. */
type AgUiEvent = { type: string } & Record<string, unknown>;

export class AgUiEncoder implements Encoder {
  isOver = false;
  private readonly run: AgUiRun;
  private readonly fold = new AnswerFold();
  private readonly state = new RunState();
  private readonly stages = new RunStages();
  /** The finished messages of this run, in their order. */
  private readonly said: JsonObject[] = [];
  /** The messages that the client has open. */
  private readonly openParts = new Set<TextPart>();
  private readonly begun = new Set<string>();
  private readonly openSteps = new Set<string>();
  /** Stages whose state says why they wait for their agent. */
  private readonly queued = new Set<string>();
  private hasStarted = false;
  /** Until it is resumed. */
  private pause: EventOf<"execution.paused"> | null = null;
  private execution_id = "";

  constructor(run: AgUiRun) {
    this.run = run;
  }

  push(event: StreamEvent): string {
    this.execution_id = event.execution_id;
    this.stages.push(event);
    const timestamp = "timestamp" in event ? { timestamp: timeOf(event.timestamp) } : {};
    const events = this.fold.push(event).flatMap((operation) => this.text(operation));
    events.push(...this.eventsOf(event));
    if (!this.isOver && "seq" in event) events.push(...this.restsHere(event.seq));
    return events.map((each) => sseMessage({ ...each, ...timestamp })).join("");
  }

  lost(): string {
    this.isOver = true;
    const message = "the stream broke off before the end of the run";
    return sseMessage({ type: "RUN_ERROR", message, code: "STREAM_LOST" });
  }

  private idOf({ stage, call }: TextPart): string {
    return `${this.execution_id}.${stage}.${call}`;
  }

  private text(operation: TextOperation): AgUiEvent[] {
    const { part } = operation;
    const messageId = this.idOf(part);
    switch (operation.type) {
      case "open":
        this.openParts.add(part);
        return [{ type: "TEXT_MESSAGE_START", messageId, role: "assistant" }];
      case "append":
        return [{ type: "TEXT_MESSAGE_CONTENT", messageId, delta: operation.text }];
      case "void":
        this.openParts.delete(part);
        return [{ type: "TEXT_MESSAGE_END", messageId }, this.snapshot()];
      case "close": {
        this.openParts.delete(part);
        this.said.push(this.messageOf(part));
        const citations = citationsIn(operation.result?.data);
        const shown = citations.map((citation) => this.citation(part.stage, citation));
        const metadata = shown.length === 0 ? undefined : { citations: shown };
        return [{ type: "TEXT_MESSAGE_END", messageId, metadata }];
      }
    }
  }

  private messageOf(part: TextPart): JsonObject {
    return { id: this.idOf(part), role: "assistant", content: part.text };
  }

  /** The client drops what is not in it. */
  private snapshot(): AgUiEvent {
    const open = [...this.openParts].map((part) => this.messageOf(part));
    return { type: "MESSAGES_SNAPSHOT", messages: [...this.earlier(), ...this.said, ...open] };
  }

  /** The client's messages, without those of this execution: they come again. */
  private earlier(): readonly JsonObject[] {
    if (this.run.resumed === null) return this.run.messages;
    return this.run.messages.filter(({ id }) => !String(id).startsWith(`${this.execution_id}.`));
  }

  private citation(stage: string, citation: Citation): JsonObject {
    const { index, title, url, document } = citation;
    const id = citationId(this.execution_id, stage, citation);
    return { id, index, url, title, document, media_type: citationMediaType(citation) };
  }

  private eventsOf(event: StreamEvent): AgUiEvent[] {
    switch (event.type) {
      case "stage.delta":
      case "stage.signalled":
        return [];
      case "stage.progress":
        return this.stageState(event.stage, { progress: event.data });
      case "execution.queued":
      case "execution.started":
        return this.start(event);
      case "execution.resumed":
        this.pause = null;
        return this.delta(this.state.runStatus("running"));
      case "execution.recovered":
        return [
          { type: "CUSTOM", name: "coordinator.recovered", value: event.data },
          ...this.delta(this.state.runStatus(event.status)),
        ];
      case "execution.paused":
        this.pause = event;
        return this.delta(this.state.runStatus("paused"));
      case "execution.completed":
      case "execution.failed":
      case "execution.cancelled":
        return this.end(event.data);
      case "stage.started":
        return [
          ...this.beginStep(event.stage),
          ...this.stageState(event.stage, { status: "running", attempt: event.attempt, error: undefined }),
        ];
      case "stage.waiting": {
        const asked = event.data.reason === "wait" ? { prompt: event.data.prompt } : {};
        return [
          ...this.beginStep(event.stage),
          ...this.stageState(event.stage, { status: "waiting", ...asked }),
        ];
      }
      case "stage.iterated":
        return [];
      case "stage.queued": {
        const { reason, until } = event.data;
        const patch = this.stageState(event.stage, { status: "queued", reason, until });
        this.queued.add(event.stage);
        return patch;
      }
      case "stage.retrying":
        return this.stageState(event.stage, { status: "retrying", error: event.data.error });
      case "stage.fallback":
        return this.stageState(event.stage, { status: "fallback", reason: event.data.reason });
      case "stage.skipped":
        return this.ended(event.stage, { status: "skipped", reason: event.data.reason });
      case "stage.cancelled":
        return this.ended(event.stage, { status: "cancelled" });
      case "stage.completed":
      case "stage.failed": {
        const { error, duration_ms } = event.data;
        return this.ended(event.stage, {
          status: event.status,
          duration_ms: duration_ms ?? undefined,
          error: error ?? undefined,
        });
      }
    }
  }

  private start({
    execution_id,
    status,
    data,
  }: EventOf<"execution.queued" | "execution.started">): AgUiEvent[] {
    if (this.hasStarted) return this.delta(this.state.runStatus(status));
    this.hasStarted = true;
    const { threadId, runId, state } = this.run;
    const { pipeline, pipeline_version, stages } = data;
    const { coordinator: _, ...own } = state;
    const about = { execution_id, pipeline, pipeline_version, status };
    const snapshot = this.state.begin(own, about, stages);
    return [
      { type: "RUN_STARTED", threadId, runId, protocolVersion: "1.0" },
      ...(this.run.resumed === null ? [] : [{ type: "MESSAGES_SNAPSHOT", messages: this.earlier() }]),
      { type: "STATE_SNAPSHOT", snapshot },
    ];
  }

  private beginStep(stepName: string): AgUiEvent[] {
    // A further try does not open it again.
    if (this.begun.has(stepName)) return [];
    this.begun.add(stepName);
    this.openSteps.add(stepName);
    return [{ type: "STEP_STARTED", stepName }];
  }

  private stageState(stage: string, members: Record<string, unknown>): AgUiEvent[] {
    const left = this.queued.delete(stage) ? { reason: undefined, until: undefined } : {};
    return this.delta(this.state.stage(stage, { ...left, ...members }));
  }

  private delta(delta: readonly PatchOperation[]): AgUiEvent[] {
    return delta.length === 0 ? [] : [{ type: "STATE_DELTA", delta }];
  }

  private ended(stage: string, members: Record<string, unknown>): AgUiEvent[] {
    const state = this.stageState(stage, { progress: undefined, ...members });
    if (!this.openSteps.delete(stage)) return state;
    return [...state, { type: "STEP_FINISHED", stepName: stage }];
  }

  /** Nothing may be open at the end of a run. */
  private closeAll(): AgUiEvent[] {
    const texts = [...this.openParts].map((part) => ({
      type: "TEXT_MESSAGE_END",
      messageId: this.idOf(part),
    }));
    this.openParts.clear();
    const steps = [...this.openSteps].map((stepName) => ({ type: "STEP_FINISHED", stepName }));
    this.openSteps.clear();
    return [...texts, ...steps];
  }

  private end(execution: PipelineExecution): AgUiEvent[] {
    this.isOver = true;
    const { status, final_result, error_info } = execution;
    const patch = this.delta(this.state.runStatus(status));
    const closing = this.closeAll();
    const tokens = tokensOf(execution.usage);
    const usage = tokens === null ? undefined : [tokenCounts(tokens)];
    switch (status) {
      case "completed": {
        const finished = this.finished({ type: "success" }, { result: final_result ?? undefined, usage });
        return [...closing, ...patch, finished];
      }
      case "failed": {
        const { message = "the run failed", code = "INTERNAL_ERROR" } = error_info ?? {};
        return [...closing, ...patch, { type: "RUN_ERROR", message, code, usage }];
      }
      default: {
        if (this.run.protocolVersion !== null) {
          return [...closing, ...patch, this.finished({ type: "cancelled" }, {})];
        }
        const message = `the execution ${execution.execution_id} was cancelled`;
        return [...closing, ...patch, { type: "RUN_ERROR", message, code: "EXECUTION_CANCELLED" }];
      }
    }
  }

  private finished(outcome: JsonObject, more: JsonObject): AgUiEvent {
    const { threadId, runId } = this.run;
    return { type: "RUN_FINISHED", threadId, runId, outcome, ...more };
  }

  /** The interrupts of a run that is paused, or goes on by answers to its questions alone. */
  private restsHere(seq: number): AgUiEvent[] {
    const { answered, after } = this.run.resumed ?? { answered: [], after: 0 };
    const open = this.pause === null ? this.stages.asked : [this.pause];
    // The events of the answers are still to come.
    if (seq < after || open.length === 0 || open.some((event) => answered.includes(event.seq))) return [];
    return this.interrupted(this.pause === null ? this.stages.asked.map(questionOf) : [pauseOf(this.pause)]);
  }

  private interrupted(interrupts: readonly JsonObject[]): AgUiEvent[] {
    this.isOver = true;
    return [...this.closeAll(), this.finished({ type: "interrupt", interrupts }, {})];
  }
}

function pauseOf(event: EventOf<"execution.paused">): JsonObject {
  const { execution_id, seq, message, data } = event;
  const budget = spentBudget(event);
  const metadata = { execution_id, mode: data.mode, ...(budget === null ? {} : { budget }) };
  return { id: `${execution_id}.${seq}`, reason: "coordinator:paused", message, metadata };
}

function questionOf({ execution_id, stage, seq, data }: OpenQuestion): JsonObject {
  const { prompt, schema, expires_at } = data;
  return {
    id: `${execution_id}.${seq}`,
    reason: "coordinator:waiting",
    message: headingOf(prompt) ?? `${stage} waits for an answer`,
    responseSchema: schema ?? undefined,
    expiresAt: expires_at,
    metadata: { execution_id, stage, prompt },
  };
}
