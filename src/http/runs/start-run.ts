// identify → plan → the request to the execution's object: what every route that starts a pipeline does with a question.
import { ok, type Result } from "../../contract/problem.ts";
import type { ExecutionRequest } from "../../contract/requests.ts";
import type { Call } from "../context.ts";
import type { RunRequest } from "./begun-run.ts";
import { identify } from "./identify.ts";
import { planRun, runContext } from "./run-spec.ts";
import { type StartRequest, startRequest } from "./start-or-attach.ts";

/**
 * @param sent the request's JSON as it was sent, which a repetition must equal
 * @param watched the caller follows the run from its start
 */
export async function planStart(
  call: Call,
  request: ExecutionRequest & RunRequest,
  sent: unknown,
  watched: boolean,
): Promise<Result<StartRequest>> {
  const identity = await identify(call, sent, request.execution_id);
  if (!identity.ok) return identity;
  const context = runContext(call, identity.value, watched);
  const planned = await planRun(call.var.services, request, context);
  const start = startRequest(call, identity.value, planned);
  return start.ok ? ok(start.value) : start;
}
