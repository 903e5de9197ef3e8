// POST /v1/executions/:id/fork: parse → identify → read the source and plan → start or attach → respond.
import { ForkRequest } from "../../../contract/requests.ts";
import { endpoint } from "../../endpoint.ts";
import { DEFINITION_ERRORS, OBJECT_ERRORS, RUN_HEADERS, WAITED_HEADERS } from "../../openapi/description.ts";
import { invalid } from "../../request/body.ts";
import { readPrefer } from "../../request/negotiate.ts";
import { JSON_TYPE, SSE_TYPE } from "../../route.ts";
import { planForkOf } from "../../runs/fork-spec.ts";
import { executionId, identify } from "../../runs/identify.ts";
import { runContext } from "../../runs/run-spec.ts";
import { serveRun } from "../../runs/serve-run.ts";
import { startRequest } from "../../runs/start-or-attach.ts";

const NOTHING_CHANGED: ForkRequest = {
  pipeline_config: {},
  set: {},
  replace_turn: false,
  dry_run: false,
  on_disconnect: "continue",
};

export const fork = [
  endpoint({
    id: "fork_execution",
    method: "post",
    path: "/v1/executions/:id/fork",
    permission: "execute",
    params: { id: executionId },
    produces: [JSON_TYPE, SSE_TYPE],
    starts_work: true,
    attaches_by_cursor: true,
    body: { name: "ForkRequest", schema: ForkRequest, any_integer: true, absent: NOTHING_CHANGED },
    answers: { 200: "ForkAnswer", 202: "PipelineExecution" },
    describe: () => ({
      summary: "Run an execution again with what is changed, and take over the results that stay the same",
      headers: RUN_HEADERS,
      answers: {
        200: {
          description: "The execution after its end, or its event stream; with dry_run the plan",
          headers: WAITED_HEADERS,
        },
        202: { description: "The execution, still running or paused", headers: WAITED_HEADERS },
      },
      errors: [
        "EXECUTION_NOT_FOUND",
        "EXECUTION_CONFLICT",
        "CONVERSATION_BUSY",
        "PIPELINE_NOT_FOUND",
        "IDEMPOTENCY_MISMATCH",
        "SCHEMA_MISMATCH",
        ...OBJECT_ERRORS,
        ...DEFINITION_ERRORS,
      ],
    }),
    handle: async ({ call, services, params: { id }, body, sent, type }) => {
      const prefer = readPrefer(call.req.header("prefer") ?? null);
      if (body.dry_run && type === SSE_TYPE) {
        const detail = "a plan is no stream: ask for application/json";
        return { ok: false, error: invalid([{ pointer: "/dry_run", detail }]) };
      }
      // Of two executions the same change makes two forks.
      const identity = await identify(call, { forked_from: id, request: sent ?? {} }, body.execution_id);
      if (!identity.ok) return identity;
      const context = runContext(call, identity.value, type === SSE_TYPE || prefer.wait_ms !== 0);
      const planned = await planForkOf(services, id, body, context);
      if (body.dry_run) {
        if (!planned.ok) return planned;
        const { plan } = planned.value;
        const isRerun = new Set(plan.rerun.map(({ stage }) => stage));
        const reused = planned.value.stages.filter((name) => !isRerun.has(name));
        return { status: 200, json: { reused, rerun: plan.rerun } };
      }
      const spec = planned.ok ? await planned.value.begin() : planned;
      const request = startRequest(call, identity.value, spec);
      if (!request.ok) return request;
      const { on_disconnect } = body;
      const reply = await serveRun(call, request.value, { type, prefer, on_disconnect });
      if (!("status" in reply)) return reply;
      return reply.status === 200 ? { ...reply, status: 200 } : { ...reply, status: 202 };
    },
  }),
];
