// Answers a caller who starts a run: with its stream, with its JSON at the end of the wait, or at once.
import type { PipelineExecution } from "../../contract/execution.ts";
import type { OnDisconnect } from "../../contract/requests.ts";
import type { Call } from "../context.ts";
import type { JsonText, Refused } from "../endpoint.ts";
import type { Preference } from "../request/negotiate.ts";
import { SSE_TYPE } from "../route.ts";
import { streamResponse } from "../streaming/follower.ts";
import { executionText, locationOf, runHeaders, runStatus, watchedReply } from "./respond.ts";
import { reattachRun, type StartRequest, streamRun, waitForRun, waitWatched } from "./start-or-attach.ts";

interface Wanted {
  /** The media type of the answer. */
  type: string;
  prefer: Preference;
  on_disconnect: OnDisconnect;
}

type RunReply =
  | { stream: Response }
  | { status: 200 | 202; text: JsonText<PipelineExecution>; headers: Record<string, string> }
  | Refused;

/** Starts the run, or attaches the caller to it. */
export async function serveRun(
  call: Call,
  request: StartRequest,
  { type, prefer, on_disconnect }: Wanted,
): Promise<RunReply> {
  const { execution_id, after } = request;
  if (type === SSE_TYPE) {
    const first = await streamRun(call, request);
    if (!first.ok) return first;
    const reattach = reattachRun(call, request);
    const headers = { location: locationOf(execution_id) };
    return { stream: streamResponse(first.value, after, reattach, call.var.services.clock, headers) };
  }
  const headers = runHeaders(execution_id, prefer);
  // Who does not wait is no watcher.
  const isWatching = on_disconnect === "cancel" && prefer.wait_ms !== 0;
  if (isWatching || (on_disconnect === "continue" && isLarge(request))) {
    const waited = await waitWatched(call, request, prefer.wait_ms);
    return waited.ok ? { ...watchedReply(waited.value), headers } : waited;
  }
  const waited = await waitForRun(call, request, prefer.wait_ms);
  if (!waited.ok) return waited;
  const text = await executionText(call, execution_id, waited.value);
  return { status: runStatus(waited.value.status), text, headers };
}

/** Stages that hold so much together that the message may not fit one of RPC, which ends at 32 MiB. */
const LARGE_STAGES = 4;

/** A fork that takes over much: its message goes as a request's body, which has no such bound. */
function isLarge({ start }: StartRequest): boolean {
  return (start.spec?.reused?.length ?? 0) > LARGE_STAGES;
}
