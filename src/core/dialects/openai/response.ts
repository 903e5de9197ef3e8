// OpenAI's `response` object: a run as its Responses API shows it. Everything in it is a function of the execution, so that
// a stream and a later GET agree but for the ids of the messages: an execution does not say which call a text is of.
import type { PipelineExecution } from "../../../contract/execution.ts";
import type { JsonObject } from "../../../contract/json.ts";
import { isObject } from "../../json/json.ts";
import { timeOf } from "../../time.ts";
import type { Citation } from "../citations.ts";
import { finalAnswers } from "../encoder.ts";
import { tokensOf } from "../tokens.ts";
import { urlCitations } from "./annotations.ts";
import { runError } from "./run-error.ts";

/** What the request has said of itself, as the response repeats it. */
export interface ResponseAbout {
  execution_id: string;
  /** The pipeline. */
  model: string;
  conversation_id: string;
  background: boolean;
  instructions: string | null;
  previous_response_id: string | null;
  metadata: JsonObject;
}

export type ResponseStatus = "in_progress" | "completed" | "failed" | "cancelled";

/** A message of the output. */
export interface OutputItem {
  id: string;
  type: "message";
  role: "assistant";
  status: "in_progress" | "completed" | "incomplete";
  content: Record<string, unknown>[];
}

export const RESPONSE_PREFIX = "resp_";

/** What is kept of a request in its run's context, for what asks later; nothing where there is nothing to say. */
export function responseContext({
  background,
  previous_response_id,
  metadata,
}: Pick<ResponseAbout, "background" | "previous_response_id" | "metadata">): JsonObject {
  const isPlain = !background && previous_response_id === null && Object.keys(metadata).length === 0;
  return isPlain ? {} : { response: { background, previous_response_id, metadata } };
}

/** The same of an execution that is there; also of one that was started by another route. */
export function aboutOf(execution: PipelineExecution): ResponseAbout {
  const { execution_id, pipeline, conversation_id, context_data } = execution;
  const kept = objectIn(context_data, "response");
  const { system } = context_data;
  const previous = kept["previous_response_id"];
  return {
    execution_id,
    model: pipeline,
    conversation_id,
    background: kept["background"] === true,
    instructions: typeof system === "string" ? system : null,
    previous_response_id: typeof previous === "string" ? previous : null,
    metadata: objectIn(kept, "metadata"),
  };
}

function objectIn(value: JsonObject, name: string): JsonObject {
  const member = Object.hasOwn(value, name) ? value[name] : null;
  return isObject(member) ? member : {};
}

/** @param changes of a response that goes on */
export function responseObject(
  about: ResponseAbout,
  created_at: number,
  changes: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    id: `${RESPONSE_PREFIX}${about.execution_id}`,
    object: "response",
    created_at,
    status: "in_progress",
    background: about.background,
    error: null,
    incomplete_details: null,
    instructions: about.instructions,
    max_output_tokens: null,
    model: about.model,
    output: [],
    parallel_tool_calls: true,
    previous_response_id: about.previous_response_id,
    conversation: { id: about.conversation_id },
    reasoning: { effort: null, summary: null },
    store: true,
    temperature: null,
    text: { format: { type: "text" } },
    tool_choice: "auto",
    tools: [],
    top_p: null,
    truncation: "disabled",
    usage: null,
    user: null,
    metadata: about.metadata,
    ...changes,
  };
}

/** The response of an execution as it is. @param output the messages; those of its results where it is absent */
export function responseOf(
  execution: PipelineExecution,
  about: ResponseAbout = aboutOf(execution),
  output: readonly OutputItem[] = outputOf(execution),
): Record<string, unknown> {
  const status = statusOf(execution);
  const created_at = seconds(execution.start_time);
  if (status === "in_progress") return responseObject(about, created_at);
  const error = runError(execution);
  return responseObject(about, created_at, {
    status,
    output,
    // The AI SDK takes no error without a type and a parameter.
    error: status === "failed" && error !== null ? { ...error, code: "server_error" } : null,
    incomplete_details: null,
    usage: usageOf(execution),
    completed_at: execution.end_time === null ? null : seconds(execution.end_time),
  });
}

/** A run that is paused, queued or waits is in progress: it is polled, or its stream goes on. */
export function statusOf({ status }: PipelineExecution): ResponseStatus {
  return status === "completed" || status === "failed" || status === "cancelled" ? status : "in_progress";
}

function outputOf(execution: PipelineExecution): OutputItem[] {
  if (execution.status !== "completed") return [];
  return finalAnswers(execution).map(({ stage, text, citations }) =>
    completedItem(itemId(execution.execution_id, stage, ""), text, citations),
  );
}

/** @param call as the parts of a text have it */
export function itemId(execution_id: string, stage: string, call: string): string {
  return `msg_${execution_id}_${stage}${call === "" ? "" : `_${call}`}`;
}

export function completedItem(id: string, text: string, citations: readonly Citation[]): OutputItem {
  return {
    id,
    type: "message",
    role: "assistant",
    status: "completed",
    content: [textPart(text, citations)],
  };
}

export function textPart(text: string, citations: readonly Citation[]): Record<string, unknown> {
  const annotations = urlCitations(citations, text).map((citation) => ({
    type: "url_citation",
    ...citation,
  }));
  return { type: "output_text", text, annotations, logprobs: [] };
}

function usageOf({ usage }: PipelineExecution): Record<string, unknown> {
  const tokens = tokensOf(usage);
  return {
    input_tokens: tokens?.input ?? 0,
    input_tokens_details: { cached_tokens: tokens?.cached ?? 0 },
    output_tokens: tokens?.output ?? 0,
    output_tokens_details: { reasoning_tokens: tokens?.reasoning ?? 0 },
    total_tokens: tokens?.total ?? 0,
  };
}

export function seconds(timestamp: string): number {
  return Math.floor(timeOf(timestamp) / 1_000);
}
