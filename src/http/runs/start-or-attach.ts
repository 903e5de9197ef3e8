// Prepares a run of a pipeline or of a single stage: its name from the headers, its plan, and the object that takes
// it or has it already. Repetitions attach; they never start a second run.
import { type CoordinatorError, err, ok, type Result } from "../../contract/problem.ts";
import type { TokenRun } from "../../core/security/token.ts";
import type { RunSpec } from "../../core/execution/run-spec.ts";
import { isTerminal } from "../../core/execution/state.ts";
import {
  type ExecutionText,
  refusalOf,
  runText,
  streamUrlOf,
  withStreamUrl,
} from "../../engine/object-protocol.ts";
import type { Text } from "../../engine/watch/text-stream.ts";
import { invalid } from "../request/body.ts";
import type { Call } from "../context.ts";
import { bypassesCache, type Preference } from "../request/negotiate.ts";
import { nameExecution, type RunContext } from "./run-spec.ts";

export interface StartRequest {
  /** The request's JSON as it was sent. */
  body: unknown;
  /** The caller's own id, where there is one. */
  own: string | undefined;
  answer: "stream" | { wait_ms: number | null };
  plan: (context: RunContext) => Promise<Result<RunSpec>>;
}

/** A run that may start, or be attached to: by one of the two, once. */
export interface PreparedRun {
  execution_id: string;
  /** The execution at the end of the wait. */
  wait(): Promise<Result<ExecutionText>>;
  /** The object's own answer: a stream, or the JSON of a caller whose leaving matters. */
  stream(): Promise<Result<OpenedStream>>;
}

export interface OpenedStream {
  response: Response;
  /** The last `seq` that the caller has. */
  after: number;
  /** Another stream of the same run, where this one broke off. */
  reattach: (after: number) => Promise<Response>;
}

/** Names and plans the run; the result starts it, or attaches to it. */
export async function prepare(call: Call, request: StartRequest): Promise<Result<PreparedRun>> {
  const { body, own, answer, plan } = request;
  const { services, tenant } = call.var;
  const key = idempotencyKey(call.req.header("idempotency-key"));
  if (!key.ok) return key;
  const cursor = readCursor(call.req.header("last-event-id"));
  if (!cursor.ok) return cursor;
  if (cursor.value !== null && key.value === null && own === undefined) {
    const detail = "needs an Idempotency-Key or an execution_id: without one it would start a second run";
    return err(invalid([{ pointer: "/Last-Event-ID", detail }]));
  }
  // A caller that has already received events starts nothing.
  if (!services.settings.enabled && cursor.value === null) return err({ code: "COORDINATOR_DISABLED" });
  const naming = await nameExecution(tenant, own, body, key.value);
  const planned = await plan({
    tenant,
    naming,
    watched: answer === "stream" || answer.wait_ms !== 0,
    traceparent: call.req.header("traceparent") ?? null,
    no_cache: bypassesCache(call.req.header("cache-control") ?? null),
  });
  // A repetition attaches to its execution even if its pipeline is deleted by now.
  if (!planned.ok && naming.digest === null) return planned;
  const { execution_id } = naming;
  const start = {
    digest: naming.digest,
    // A caller that has received events wants more of that run, and never another one.
    spec: planned.ok && cursor.value === null ? planned.value : null,
    health: services.catalogs.peek(tenant)?.health ?? null,
  };
  const wait_ms = answer === "stream" ? 0 : answer.wait_ms;
  const refused = (error: CoordinatorError) =>
    err(error.code === "EXECUTION_NOT_FOUND" && !planned.ok ? planned.error : error);
  return ok({
    execution_id,
    wait: async () => {
      const text = await services.executions.rpc(tenant, execution_id).run(runText({ ...start, wait_ms }));
      return text.ok ? text : refused(text.error);
    },
    stream: async () => {
      // Events do not name their stream; an answer that the object writes itself does.
      const asked = answer === "stream" ? answer : { wait_ms, key_id: call.var.key_id };
      const { signal } = call.req.raw;
      const message = { ...start, answer: asked };
      const reattach = (seq: number) =>
        services.executions.follow(tenant, execution_id, { ...message, after: seq, reattach: true }, signal);
      const after = cursor.value ?? 0;
      const response = await services.executions.follow(tenant, execution_id, { ...message, after }, signal);
      const refusal = await refusalOf(response);
      return refusal === null ? ok({ response, after, reattach }) : refused(refusal);
    },
  });
}

/** The JSON of an answer about an execution. A token is signed only where there is something to follow. */
export async function executionText(call: Call, execution_id: string, text: ExecutionText): Promise<Text> {
  if (isTerminal(text.status)) return text.json;
  return withStreamUrl(text, await streamUrl(call, { execution_id, started_at: text.started_at }));
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

/**
 * The stream URL for a browser, with the token that authorises its EventSource. Without keys the token is
 * included too, although it is not checked: a page that works in development then works with keys.
 */
async function streamUrl(call: Call, run: TokenRun): Promise<string> {
  const { services, tenant, key_id } = call.var;
  return streamUrlOf(run.execution_id, await services.access.streamToken(tenant, run, key_id));
}

/** What Last-Event-ID says: the last `seq` that a reader has; null where there is none, or an empty one. */
export function readCursor(header: string | undefined): Result<number | null> {
  if (header === undefined || header === "") return ok(null);
  if (/^\d{1,15}$/.test(header)) return ok(Number(header));
  return err(invalid([{ pointer: "/Last-Event-ID", detail: "must be the seq of an event" }]));
}

/** Idempotency-Key is opaque; a bound keeps a header from being a document. */
const KEY_CHARS = 255;

function idempotencyKey(header: string | undefined): Result<string | null> {
  if (header === undefined) return ok(null);
  const key = /^"(.*)"$/.exec(header.trim())?.[1] ?? header.trim();
  if (key !== "" && key.length <= KEY_CHARS) return ok(key);
  return err(invalid([{ pointer: "/Idempotency-Key", detail: `must have 1 to ${KEY_CHARS} characters` }]));
}
