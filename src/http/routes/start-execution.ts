// POST /v1/executions: parse → identify → plan → start or attach → respond. Streams, waits or returns at once.
import { ExecutionRequest } from "../../contract/requests.ts";
import { endpoint } from "../endpoint.ts";
import { DEFINITION_ERRORS, OBJECT_ERRORS, RUN_HEADERS, WAITED_HEADERS } from "../openapi/description.ts";
import { readPrefer } from "../request/negotiate.ts";
import { JSON_TYPE, SSE_TYPE } from "../route.ts";
import { identify } from "../runs/identify.ts";
import { planRun, runContext } from "../runs/run-spec.ts";
import { serveRun } from "../runs/serve-run.ts";
import { startRequest } from "../runs/start-or-attach.ts";

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
    handle: async ({ call, services, body, sent, type }) => {
      const prefer = readPrefer(call.req.header("prefer") ?? null);
      const identity = await identify(call, sent, body.execution_id);
      if (!identity.ok) return identity;
      const context = runContext(call, identity.value, type === SSE_TYPE || prefer.wait_ms !== 0);
      const request = startRequest(call, identity.value, await planRun(services, body, context));
      if (!request.ok) return request;
      return serveRun(call, request.value, { type, prefer, on_disconnect: body.on_disconnect });
    },
  }),
];
