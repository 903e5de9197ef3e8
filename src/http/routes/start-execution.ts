// POST /v1/executions: parse → identify → plan → start or attach → respond. Streams, waits or returns at once.
import { ExecutionRequest } from "../../contract/requests.ts";
import { endpoint } from "../endpoint.ts";
import { DEFINITION_ERRORS, OBJECT_ERRORS, RUN_HEADERS, WAITED_HEADERS } from "../openapi/description.ts";
import { readPrefer } from "../request/negotiate.ts";
import { JSON_TYPE, SSE_TYPE } from "../route.ts";
import { serveRun } from "../runs/serve-run.ts";
import { planStart } from "../runs/start-run.ts";

export const startExecution = [
  endpoint({
    id: "start_execution",
    method: "post",
    path: "/v1/executions",
    permission: "execute",
    produces: [JSON_TYPE, SSE_TYPE],
    starts_work: true,
    attaches_by_cursor: true,
    body: {
      name: "ExecutionRequest",
      schema: ExecutionRequest,
      any_integer: true,
    },
    answers: { 200: "PipelineExecution", 202: "PipelineExecution" },
    describe: () => ({
      summary: "Run a pipeline: stream its events, wait for its result, or return at once",
      headers: RUN_HEADERS,
      answers: {
        200: { description: "The execution after its end, or its event stream", headers: WAITED_HEADERS },
        202: {
          description: "The execution, still queued, running, waiting or paused",
          headers: WAITED_HEADERS,
        },
      },
      errors: [
        "PIPELINE_NOT_FOUND",
        "CONVERSATION_BUSY",
        "IDEMPOTENCY_MISMATCH",
        ...OBJECT_ERRORS,
        ...DEFINITION_ERRORS,
      ],
    }),
    handle: async ({ call, body, sent, type }) => {
      const prefer = readPrefer(call.req.header("prefer") ?? null);
      const request = await planStart(call, body, sent, type === SSE_TYPE || prefer.wait_ms !== 0);
      if (!request.ok) return request;
      return serveRun(call, request.value, { type, prefer, on_disconnect: body.on_disconnect });
    },
  }),
];
