// Starts a run that has been identified and planned, or attaches to it where it is there already: a repetition never
// starts a second run. A caller waits for the execution as JSON, or has its stream, which can be attached again.
import { type CoordinatorError, err, ok, type Result } from "../../contract/problem.ts";
import {
  type ExecutionText,
  type FollowMessage,
  refusalOf,
  runText,
  type Start,
} from "../../engine/object-protocol.ts";
import type { Call } from "../context.ts";
import type { Reattach } from "../streaming/follower.ts";
import type { Identity } from "./identify.ts";
import type { PlannedRun } from "./run-spec.ts";

/** What the execution's object is asked to start, or to attach the caller to. */
export interface StartRequest {
  execution_id: string;
  /** The last `seq` that the caller has. */
  after: number;
  start: Start;
  /** When the run was asked for, ms since the epoch. */
  at: number;
  /** Why nothing can be started, where that is so: only attaching is left. */
  unplanned: CoordinatorError | null;
}

/** @param planned the run, or why it cannot be run */
export function startRequest(
  call: Call,
  { execution_id, digest, cursor, at }: Identity,
  planned: Result<PlannedRun>,
): Result<StartRequest> {
  // A repetition attaches to its execution even if its pipeline is deleted by now.
  if (!planned.ok && digest === null) return planned;
  const { services, tenant } = call.var;
  // A caller that has received events wants more of that run, and never another one.
  const { spec, ...queued } = planned.ok && cursor === null ? planned.value : { spec: null };
  const start = { digest, spec, ...queued, health: services.catalogs.peek(tenant)?.health ?? null };
  const unplanned = planned.ok ? null : planned.error;
  return ok({ execution_id, after: cursor ?? 0, start, at, unplanned });
}

/** The execution at the end of the wait. @param wait_ms null waits for its end */
export async function waitForRun(
  call: Call,
  request: StartRequest,
  wait_ms: number | null,
): Promise<Result<ExecutionText>> {
  const { services, tenant } = call.var;
  const message = runText({ ...request.start, wait_ms });
  const text = await services.executions.rpc(tenant, request.execution_id).run(message);
  return text.ok ? text : refused(call, request, text.error);
}

/** The same for a caller whose leaving matters, as the object's own response. */
export function waitWatched(
  call: Call,
  request: StartRequest,
  wait_ms: number | null,
): Promise<Result<Response>> {
  // Events do not name their stream; an answer that the object writes itself does.
  return follow(call, request, { wait_ms, key_id: call.var.key_id });
}

/** The object's stream of the run. */
export function streamRun(call: Call, request: StartRequest): Promise<Result<Response>> {
  return follow(call, request, "stream");
}

/** How the reader of the object's stream goes on with the same run where that one has stopped. */
export function reattachRun(call: Call, request: StartRequest): Reattach {
  const { services, tenant } = call.var;
  const { execution_id, start } = request;
  return {
    stream: (after) =>
      sendFollow(call, request, { ...start, answer: "stream", after, reattach: true, rests: true }),
    // Another run of this id is another reader's: the stream that follows is refused.
    rest: (after) => services.executions.rest(tenant, execution_id, { after, started_at: null }),
  };
}

async function follow(
  call: Call,
  request: StartRequest,
  answer: FollowMessage["answer"],
): Promise<Result<Response>> {
  const rests = answer === "stream" ? ({ rests: true } as const) : {};
  const message = { ...request.start, answer, after: request.after, ...rests };
  const response = await sendFollow(call, request, message);
  const refusal = await refusalOf(response);
  return refusal === null ? ok(response) : refused(call, request, refusal);
}

function sendFollow(call: Call, { execution_id }: StartRequest, message: FollowMessage): Promise<Response> {
  const { services, tenant } = call.var;
  return services.executions.follow(tenant, execution_id, message, call.req.raw.signal);
}

/** An execution that is not there could have been started, but for the reason that it was not planned. */
async function refused(
  { var: { services, tenant } }: Call,
  { start, at, unplanned }: StartRequest,
  error: CoordinatorError,
): Promise<{ ok: false; error: CoordinatorError }> {
  if (start.spec !== null) await services.executionIndex.withdraw(tenant, start.spec, at);
  return err(error.code === "EXECUTION_NOT_FOUND" && unplanned !== null ? unplanned : error);
}
