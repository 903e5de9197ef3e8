// Descriptions of the operations on executions.
import { EventList } from "../../../contract/event.ts";
import { CleanupResult, ExecutionList } from "../../../contract/execution-list.ts";
import { PipelineExecution } from "../../../contract/execution.ts";
import {
  CleanupRequest,
  ExecutionRequest,
  PauseRequest,
  StageExecutionRequest,
} from "../../../contract/requests.ts";
import { StageResult } from "../../../contract/stage.ts";
import { ExecutionTrace } from "../../../contract/trace.ts";
import { SSE_TYPE } from "../../endpoints.ts";
import { type Answer, DEFINITION, DELETED, type Description } from "./description.ts";

const RUN_HEADERS = ["Idempotency-Key", "Last-Event-ID", "Prefer", "Cache-Control", "traceparent"];
/** Response headers of a run that honours `Prefer: wait`. */
const WAITED = ["Location", "Preference-Applied"];
const STREAM = { description: "The event stream of the execution", type: SSE_TYPE };
const execution = (description: string): Answer => ({ description, schema: PipelineExecution });

/** An execution whose log cannot be read, or for which storage or memory has no room. */
const OF_AN_OBJECT = ["CONTEXT_CORRUPTED", "RESOURCE_EXHAUSTED"] as const;

const verb = (summary: string, body?: Description["body"]): Description => ({
  summary,
  ...(body === undefined ? {} : { body }),
  answers: { 200: execution("The execution after the change") },
  errors: ["EXECUTION_NOT_FOUND", "EXECUTION_CONFLICT", ...OF_AN_OBJECT],
});

export const EXECUTIONS = {
  start_execution: {
    summary: "Run a pipeline: stream its events, wait for its result, or return at once",
    body: { schema: ExecutionRequest },
    headers: RUN_HEADERS,
    answers: {
      200: { ...execution("The execution after its end, or its event stream"), headers: WAITED },
      202: { ...execution("The execution, still running or paused"), headers: WAITED },
    },
    errors: ["PIPELINE_NOT_FOUND", "IDEMPOTENCY_MISMATCH", ...OF_AN_OBJECT, ...DEFINITION],
  },
  list_executions: {
    summary: "List executions, newest first",
    parameters: {
      status: "Only executions with this status",
      pipeline: "Only executions of this pipeline",
      conversation_id: "Only executions of this conversation",
      limit: "Maximum number of executions",
      cursor: "next_cursor of the previous page",
    },
    answers: { 200: { description: "One page of executions", schema: ExecutionList } },
    errors: [],
  },
  cleanup_completed_executions: {
    summary: "Delete old completed executions and the results that they cached",
    body: { schema: CleanupRequest },
    answers: { 200: { description: "The number deleted, and whether more remain", schema: CleanupResult } },
    errors: [],
  },
  get_execution: {
    summary: "Get an execution",
    answers: { 200: execution("The execution") },
    errors: ["EXECUTION_NOT_FOUND", ...OF_AN_OBJECT],
  },
  delete_execution: {
    summary: "Delete an execution that has ended, and the results that it cached",
    answers: { 204: DELETED },
    errors: ["EXECUTION_NOT_FOUND", "EXECUTION_CONFLICT", ...OF_AN_OBJECT],
  },
  stream_events: {
    summary: "Stream the events of an execution: replay, then live",
    parameters: {
      after: "The seq of the last event received; Last-Event-ID takes precedence",
      token: "The stream token of stream_url, for an EventSource, which cannot send headers",
    },
    headers: ["Last-Event-ID"],
    answers: { 200: { ...STREAM, schema: EventList }, 204: { description: "No further events" } },
    errors: ["EXECUTION_NOT_FOUND", ...OF_AN_OBJECT],
  },
  get_execution_trace: {
    summary: "Get the trace of an execution",
    answers: { 200: { description: "The trace so far", schema: ExecutionTrace } },
    errors: ["EXECUTION_NOT_FOUND", ...OF_AN_OBJECT],
  },
  pause_execution: verb("Pause an execution: no further stage starts until it is resumed", {
    schema: PauseRequest,
    optional: true,
  }),
  resume_execution: verb("Resume a paused execution"),
  cancel_execution: verb("Cancel an execution and abort its calls"),
  execute_stage: {
    summary: "Run one stage on its own",
    body: { schema: StageExecutionRequest },
    headers: RUN_HEADERS,
    answers: {
      200: {
        description: "The result of the stage, also if it failed",
        schema: StageResult,
        headers: WAITED,
      },
      202: {
        description: "The stage of an execution that is still running or paused",
        schema: StageResult,
        headers: WAITED,
      },
    },
    errors: ["IDEMPOTENCY_MISMATCH", ...OF_AN_OBJECT, ...DEFINITION],
  },
} satisfies Record<string, Description>;
