// Of running pipelines and following them.
import { EventList } from "../../contract/event.ts";
import { CleanupResult, ExecutionList } from "../../contract/execution-list.ts";
import { PipelineExecution } from "../../contract/execution.ts";
import {
  CleanupRequest,
  ExecutionFilter,
  ExecutionRequest,
  PauseRequest,
  StageExecutionRequest,
} from "../../contract/requests.ts";
import { StageResult } from "../../contract/stage.ts";
import { ExecutionTrace } from "../../contract/trace.ts";
import { SSE_TYPE } from "../surface.ts";
import { type Answer, DEFINITION, DELETED, type Description, text } from "./description.ts";

const RUN_HEADERS = ["Idempotency-Key", "Last-Event-ID", "Prefer", "Cache-Control", "traceparent"];
const STREAM = { description: "The event stream of the execution", type: SSE_TYPE };
const execution = (description: string): Answer => ({ description, schema: PipelineExecution });

const verb = (summary: string, body?: Description["body"]): Description => ({
  summary,
  ...(body === undefined ? {} : { body }),
  answers: { 200: execution("The execution as it then stands") },
  errors: ["EXECUTION_NOT_FOUND", "EXECUTION_CONFLICT", "CONTEXT_CORRUPTED"],
});

export const EXECUTIONS = {
  start_execution: {
    summary: "Run a pipeline: stream it, wait for it, or start it and go",
    body: { schema: ExecutionRequest },
    headers: RUN_HEADERS,
    answers: {
      200: { ...execution("The execution, ended; or its event stream"), headers: ["Location"] },
      202: { ...execution("The execution, still running or paused"), headers: ["Location"] },
    },
    errors: [
      "PIPELINE_NOT_FOUND",
      "IDEMPOTENCY_MISMATCH",
      ...DEFINITION,
      "RATE_LIMITED",
      "COORDINATOR_DISABLED",
    ],
  },
  list_executions: {
    summary: "List executions, newest first",
    query: {
      status: { description: "Only those of this status", schema: ExecutionFilter.shape.status },
      pipeline: { description: "Only those of this pipeline", schema: ExecutionFilter.shape.pipeline },
      conversation_id: {
        description: "Only those of this conversation",
        schema: ExecutionFilter.shape.conversation_id,
      },
      limit: {
        description: "How many at most",
        schema: { type: "integer", minimum: 1, maximum: 100, default: 20 },
      },
      cursor: { description: "next_cursor of the page before", schema: ExecutionFilter.shape.cursor },
    },
    answers: { 200: { description: "One page", schema: ExecutionList } },
    errors: [],
  },
  cleanup_completed_executions: {
    summary: "Forget executions that ended long enough ago, and the results that they put into the cache",
    body: { schema: CleanupRequest },
    answers: { 200: { description: "How many are gone, and whether there are more", schema: CleanupResult } },
    errors: [],
  },
  get_execution: {
    summary: "The execution as it stands",
    answers: { 200: execution("The execution") },
    errors: ["EXECUTION_NOT_FOUND", "CONTEXT_CORRUPTED"],
  },
  delete_execution: {
    summary: "Forget an execution that has ended, and the results that it put into the cache",
    answers: { 204: DELETED },
    errors: ["EXECUTION_NOT_FOUND", "EXECUTION_CONFLICT", "CONTEXT_CORRUPTED"],
  },
  stream_events: {
    summary: "Follow an execution: replay after the last event seen, then live",
    query: {
      after: text("The seq of the last event seen; Last-Event-ID wins over it"),
      token: text("The stream token of stream_url, for an EventSource, which cannot send headers"),
    },
    headers: ["Last-Event-ID"],
    answers: { 200: { ...STREAM, schema: EventList }, 204: { description: "Nothing will come any more" } },
    errors: ["EXECUTION_NOT_FOUND", "CONTEXT_CORRUPTED"],
  },
  get_execution_trace: {
    summary: "Every event of an execution with its timing",
    answers: { 200: { description: "The trace so far", schema: ExecutionTrace } },
    errors: ["EXECUTION_NOT_FOUND", "CONTEXT_CORRUPTED"],
  },
  pause_execution: verb("Start no further stage until resume", { schema: PauseRequest, optional: true }),
  resume_execution: verb("Go on after a pause"),
  cancel_execution: verb("End an execution and abort its calls"),
  execute_stage: {
    summary: "Run one stage on its own",
    body: { schema: StageExecutionRequest },
    headers: ["Idempotency-Key", "Cache-Control", "traceparent"],
    answers: {
      200: {
        description: "What became of it, also where it failed",
        schema: StageResult,
        headers: ["Location"],
      },
    },
    errors: ["IDEMPOTENCY_MISMATCH", ...DEFINITION, "RATE_LIMITED", "COORDINATOR_DISABLED"],
  },
} satisfies Record<string, Description>;
