// /v1/responses: OpenAI's Responses API, of which a run is a response: in the background, streamed, taken up again by
// `starting_after`, cancelled, deleted.
import { err, ok, type Result } from "../../../contract/problem.ts";
import { ExecutionId } from "../../../contract/names.ts";
import {
  aboutOf,
  RESPONSE_PREFIX,
  responseContext,
  responseOf,
} from "../../../core/dialects/openai/response.ts";
import { ResponsesEncoder } from "../../../core/dialects/openai/responses.ts";
import { type Call, jsonText } from "../../context.ts";
import { endpoint } from "../../endpoint.ts";
import { DEFINITION_ERRORS, OBJECT_ERRORS } from "../../openapi/description.ts";
import { invalid } from "../../request/body.ts";
import { JSON_TYPE, SSE_TYPE } from "../../route.ts";
import {
  cancelRun,
  type FacadeRun,
  MESSAGES,
  planFacadeRun,
  readExecution,
  RUN_POST,
  served,
  streamExisting,
  streamStart,
  waitForExecution,
  watchedAnswer,
} from "../facade.ts";
import { questionIn, type ResponseRequest, ResponseRequest as Request } from "./response-request.ts";

const PLACES = { query: "/input", conversation_id: "/conversation", pipeline: "/model" };
const PATH = "/v1/responses/:response_id";

/** The execution of a response's id. */
const response_id = (text: string): Result<string> => {
  const id = text.startsWith(RESPONSE_PREFIX) ? text.slice(RESPONSE_PREFIX.length) : "";
  return ExecutionId.safeParse(id).success
    ? ok(id)
    : err({ code: "EXECUTION_NOT_FOUND", execution_id: text.slice(0, 80) });
};

const COMMON = { dialect: "openai", any_accept: true, any_query: true } as const;

export const responses = [
  endpoint({
    id: "create_response",
    path: "/v1/responses",
    ...RUN_POST,
    ...COMMON,
    body: { name: "ResponseRequest", schema: Request, ...MESSAGES },
    describe: () => ({
      summary: "Run a pipeline as a response of OpenAI's Responses API",
      headers: ["Idempotency-Key"],
      answers: { 200: "The response, or with `stream` its events" },
      errors: ["PIPELINE_NOT_FOUND", "CONVERSATION_BUSY", ...OBJECT_ERRORS, ...DEFINITION_ERRORS],
    }),
    handle: async ({ call, body, sent }) => {
      const asked = await runOf(call, body);
      if (!asked.ok) return asked;
      const { run, about } = asked.value;
      const { stream, background } = { stream: body.stream === true, background: body.background === true };
      const planned = await planFacadeRun(call, run, sent, !background, PLACES);
      if (!planned.ok) return planned;
      const { execution_id } = planned.value;
      const headers = { "x-request-id": execution_id };
      if (stream) {
        const encoder = new ResponsesEncoder({ execution_id, ...about });
        return served(await streamStart(call, planned.value, encoder, headers));
      }
      if (!background) {
        const answered = await watchedAnswer(
          call,
          planned.value,
          (execution) => responseOf(execution),
          headers,
        );
        return answered.ok ? { stream: answered.value } : answered;
      }
      const execution = await waitForExecution(call, planned.value, 0, false);
      if (!execution.ok) return execution;
      return { stream: jsonText(JSON.stringify(responseOf(execution.value)), 200, headers) };
    },
  }),
  endpoint({
    id: "get_response",
    method: "get",
    path: PATH,
    permission: "read",
    ...COMMON,
    produces: [SSE_TYPE, JSON_TYPE],
    params: { response_id },
    answers: { 200: { media: JSON_TYPE } },
    describe: () => ({
      summary: "Get a response, or its events after `starting_after` with `stream=true`",
      answers: { 200: "The response, or its events" },
      errors: ["EXECUTION_NOT_FOUND", ...OBJECT_ERRORS],
    }),
    handle: async ({ call, params }) => {
      const execution = await readExecution(call, params.response_id);
      if (!execution.ok) return execution;
      if (call.req.query("stream") !== "true") {
        return { stream: jsonText(JSON.stringify(responseOf(execution.value))) };
      }
      const after = call.req.query("starting_after");
      if (after !== undefined && !/^\d{1,15}$/.test(after)) {
        const detail = "must be the sequence_number of an event";
        return err(invalid([{ pointer: "/starting_after", detail }]));
      }
      const encoder = new ResponsesEncoder(
        aboutOf(execution.value),
        after === undefined ? -1 : Number(after),
      );
      return served(await streamExisting(call, params.response_id, encoder));
    },
  }),
  endpoint({
    id: "cancel_response",
    method: "post",
    path: "/v1/responses/:response_id/cancel",
    permission: "execute",
    ...COMMON,
    params: { response_id },
    answers: { 200: { media: JSON_TYPE } },
    describe: () => ({
      summary: "Cancel a response; one that has ended stays as it is",
      answers: { 200: "The response" },
      errors: ["EXECUTION_NOT_FOUND", ...OBJECT_ERRORS],
    }),
    handle: async ({ call, params }) => {
      const cancelled = await cancelRun(call, params.response_id, "by its caller");
      if (!cancelled.ok) return cancelled;
      const execution = await readExecution(call, params.response_id);
      if (!execution.ok) return execution;
      return { status: 200, media: JSON.stringify(responseOf(execution.value)), type: JSON_TYPE };
    },
  }),
  endpoint({
    id: "delete_response",
    method: "delete",
    path: PATH,
    permission: "execute",
    ...COMMON,
    params: { response_id },
    answers: { 200: { media: JSON_TYPE } },
    describe: () => ({
      summary: "Delete a response that has ended",
      answers: { 200: "Deleted" },
      errors: ["EXECUTION_NOT_FOUND", "EXECUTION_CONFLICT", ...OBJECT_ERRORS],
    }),
    handle: async ({ services, tenant, params }) => {
      const forgotten = await services.executions.rpc(tenant, params.response_id).forget();
      if (!forgotten.ok) return forgotten;
      const deleted = { id: `${RESPONSE_PREFIX}${params.response_id}`, object: "response", deleted: true };
      return { status: 200, media: JSON.stringify(deleted), type: JSON_TYPE };
    },
  }),
];

