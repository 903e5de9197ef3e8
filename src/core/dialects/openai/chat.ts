// OpenAI's chat completions: a run's answer as one message, whole or in chunks. What was said cannot be taken back there:
// a text that takes the place of another begins a new paragraph, and the end says that there was one.
import type { EventOf } from "../../../contract/event.ts";
import type { PipelineExecution } from "../../../contract/execution.ts";
import { AnswerFold, type StreamEvent, type TextOperation, type TextPart } from "../answer-fold.ts";
import { type Citation, citationsIn } from "../citations.ts";
import { type Encoder, finalAnswers, joinedAnswer, sseMessage } from "../encoder.ts";
import { tokensOf } from "../tokens.ts";
import { urlCitations } from "./annotations.ts";
import { seconds } from "./response.ts";
import { type OpenAiError, runError, runErrorStatus } from "./run-error.ts";

const DONE = "[DONE]";
const PARAGRAPH = "\n\n";

export interface ChatOptions {
  /** The pipeline, as the client has named it. */
  model: string;
  /** A last chunk with the tokens. */
  includeUsage: boolean;
  /** What happens in the stages, as the reasoning that some clients show. */
  reasoning: boolean;
}

export class ChatCompletionEncoder implements Encoder {
  isOver = false;
  private readonly options: ChatOptions;
  private readonly fold = new AnswerFold();
  private head: { id: string; object: string; created: number; model: string } | null = null;
  /** UTF-16 units of the message so far. */
  private length = 0;
  /** Where the text that is written begins in it. */
  private begins = 0;
  /** The text that is written, and those that wait for it to end: of stages at once only one can be written. */
  private texts: { part: TextPart; text: string; closed: readonly Citation[] | null }[] = [];
  private isRestarted = false;

  constructor(options: ChatOptions) {
    this.options = options;
  }

  push(event: StreamEvent): string {
    const text = this.fold.push(event).map((operation) => this.text(operation));
    return text.join("") + this.event(event);
  }

  lost(): string {
    const error = {
      message: "the stream broke off before the end of the run",
      type: "server_error",
      param: null,
      code: "STREAM_LOST",
    };
    return this.failed(error);
  }

  private text({ part, ...operation }: TextOperation): string {
    const text = this.texts.find((each) => each.part === part);
    if (operation.type === "open") {
      this.texts.push({ part, text: "", closed: null });
      return this.texts.length === 1 ? this.next() : "";
    }
    if (text === undefined) return "";
    const isWritten = this.texts[0] === text;
    switch (operation.type) {
      case "append":
        text.text += operation.text;
        return isWritten ? this.content(operation.text) : "";
      case "void":
        this.texts = this.texts.filter((each) => each !== text);
        this.isRestarted ||= isWritten;
        return isWritten ? this.next() : "";
      case "close":
        text.closed = citationsIn(operation.result?.data);
        return isWritten ? this.end(text.text, text.closed) : "";
    }
  }

  private content(text: string): string {
    if (text === "") return "";
    this.length += text.length;
    return this.delta({ content: text });
  }

  private end(text: string, citations: readonly Citation[]): string {
    this.texts.shift();
    const found = urlCitations(citations, text, this.begins);
    const annotations = found.length === 0 ? "" : this.delta({ annotations: found.map(annotation) });
    return annotations + this.next();
  }

  /** Begins the text whose turn it is, with what it has said while it waited. */
  private next(): string {
    const [next] = this.texts;
    if (next === undefined) return "";
    const paragraph = this.length > 0 ? this.content(PARAGRAPH) : "";
    this.begins = this.length;
    const begun = paragraph + this.content(next.text);
    return next.closed === null ? begun : begun + this.end(next.text, next.closed);
  }

  private event(event: StreamEvent): string {
    switch (event.type) {
      case "execution.queued":
      case "execution.started":
        return this.start(event);
      case "execution.completed":
        return this.completed(event.data);
      case "execution.failed":
      case "execution.cancelled": {
        const error = runError(event.data) as OpenAiError;
        // A stream has no status: before any text the AI SDK goes by the type, and sends the question again at others.
        const isFinal = this.length === 0 && runErrorStatus(event.data) === 400;
        return this.failed(isFinal ? { ...error, type: "invalid_request_error" } : error);
      }
      case "stage.delta":
        return "";
      case "stage.progress":
        return this.reasoned(`${event.stage}: ${event.data.message}\n`);
      default:
        return "stage" in event && event.stage !== undefined ? this.reasoned(`${event.message}\n`) : "";
    }
  }

  private start({ execution_id, timestamp }: EventOf<"execution.queued" | "execution.started">): string {
    if (this.head !== null) return "";
    this.head = {
      id: `chatcmpl-${execution_id}`,
      object: "chat.completion.chunk",
      created: seconds(timestamp),
      model: this.options.model,
    };
    return this.delta({ role: "assistant", content: "", refusal: null });
  }

  private completed(execution: PipelineExecution): string {
    this.isOver = true;
    const restarted = this.isRestarted ? { restarted: true } : {};
    const coordinator = { execution_id: execution.execution_id, ...restarted };
    const last = this.chunk({ choices: [choice({}, "stop")], coordinator });
    const usage = this.options.includeUsage ? this.chunk({ usage: usageOf(execution), choices: [] }) : "";
    return last + usage + sseMessage(DONE);
  }

  private failed(error: OpenAiError): string {
    this.isOver = true;
    return sseMessage({ error }) + sseMessage(DONE);
  }

  private reasoned(text: string): string {
    return this.options.reasoning && this.head !== null ? this.delta({ reasoning_content: text }) : "";
  }

  private delta(delta: Record<string, unknown>): string {
    return this.chunk({ choices: [choice(delta, null)] });
  }

  private chunk(rest: Record<string, unknown>): string {
    return sseMessage({ ...this.head, ...(this.options.includeUsage ? { usage: null } : {}), ...rest });
  }
}

function choice(delta: Record<string, unknown>, finish_reason: string | null) {
  return { index: 0, delta, logprobs: null, finish_reason };
}

function annotation(url_citation: object) {
  return { type: "url_citation", url_citation };
}

/** The whole answer of a run that has completed. */
export function chatCompletion(execution: PipelineExecution, model: string): Record<string, unknown> {
  const { execution_id, start_time } = execution;
  const answers = finalAnswers(execution);
  let offset = 0;
  const annotations = answers.flatMap(({ text, citations }) => {
    const found = urlCitations(citations, text, offset);
    offset += text.length + PARAGRAPH.length;
    return found.map(annotation);
  });
  const message = { role: "assistant", content: joinedAnswer(answers), refusal: null, annotations };
  return {
    id: `chatcmpl-${execution_id}`,
    object: "chat.completion",
    created: seconds(start_time),
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: "stop" }],
    usage: usageOf(execution),
    coordinator: { execution_id },
  };
}

/** Clients add the tokens up, and take no null: where no agent counted them they are 0. */
function usageOf({ usage }: PipelineExecution) {
  const tokens = tokensOf(usage);
  return {
    prompt_tokens: tokens?.input ?? 0,
    completion_tokens: tokens?.output ?? 0,
    total_tokens: tokens?.total ?? 0,
  };
}
