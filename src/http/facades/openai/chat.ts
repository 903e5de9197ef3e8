// POST /v1/chat/completions and /v1/models: OpenAI's clients as they are, with a pipeline as the model.
import { err } from "../../../contract/problem.ts";
import { chatCompletion, ChatCompletionEncoder } from "../../../core/dialects/openai/chat.ts";
import { endpoint } from "../../endpoint.ts";
import { DEFINITION_ERRORS, OBJECT_ERRORS } from "../../openapi/description.ts";
import { invalid } from "../../request/body.ts";
import {
  MESSAGES,
  pipelineName,
  planFacadeRun,
  RUN_POST,
  served,
  streamStart,
  waitForExecution,
} from "../facade.ts";
import { ChatCompletionRequest, questionOf } from "./chat-request.ts";
import { completed } from "./answer.ts";

const PLACES = { query: "/messages", conversation_id: "/metadata/conversation_id", pipeline: "/model" };

export const chatCompletions = [
  endpoint({
    id: "list_models",
    method: "get",
    path: "/v1/models",
    permission: "read",
    dialect: "openai",
    any_accept: true,
    any_query: true,
    answers: { 200: "ModelList" },
    describe: () => ({ summary: "List pipelines as OpenAI's models", answers: { 200: "All pipelines" } }),
    handle: async ({ services, tenant }) => {
      const { versions } = await services.catalogs.read(tenant);
      const data = Object.keys(versions).toSorted().map(model);
      return { status: 200, json: { object: "list" as const, data } };
    },
  }),
  endpoint({
    id: "get_model",
    method: "get",
    path: "/v1/models/:name",
    permission: "read",
    dialect: "openai",
    any_accept: true,
    any_query: true,
    params: { name: pipelineName },
    answers: { 200: "Model" },
    describe: () => ({
      summary: "Get a pipeline as OpenAI's model",
      answers: { 200: "The pipeline" },
      errors: ["PIPELINE_NOT_FOUND"],
    }),
    handle: async ({ services, tenant, params: { name } }) => {
      const { versions } = await services.catalogs.read(tenant);
      return Object.hasOwn(versions, name)
        ? { status: 200, json: model(name) }
        : err({ code: "PIPELINE_NOT_FOUND", pipeline: name });
    },
  }),
  endpoint({
    id: "create_chat_completion",
    path: "/v1/chat/completions",
    ...RUN_POST,
    dialect: "openai",
    body: { name: "ChatCompletionRequest", schema: ChatCompletionRequest, ...MESSAGES },
    describe: () => ({
      summary: "Answer the last message, as OpenAI's chat completions do",
      headers: ["Idempotency-Key"],
      answers: { 200: "The completion, or with `stream` its chunks" },
      errors: ["PIPELINE_NOT_FOUND", "CONVERSATION_BUSY", ...OBJECT_ERRORS, ...DEFINITION_ERRORS],
    }),
    handle: async ({ call, services, body, sent }) => {
      const question = questionOf(body);
      if (!question.ok) return err(invalid([question.error]));
      const { query, history, context, isAlone } = question.value;
      const named = body.metadata?.conversation_id;
      const run = {
        query,
        conversation_id: named ?? `conv_${services.platform.randomExecutionId()}`,
        pipeline: body.model,
        context,
        on_disconnect: "cancel",
        // No caller knows the conversation that is drawn for this call: nothing is remembered of it.
        ...(isAlone && named !== undefined ? {} : { history }),
      };
      const planned = await planFacadeRun(call, run, sent, true, PLACES);
      if (!planned.ok) return planned;
      const headers = { "x-request-id": planned.value.execution_id };
      if (body.stream === true) {
        const encoder = new ChatCompletionEncoder({
          model: body.model,
          includeUsage: body.stream_options?.include_usage === true,
          reasoning: call.req.query("reasoning") !== undefined,
        });
        return served(await streamStart(call, planned.value, encoder, headers));
      }
      const execution = await waitForExecution(call, planned.value, null, true);
      if (!execution.ok) return execution;
      return { stream: completed(execution.value, () => chatCompletion(execution.value, body.model)) };
    },
  }),
];

function model(id: string) {
  return { id, object: "model" as const, created: 0, owned_by: "agent-coordinator" };
}