/** The run of a request, and what its response repeats of it. */
async function runOf(call: Call, body: ResponseRequest) {
  const question = questionIn(body);
  if (!question.ok) return err(invalid([question.error]));
  const { query, history, system } = question.value;
  const previous = await previousOf(call, body.previous_response_id ?? null);
  if (!previous.ok) return previous;
  const { conversation } = body;
  const given = typeof conversation === "string" ? conversation : conversation?.id;
  const { randomExecutionId } = call.var.services.platform;
  const conversation_id = given ?? previous.value ?? `conv_${randomExecutionId()}`;
  const about = {
    model: body.model,
    conversation_id,
    background: body.background === true,
    instructions: system,
    previous_response_id: body.previous_response_id ?? null,
    metadata: body.metadata ?? {},
  };
  const run: FacadeRun = {
    query,
    conversation_id,
    pipeline: body.model,
    context: { ...(system === null ? {} : { system }), ...responseContext(about) },
    on_disconnect: about.background ? "continue" : "cancel",
    // Its caller in one piece is answered where it rests, and asks again by its id.
    ...(about.background || body.stream === true ? {} : { rests_alone: "for_good" as const }),
    ...(history.length === 0 ? {} : { history }),
  };
  return ok({ run, about });
}

/** The conversation of the response before; null where none is named. */
async function previousOf(call: Call, id: string | null): Promise<Result<string | null>> {
  if (id === null) return ok(null);
  const execution_id = response_id(id);
  if (!execution_id.ok) return err(unknownPrevious(id));
  const execution = await readExecution(call, execution_id.value);
  if (execution.ok) return ok(execution.value.conversation_id);
  return execution.error.code === "EXECUTION_NOT_FOUND" ? err(unknownPrevious(id)) : execution;
}

function unknownPrevious(id: string) {
  return invalid([{ pointer: "/previous_response_id", detail: `there is no response ${id.slice(0, 80)}` }]);
}
