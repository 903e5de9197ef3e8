// The AI SDK's UI message stream ("v1"), as useChat reads it: stages and questions as data parts, the answer as text
// parts, citations as sources. By default only what its versions 5, 6 and 7 all know: an unknown chunk is an error to
// them. Text cannot be taken back there: a part that is void is marked as superseded. Version 7 resets the step.
import type { EventOf, LifecycleEvent } from "../../contract/event.ts";
import type { StageResult } from "../../contract/stage.ts";
import { approvalId, isApproval, isHeld, type SettledQuestions } from "./ai-sdk-approvals.ts";
import { AnswerFold, type StreamEvent, type TextOperation, type TextPart } from "./answer-fold.ts";
import { type Citation, citationId, citationMediaType, citationsIn, citationTitle } from "./citations.ts";
import { type Encoder, spentBudget, sseMessage } from "./encoder.ts";
import { RunStages } from "./run-stages.ts";
import { tokenCounts, tokensOf } from "./tokens.ts";

export interface AiSdkOptions {
  /** The client is of version 7 (7.0.138 or later). */
  isVersion7: boolean;
  /** Text of stages that others depend on, as reasoning. */
  reasoning: boolean;
  /** Questions that a yes or a no answers are tool approvals, too (version 6 and later). */
  approvals?: {
    settled: SettledQuestions;
    /** The reader's message has what came of the events up to this `seq`, and goes on behind it; 0 for all. */
    after: number;
  };
}

/** A member that is undefined is not written. */
type Chunk = { type: string } & Record<string, unknown>;

/** A part of the open step, which a reset takes away with all others. */
interface StepPart {
  /** Null for one that is no text. */
  part: TextPart | null;
  /** What has followed its text; empty while it is open. */
  ending: Chunk[];
}

/** A question that is open. */
interface Question {
  data: Record<string, unknown>;
  /** The id of the tool call that shows it; null where it is no approval. */
  call: string | null;
}

const DONE = "[DONE]";

export class AiSdkEncoder implements Encoder {
  isOver = false;
  private readonly options: AiSdkOptions;
  private readonly fold: AnswerFold;
  private readonly agents = new Map<string, string | null>();
  /** The questions that are open, by stage. */
  private readonly questions = new Map<string, Question>();
  private readonly stages = new RunStages();
  /** The reader has what the events so far have given. */
  private isKnown: boolean;
  private hasStarted = false;
  /** The metadata says that a budget is spent. */
  private hasBudget = false;
  private step: StepPart[] | null = null;

  constructor(options: AiSdkOptions) {
    this.options = options;
    this.fold = new AnswerFold({ allStages: options.reasoning });
    const { approvals } = options;
    this.isKnown = approvals !== undefined && approvals.after > 0;
  }

  push(event: StreamEvent): string {
    this.pass(event);
    this.stages.push(event);
    let chunks = this.fold.push(event).flatMap((operation) => this.text(event, operation));
    chunks.push(...this.chunksOf(event));
    if (this.isKnown) chunks = chunks.filter(({ type }) => type === "start");
    else if (!this.isOver && "seq" in event) chunks.push(...this.rest(event.seq));
    const text = chunks.map((chunk) => sseMessage(chunk)).join("");
    return this.isOver ? text + sseMessage(DONE) : text;
  }

  /** Behind the last event that the reader's message knows, it goes on with a step of its own. */
  private pass(event: StreamEvent): void {
    const after = this.options.approvals?.after ?? 0;
    if (!this.isKnown || !("seq" in event) || event.seq <= after) return;
    this.isKnown = false;
    this.step = null;
  }

  /** The message ends with its open approvals: the client sends it again with their answers. */
  private rest(seq: number): Chunk[] {
    const { approvals } = this.options;
    if (approvals === undefined || !isHeld(this.stages.asked, approvals.settled)) return [];
    this.isOver = true;
    return this.finish("tool-calls", { status: "waiting", seq });
  }

  private finish(reason: string, messageMetadata: Record<string, unknown>): Chunk[] {
    const finishReason = this.options.isVersion7 ? reason : undefined;
    const finish = { type: "finish", finishReason, messageMetadata };
    return this.step === null ? [finish] : [{ type: "finish-step" }, finish];
  }

  lost(): string {
    this.isOver = true;
    const errorText = "the stream broke off, and the run goes on: resume it";
    return sseMessage({ type: "error", errorText }) + sseMessage(DONE);
  }

  private text(event: StreamEvent, operation: TextOperation): Chunk[] {
    const { part } = operation;
    const { kind, id } = nameOf(part);
    switch (operation.type) {
      case "open": {
        const begins = this.enterStep();
        this.step?.push({ part, ending: [] });
        return [...begins, { type: `${kind}-start`, id }];
      }
      case "append":
        return [{ type: `${kind}-delta`, id, delta: operation.text }];
      case "void":
        return this.options.isVersion7 ? this.reset(part) : [superseded(part)];
      case "close": {
        const ending = this.ending(event.execution_id, part, operation.result);
        const own = this.step?.find((known) => known.part === part);
        if (own !== undefined) own.ending = ending;
        return ending;
      }
    }
  }

