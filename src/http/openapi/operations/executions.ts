// Of running pipelines and following them.
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
/** On the answer of a run that was waited for as far as the caller wanted to. */
const WAITED = ["Location", "Preference-Applied"];
const STREAM = { description: "The event stream of the execution", type: SSE_TYPE };
const execution = (description: string): Answer => ({ description, schema: PipelineExecution });

/** An execution whose log cannot be read, or for which storage or memory has no room. */
const OF_AN_OBJECT = ["CONTEXT_CORRUPTED", "RESOURCE_EXHAUSTED"] as const;

const verb = (summary: string, body?: Description["body"]): Description => ({
  summary,
  ...(body === undefined ? {} : { body }),
  answers: { 200: execution("The execution as it then stands") },
  errors: ["EXECUTION_NOT_FOUND", "EXECUTION_CONFLICT", ...OF_AN_OBJECT],
});

export const EXECUTIONS = {
  start_execution: {
    summary: "Run a pipeline: stream it, wait for it, or start it and go",
    body: { schema: ExecutionRequest },
    headers: RUN_HEADERS,
    answers: {
      200: { ...execution("The execution, ended; or its event stream"), headers: WAITED },
      202: { ...execution("The execution, still running or paused"), headers: WAITED },
    },
    errors: ["PIPELINE_NOT_FOUND", "IDEMPOTENCY_MISMATCH", ...OF_AN_OBJECT, ...DEFINITION],
  },
  list_executions: {
    summary: "List executions, newest first",
    parameters: {
      status: "Only those of this status",
      pipeline: "Only those of this pipeline",
      conversation_id: "Only those of this conversation",
      limit: "How many at most",
      cursor: "next_cursor of the page before",
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
    errors: ["EXECUTION_NOT_FOUND", ...OF_AN_OBJECT],
  },
  delete_execution: {
    summary: "Forget an execution that has ended, and the results that it put into the cache",
    answers: { 204: DELETED },
    errors: ["EXECUTION_NOT_FOUND", "EXECUTION_CONFLICT", ...OF_AN_OBJECT],
  },
  stream_events: {
    summary: "Follow an execution: replay after the last event seen, then live",
    parameters: {
      after: "The seq of the last event seen; Last-Event-ID wins over it",
      token: "The stream token of stream_url, for an EventSource, which cannot send headers",
    },
    headers: ["Last-Event-ID"],
    answers: { 200: { ...STREAM, schema: EventList }, 204: { description: "Nothing will come any more" } },
    errors: ["EXECUTION_NOT_FOUND", ...OF_AN_OBJECT],
  },
  get_execution_trace: {
    summary: "Every event of an execution with its timing",
    answers: { 200: { description: "The trace so far", schema: ExecutionTrace } },
    errors: ["EXECUTION_NOT_FOUND", ...OF_AN_OBJECT],
  },
  pause_execution: verb("Start no further stage until resume", { schema: PauseRequest, optional: true }),
  resume_execution: verb("Go on after a pause"),
  cancel_execution: verb("End an execution and abort its calls"),
  execute_stage: {
    summary: "Run one stage on its own",
    body: { schema: StageExecutionRequest },
    headers: RUN_HEADERS,
    answers: {
      200: { description: "What became of it, also where it failed", schema: StageResult, headers: WAITED },
      202: {
        description: "The stage of an execution that still runs, or is paused",
        schema: StageResult,
        headers: WAITED,
      },
    },
    errors: ["IDEMPOTENCY_MISMATCH", ...OF_AN_OBJECT, ...DEFINITION],
  },
} satisfies Record<string, Description>;
