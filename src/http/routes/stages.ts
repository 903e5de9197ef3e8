// /v1/stages/execute: one stage on its own, as a durable execution of one stage. A stage that failed is a successful
// HTTP call; one whose execution has not ended (it was paused, or the caller did not want to wait) is answered with 202.
import { Hono } from "hono/tiny";
import type { PipelineExecution } from "../../contract/execution.ts";
import { StageExecutionRequest } from "../../contract/requests.ts";
import { parseJson } from "../../core/json/exact-integer.ts";
import { isTerminal } from "../../core/execution/state.ts";
import { wholeText } from "../../engine/watch/text-stream.ts";
import { parseWith, readJsonBody } from "../request/body.ts";
import { type AppEnv, type Call, jsonText, problem } from "../context.ts";
import { prepare, runHeaders } from "../runs/start-or-attach.ts";
import { readPrefer } from "../request/negotiate.ts";
import { planStage } from "../runs/run-spec.ts";

export const stages = new Hono<AppEnv>().post("/execute", execute);

async function execute(call: Call): Promise<Response> {
  const body = await readJsonBody(call.req.raw);
  if (!body.ok) return problem(call, body.error);
  const request = parseWith(StageExecutionRequest, body.value);
  if (!request.ok) return problem(call, request.error);
  const prefer = readPrefer(call.req.header("prefer") ?? null);
  const run = await prepare(call, {
    body: body.value,
    own: undefined,
    answer: { wait_ms: prefer.wait_ms },
    plan: (context) => planStage(call.var.services, request.value, context),
  });
  if (!run.ok) return problem(call, run.error);
  const text = await run.value.wait();
  if (!text.ok) return problem(call, text.error);
  const { execution_id } = run.value;
  const execution = parseJson(await wholeText(text.value.json)) as PipelineExecution;
  const result = execution.stage_results[request.value.stage.name];
  const status = isTerminal(text.value.status) ? 200 : 202;
  return jsonText(JSON.stringify(result), status, runHeaders(execution_id, prefer));
}
