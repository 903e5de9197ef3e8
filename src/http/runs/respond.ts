// Answers about an execution: its JSON with the stream that follows it, its status and its headers.
import type { ExecutionStatus, PipelineExecution } from "../../contract/execution.ts";
import { isTerminal } from "../../core/execution/state.ts";
import { type ExecutionText, statusOf, streamUrlOf, withStreamUrl } from "../../engine/object-protocol.ts";
import type { Call } from "../context.ts";
import { asJson, type JsonText } from "../endpoint.ts";
import type { Preference } from "../request/negotiate.ts";

/** The JSON of an execution. A token is signed only where there is something to follow. */
export async function executionText(
  call: Call,
  execution_id: string,
  text: ExecutionText,
): Promise<JsonText<PipelineExecution>> {
  if (isTerminal(text.status)) return asJson(text.json);
  const { services, tenant, key_id } = call.var;
  // Without keys the token is included too, although it is not checked: a page that works in development then works
  // with keys.
  const run = { execution_id, started_at: text.started_at };
  const token = await services.access.streamToken(tenant, run, key_id);
  return asJson(withStreamUrl(text, streamUrlOf(execution_id, token)));
}

/** 200 for an execution that has ended, else 202. */
export function runStatus(status: ExecutionStatus): 200 | 202 {
  return isTerminal(status) ? 200 : 202;
}

/** The object's own JSON for a caller whose leaving matters: its headers precede the end. */
export function watchedReply(response: Response) {
  // Without a status the end is not known yet.
  const status = statusOf(response);
  const text = asJson<PipelineExecution>(response.body ?? "");
  return { status: status === null ? (200 as const) : runStatus(status), text };
}

/** The headers of an answer that waited for a run as far as the caller wanted to. */
export function runHeaders(execution_id: string, { applied }: Preference): Record<string, string> {
  const location = locationOf(execution_id);
  return applied === null ? { location } : { location, "preference-applied": applied };
}

/** Where an execution is found. */
export function locationOf(execution_id: string): string {
  return `/v1/executions/${execution_id}`;
}
