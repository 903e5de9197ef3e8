// The words of an endpoint for the OpenAPI document. Everything else in it is what the endpoint declares and does.
import type { ErrorCode } from "../../contract/problem.ts";

/** What the document groups its operations under, in its order. */
export const TAGS = {
  executions: "Executions: start, stream, control and trace",
  conversations: "Conversations: their turns, and all that is kept of them",
  outside: "Waits for the outside: answers of people and systems, callbacks of agents",
  protocols: "Clients of other protocols: AI SDK, OpenAI, AG-UI, MCP, A2A",
  pipelines: "Pipeline definitions",
  agents: "Agent registry",
  config: "Coordinator configuration",
  metrics: "Metrics and alerts",
  about: "Health and API reference (no key required)",
} as const;
export type Tag = keyof typeof TAGS;

export interface Description {
  summary: string;
  /** Of the query's parameters, by name. */
  parameters?: Readonly<Record<string, string>>;
  /** The body of an endpoint that reads it itself: by media type, its schema. */
  takes?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Request headers that change the operation's behaviour. */
  headers?: readonly string[];
  /** Of each declared answer. */
  answers: Readonly<Record<number, AnswerDescription>>;
  /** In addition to those that every operation may return. */
  errors?: readonly ErrorCode[];
}

export type AnswerDescription = string | { description: string; headers: readonly string[] };

export const DEFINITION_ERRORS = [
  "INVALID_PIPELINE_CONFIG",
  "CIRCULAR_DEPENDENCY",
  "MISSING_DEPENDENCY",
] as const satisfies readonly ErrorCode[];
/** Of an execution whose log cannot be read, or for which storage or memory has no room. */
export const OBJECT_ERRORS = [
  "CONTEXT_CORRUPTED",
  "RESOURCE_EXHAUSTED",
] as const satisfies readonly ErrorCode[];

/** Request headers of a run. */
export const RUN_HEADERS = ["Idempotency-Key", "Last-Event-ID", "Prefer", "Cache-Control", "traceparent"];
/** Response headers of a run that honours `Prefer: wait`. */
export const WAITED_HEADERS = ["Location", "Preference-Applied"];
