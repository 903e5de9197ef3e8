// /v1/stages/execute: one stage on its own, as a durable execution of one stage. A stage that failed is a successful
// HTTP call; one whose execution has not ended (it was paused, or the caller did not want to wait) is answered with 202.
import type { PipelineExecution } from "../../contract/execution.ts";
import { StageExecutionRequest } from "../../contract/requests.ts";
import type { StageResult } from "../../contract/stage.ts";
import { parseJson } from "../../core/json/exact-integer.ts";
import { wholeText } from "../../engine/watch/text-stream.ts";
import { endpoint } from "../endpoint.ts";
import { DEFINITION_ERRORS, OBJECT_ERRORS, RUN_HEADERS, WAITED_HEADERS } from "../openapi/description.ts";
import { readPrefer } from "../request/negotiate.ts";
import { identify } from "../runs/identify.ts";
import { runHeaders, runStatus } from "../runs/respond.ts";
import { planStage, runContext } from "../runs/run-spec.ts";
import { startRequest, waitForRun } from "../runs/start-or-attach.ts";

export const stages = [
  endpoint({
    id: "execute_stage",
    method: "post",
    path: "/v1/stages/execute",
    permission: "execute",
    starts_work: true,
    attaches_by_cursor: true,
    body: {
      name: "StageExecutionRequest",
      schema: StageExecutionRequest,
      any_integer: true,
    },
    answers: { 200: "StageResult", 202: "StageResult" },
    describe: () => ({
      summary: "Run one stage on its own",
      headers: RUN_HEADERS,
      answers: {
        200: { description: "The result of the stage, also if it failed", headers: WAITED_HEADERS },
        202: {
          description: "The stage of an execution that is still running or paused",
          headers: WAITED_HEADERS,
        },
      },
      errors: ["IDEMPOTENCY_MISMATCH", ...OBJECT_ERRORS, ...DEFINITION_ERRORS],
    }),
    handle: async ({ call, services, body, sent }) => {
      const prefer = readPrefer(call.req.header("prefer") ?? null);
      const identity = await identify(call, sent, undefined);
      if (!identity.ok) return identity;
      const context = runContext(call, identity.value, prefer.wait_ms !== 0);
      const request = startRequest(call, identity.value, await planStage(services, body, context));
      if (!request.ok) return request;
      const waited = await waitForRun(call, request.value, prefer.wait_ms);
      if (!waited.ok) return waited;
      const execution = parseJson(await wholeText(waited.value.json)) as PipelineExecution;
      const headers = runHeaders(identity.value.execution_id, prefer);
      const stage = execution.stage_results[body.stage.name] as StageResult;
      return { status: runStatus(waited.value.status), json: stage, headers };
    },
  }),
];