  private enterStep(): Chunk[] {
    if (!this.options.isVersion7 || this.step !== null) return [];
    this.step = [];
    return [{ type: "start-step" }];
  }

  /** The step begins again with all parts but the one that is void. */
  private reset(part: TextPart): Chunk[] {
    this.step = (this.step ?? []).filter((known) => known.part !== part);
    const again = this.step.flatMap((known): Chunk[] => {
      if (known.part === null) return known.ending;
      const { kind, id } = nameOf(known.part);
      const delta = { type: `${kind}-delta`, id, delta: known.part.text };
      return [{ type: `${kind}-start`, id }, delta, ...known.ending];
    });
    return [{ type: "reset-step" }, ...again];
  }

  private ending(execution_id: string, part: TextPart, result: StageResult | null): Chunk[] {
    const { kind, id } = nameOf(part);
    const found = part.isAnswer ? citationsIn(result?.data) : [];
    const sources = found.map((citation) => source(execution_id, part.stage, citation));
    const citations = this.options.isVersion7 && sources.length > 0 ? sources.map(cited) : undefined;
    return [{ type: `${kind}-end`, id, citations }, ...sources];
  }

  private chunksOf(event: StreamEvent): Chunk[] {
    switch (event.type) {
      case "stage.delta":
        return [];
      case "stage.progress": {
        const { message, fraction } = event.data;
        return [{ type: "data-progress", transient: true, data: { stage: event.stage, message, fraction } }];
      }
      case "execution.queued":
      case "execution.started":
        return this.start(event);
      case "execution.paused":
      case "execution.resumed":
      case "execution.recovered": {
        // Metadata is merged: the next status removes the spent budget.
        const budget = event.type === "execution.paused" ? spentBudget(event) : null;
        const isShown = budget !== null || this.hasBudget;
        this.hasBudget = budget !== null;
        return [metadata({ status: event.status, ...(isShown ? { budget } : {}) })];
      }
      case "execution.completed":
      case "execution.failed":
      case "execution.cancelled":
        this.isOver = true;
        return this.end(event);
      case "stage.waiting":
        return [this.stage(event, { status: "waiting" }), ...this.question(event)];
      case "stage.signalled":
        // The answer to an agent that has asked: it is called again.
        return event.status === "waiting" && event.data.signal !== "heartbeat"
          ? this.answered(event, "answered")
          : [];
      case "stage.iterated":
        return [];
      case "stage.queued":
        return [this.stage(event, { status: "queued", ...event.data })];
      case "stage.started":
        return [this.stage(event, { status: "running" })];
      case "stage.retrying":
        return [this.stage(event, { status: "retrying", error: event.data.error })];
      case "stage.fallback":
        return [this.stage(event, { status: "fallback", reason: event.data.reason, fallback: event.data })];
      case "stage.skipped":
        return [
          this.stage(event, { status: "skipped", reason: event.data.reason }),
          ...this.answered(event, "expired"),
        ];
      case "stage.cancelled":
        return [this.stage(event, { status: "cancelled" }), ...this.answered(event, "cancelled")];
      case "stage.completed":
      case "stage.failed": {
        const { duration_ms, cached, error, fallback, answered_by } = event.data;
        const more = {
          status: event.status,
          error: error ?? undefined,
          duration_ms: duration_ms ?? undefined,
          cached: cached || undefined,
          fallback: fallback ?? undefined,
        };
        const ended = answered_by === "timeout" ? "expired" : "answered";
        return [this.stage(event, more), ...this.answered(event, ended)];
      }
    }
  }

  private start({ type, execution_id, timestamp, status, data }: Beginning): Chunk[] {
    // One that was queued has its parts already.
    if (this.hasStarted) return [metadata({ status })];
    this.hasStarted = true;
    const { conversation_id, pipeline, pipeline_version, stages } = data;
    const about = { execution_id, conversation_id, pipeline, pipeline_version, status };
    const queue = type === "execution.queued" ? { behind: data.behind, position: data.position } : {};
    for (const { name, agent_type = null } of stages) this.agents.set(name, agent_type);
    return [
      {
        type: "start",
        messageId: execution_id,
        messageMetadata: { ...about, ...queue, created_at: timestamp },
      },
      // Before any text, so that no reset takes them away.
      ...stages.map(({ name, agent_type = null }) => ({
        type: "data-stage",
        id: name,
        data: { stage: name, agent_type, status: "pending" },
      })),
    ];
  }

  private stage(event: Staged, more: { status: string } & Record<string, unknown>): Chunk {
    const { stage, message, attempt } = event;
    const { status, ...rest } = more;
    const agent_type = this.agents.get(stage) ?? null;
    return {
      type: "data-stage",
      id: stage,
      data: { stage, agent_type, status, message, attempt, ...rest },
    };
  }

