// Launching a run, whatever it is a run of: its name from the headers, its plan, and the object that takes it or has
// it already. Repetitions attach; they never start a second run.
import { refusalOf, type RunMessage } from "../adapters/objects/execution-api.ts";
import { type CoordinatorError, err, ok, type Result } from "../contract/problem.ts";
import type { RunSpec } from "../core/execution/run-spec.ts";
import { invalid } from "./body.ts";
import type { Call } from "./context.ts";
import { nameExecution, type RunContext } from "./plan-run.ts";

export interface Launch {
  /** The request's JSON as it was sent. */
  body: unknown;
  /** The caller's own id, where there is one. */
  own: string | undefined;
  answer: RunMessage["answer"];
  plan: (context: RunContext) => Promise<Result<RunSpec>>;
}

export interface Launched {
  execution_id: string;
  response: Response;
  /** The last `seq` that the caller has. */
  after: number;
  /** The same run again, followed from another `seq`. */
  again: (after: number) => Promise<Response>;
}

/** Starts the run or attaches to it; what comes back is the object's answer. */
export async function launch(call: Call, { body, own, answer, plan }: Launch): Promise<Result<Launched>> {
  const { services, tenant } = call.var;
  const key = idempotencyKey(call.req.header("idempotency-key"));
  if (!key.ok) return key;
  const cursor = readCursor(call.req.header("last-event-id"), "Last-Event-ID");
  if (!cursor.ok) return cursor;
  if (cursor.value !== null && key.value === null && own === undefined) {
    const detail = "needs an Idempotency-Key or an execution_id: without one it would start a second run";
    return err(invalid([{ pointer: "/Last-Event-ID", detail }]));
  }
  // Whoever has had events already starts nothing.
  if (!services.settings.enabled && cursor.value === null) return err({ code: "COORDINATOR_DISABLED" });
  const naming = await nameExecution(tenant, own, body, key.value);
  // Events do not name their stream; and a token is signed while the plan is made.
  const url = answer === "stream" ? "" : streamUrl(call, naming.execution_id);
  const planned = await plan({
    tenant,
    naming,
    watched: answer === "stream" || answer.wait_ms !== 0,
    traceparent: call.req.header("traceparent") ?? null,
  });
  // A repetition attaches to its execution even where its pipeline is gone by now.
  if (!planned.ok && naming.digest === null) return planned;
  const message: RunMessage = {
    digest: naming.digest,
    // Who has had events already wants more of that run, and never another one.
    spec: planned.ok && cursor.value === null ? planned.value : null,
    after: cursor.value ?? 0,
    answer,
    stream_url: await url,
    health: services.catalogs.peek(tenant)?.health ?? null,
  };
  const { execution_id } = naming;
  const again = (after: number) =>
    services.executions.run(tenant, execution_id, { ...message, after }, call.req.raw.signal);
  const response = await again(message.after);
  const refusal: CoordinatorError | null = await refusalOf(response);
  if (refusal === null) return ok({ execution_id, response, after: message.after, again });
  return err(refusal.code === "EXECUTION_NOT_FOUND" && !planned.ok ? planned.error : refusal);
}

/** Where an execution is found. */
export function locationOf(execution_id: string): string {
  return `/v1/executions/${execution_id}`;
}

/**
 * Where a browser follows an execution, with the token that lets its EventSource in. Without keys the token stands
 * there too, though nobody asks for it: a page that works in development then works behind keys.
 */
export async function streamUrl(call: Call, execution_id: string): Promise<string> {
  const token = await call.var.services.access.streamToken(call.var.tenant, execution_id);
  return `${locationOf(execution_id)}/events?token=${token}`;
}

/** A cursor: the last `seq` that a reader has; null where none is given. */
export function readCursor(text: string | undefined, name: string): Result<number | null> {
  if (text === undefined || text === "") return ok(null);
  if (/^\d{1,15}$/.test(text)) return ok(Number(text));
  return err(invalid([{ pointer: `/${name}`, detail: "must be the seq of an event" }]));
}

/** Idempotency-Key is opaque; a bound keeps a header from being a document. */
const KEY_CHARS = 255;

function idempotencyKey(header: string | undefined): Result<string | null> {
  if (header === undefined) return ok(null);
  const key = /^"(.*)"$/.exec(header.trim())?.[1] ?? header.trim();
  if (key !== "" && key.length <= KEY_CHARS) return ok(key);
  return err(invalid([{ pointer: "/Idempotency-Key", detail: `must have 1 to ${KEY_CHARS} characters` }]));
}
