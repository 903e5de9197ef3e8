// /v1/ag-ui and /v1/pipelines/:name/ag-ui: AG-UI's HttpAgent as it is. A thread is a conversation, and a run of it an
// execution, or the rest of one that an interrupt had ended.
import { ExecutionId } from "../../../contract/names.ts";
import { err } from "../../../contract/problem.ts";
import { type AgUiRun, AgUiEncoder } from "../../../core/dialects/ag-ui/encoder.ts";
import { isObject } from "../../../core/json/json.ts";
import type { Call } from "../../context.ts";
import { endpoint } from "../../endpoint.ts";
import { DEFINITION_ERRORS, OBJECT_ERRORS } from "../../openapi/description.ts";
import { invalid } from "../../request/body.ts";
import {
  MESSAGES,
  pipelineName,
  planFacadeRun,
  RUN_POST,
  type Served,
  served,
  streamExisting,
  streamStart,
} from "../facade.ts";
import { questionOf, type RunAgentInput, RunAgentInput as Input } from "./request.ts";
import { takeAnswers } from "./resume.ts";

const DEFAULT_PIPELINE = "rag";
const PLACES = {
  query: "/messages",
  conversation_id: "/threadId",
  pipeline: "/forwardedProps/pipeline",
  pipeline_config: "/forwardedProps/pipeline_config",
  context: "/forwardedProps/context",
};

const RUN = {
  ...RUN_POST,
  body: { name: "RunAgentInput", schema: Input, ...MESSAGES },
  describe: () => ({
    summary: "Run a pipeline as an agent of AG-UI, or go on after its interrupts",
    answers: { 200: "AG-UI's event stream" },
    errors: [
      "PIPELINE_NOT_FOUND",
      "CONVERSATION_BUSY",
      "IDEMPOTENCY_MISMATCH",
      "SCHEMA_MISMATCH",
      ...OBJECT_ERRORS,
      ...DEFINITION_ERRORS,
    ] as const,
  }),
} as const;

export const agUi = [
  endpoint({
    id: "ag_ui",
    path: "/v1/ag-ui",
    ...RUN,
    handle: ({ call, body, sent }) =>
      serve(call, body, sent, body.forwardedProps?.pipeline ?? DEFAULT_PIPELINE),
  }),
  endpoint({
    id: "ag_ui_with_pipeline",
    path: "/v1/pipelines/:name/ag-ui",
    ...RUN,
    params: { name: pipelineName },
    handle: ({ call, body, sent, params }) => serve(call, body, sent, params.name),
  }),
];

async function serve(call: Call, input: RunAgentInput, sent: unknown, pipeline: string): Promise<Served> {
  const resume = input.resume ?? [];
  if (resume.length > 0) {
    const resumed = await takeAnswers(call, input.threadId, resume);
    if (!resumed.ok) return resumed;
    const { execution_id, ...answers } = resumed.value;
    const encoder = new AgUiEncoder({ ...runOf(input), resumed: answers });
    return served(await streamExisting(call, execution_id, encoder));
  }
  const question = questionOf(input);
  if (!question.ok) return err(invalid([question.error]));
  const { threadId, context } = input;
  const props = input.forwardedProps ?? {};
  const { pipeline_config } = props;
  const run = {
    ...question.value,
    conversation_id: threadId,
    pipeline,
    execution_id: await executionIdOf(call, input),
    context: {
      ...props.context,
      ...(context == null || context.length === 0 ? {} : { agui_context: context }),
    },
    // Its client cannot come back to a run, but to one that an interrupt has ended.
    on_disconnect: props.on_disconnect ?? "cancel",
    rests_alone: true as const,
    ...(pipeline_config === undefined ? {} : { pipeline_config }),
  };
  const planned = await planFacadeRun(call, run, sent, true, PLACES);
  if (!planned.ok) return planned;
  const encoder = new AgUiEncoder({ ...runOf(input), resumed: null });
  return served(await streamStart(call, planned.value, encoder));
}

function runOf({
  threadId,
  runId,
  protocolVersion,
  state,
  messages,
}: RunAgentInput): Omit<AgUiRun, "resumed"> {
  return {
    threadId,
    runId,
    protocolVersion: protocolVersion ?? null,
    state: isObject(state) ? state : {},
    messages,
  };
}

/** The run's own id where it can be an execution's, else one that is made of it. */
async function executionIdOf(call: Call, { threadId, runId }: RunAgentInput): Promise<string> {
  if (ExecutionId.safeParse(runId).success) return runId;
  return `ag_${(await call.var.services.platform.sha256Hex(`${threadId}\n${runId}`)).slice(0, 32)}`;
}