  private question({ execution_id, stage, seq, data }: EventOf<"stage.waiting">): Chunk[] {
    if (data.reason !== "wait") return [];
    const { prompt, schema, expires_at } = data;
    const answer = `/v1/executions/${execution_id}/stages/${stage}/complete`;
    const asked = { stage, seq, prompt, schema, expires_at, answer };
    const isCall = this.options.approvals !== undefined && isApproval(schema);
    const toolCallId = approvalId({ execution_id, stage, seq });
    this.questions.set(stage, { data: asked, call: isCall ? toolCallId : null });
    const part: Chunk = { type: "data-wait", id: stage, data: { ...asked, status: "waiting" } };
    if (!isCall) return this.inStep([part]);
    const call: Chunk[] = [
      { type: "tool-input-available", toolCallId, toolName: stage, input: prompt, dynamic: true },
      { type: "tool-approval-request", approvalId: toolCallId, toolCallId },
    ];
    // The client looks for its approvals in the last step alone.
    return [...this.enterStep(), ...this.inStep([part, ...call])];
  }

  private answered(event: Answer, status: string): Chunk[] {
    const asked = this.questions.get(event.stage);
    this.questions.delete(event.stage);
    if (asked === undefined) return [];
    const part: Chunk = { type: "data-wait", id: event.stage, data: { ...asked.data, status } };
    return this.inStep(asked.call === null ? [part] : [part, outcomeOf(asked.call, event)]);
  }

  /** Chunks that are no text: a reset takes them away, too, where a step is open. */
  private inStep(ending: Chunk[]): Chunk[] {
    this.step?.push({ part: null, ending });
    return ending;
  }

  private end({ type, data }: Ending): Chunk[] {
    const { duration_ms, error_info } = data;
    switch (type) {
      case "execution.completed": {
        const tokens = tokensOf(data.usage);
        const usage = tokens === null ? undefined : tokenCounts(tokens);
        return this.finish("stop", { status: "completed", duration_ms, usage });
      }
      case "execution.failed": {
        const errorText = error_info?.message ?? "the run failed";
        // The client stops reading at an error.
        return [metadata({ status: "failed", error: error_info, duration_ms }), { type: "error", errorText }];
      }
      case "execution.cancelled":
        return [metadata({ status: "cancelled" }), { type: "abort" }];
    }
  }
}

type Beginning = EventOf<"execution.queued" | "execution.started">;
type Ending = EventOf<"execution.completed" | "execution.failed" | "execution.cancelled">;
type Answer = EventOf<
  "stage.signalled" | "stage.completed" | "stage.failed" | "stage.skipped" | "stage.cancelled"
>;
type Staged = Extract<LifecycleEvent, { stage: string }>;

function metadata(messageMetadata: Record<string, unknown>): Chunk {
  return { type: "message-metadata", messageMetadata };
}

/** What has become of the tool call that shows a question. */
function outcomeOf(toolCallId: string, event: Answer): Chunk {
  // What an agent is answered is not in the log that readers have.
  if (event.type === "stage.signalled") {
    return { type: "tool-output-available", toolCallId, output: event.data, dynamic: true };
  }
  if (event.type !== "stage.completed") {
    return { type: "tool-output-error", toolCallId, errorText: event.message, dynamic: true };
  }
  const output = event.data.data;
  if (output?.["approved"] === false) return { type: "tool-output-denied", toolCallId };
  return { type: "tool-output-available", toolCallId, output, dynamic: true };
}

function nameOf({ isAnswer, stage, call }: TextPart): { kind: string; id: string } {
  return { kind: isAnswer ? "text" : "reasoning", id: `${stage}-${call}` };
}

function superseded(part: TextPart): Chunk {
  const { kind, id } = nameOf(part);
  const coordinator = { superseded: true, stage: part.stage };
  return { type: `${kind}-end`, id, providerMetadata: { coordinator } };
}

function source(execution_id: string, stage: string, citation: Citation): Chunk {
  const sourceId = citationId(execution_id, stage, citation);
  const { index, heading, reference, url, document } = citation;
  const title = citationTitle(citation);
  const providerMetadata = { coordinator: { index, heading, reference } };
  if (url !== undefined) return { type: "source-url", sourceId, url, title, providerMetadata };
  return {
    type: "source-document",
    sourceId,
    mediaType: citationMediaType(citation),
    title,
    filename: document,
    providerMetadata,
  };
}

/** The same source in the form of a citation of a text. */
function cited({ type, sourceId, url, mediaType, title, filename }: Chunk): Record<string, unknown> {
  const sourceType =
    type === "source-url" ? { sourceType: "url", url } : { sourceType: "document", mediaType };
  return { source: { type: "source", id: sourceId, title, filename, ...sourceType } };
}
